from __future__ import annotations

from agent.matrix.ask import Ask, Want
from agent.matrix.conflict import find_conflict
from agent.matrix.explanation import explain_log, explain_text
from agent.matrix.solution import NoSolution, Solution
from agent.matrix.solver import solve
from agent.matrix.subject import find_subject
from agent.matrix.tables import Matrix
from agent.matrix.verdicts import Verdict, no, unknown


def _failures(*verdicts: Verdict) -> frozenset[Verdict]:
    return frozenset(verdicts)


A, B, C, U = no("a", "row.a"), no("b", "row.b"), no("c", "row.c"), unknown("u")


def test_the_smallest_reason_is_found() -> None:
    one_want = ((_failures(A, B), _failures(A, C)),)
    assert find_conflict((one_want, one_want)) == (A,)
    assert set(find_conflict((((_failures(A),),), ((_failures(B), _failures(B, C)),)))) == {A, B}


def test_plain_noes_are_preferred_and_an_unknown_is_named_where_it_is_needed() -> None:
    assert find_conflict((((_failures(A, U),),),)) == (A,)
    assert set(find_conflict((((_failures(A), _failures(U)),),))) == {A, U}


def test_one_want_without_a_way_is_enough_and_where_there_is_a_way_nothing_conflicts() -> None:
    assert find_conflict((((_failures(A),), (_failures(), _failures(B))),)) == (A,)
    assert find_conflict((((_failures(), _failures(B)),),)) == ()


def test_reasons_of_the_same_words_are_said_once_with_all_their_rows() -> None:
    other = no("a", "row.other")
    (merged,) = find_conflict((((_failures(A), _failures(other)),),))
    assert merged.says == "a"
    assert set(merged.rows) == {"row.a", "row.other"}


def test_an_image_nobody_says_runs_on_the_card_is_unknown() -> None:
    result = solve(Ask("RTX 4090", "x86_64", "", (Want("image", "nvcr.io/nvidia/vllm:25.12-py3"),)))
    assert isinstance(result, NoSolution)
    assert result.unknown
    assert "no row says that nvcr.io/nvidia/vllm:25.12-py3 has code for 8.9" in result.conflict[0].says


def test_of_several_cards_the_one_that_needs_the_newest_driver_counts() -> None:
    assert find_subject("8.9", Matrix()).driver_sure == "550.54.14"
    assert find_subject("8.9", Matrix()).driver_maybe == "520"


def test_a_supported_long_term_branch_is_advised_before_others() -> None:
    result = solve(Ask("RTX 4090", "x86_64", "", ()))
    assert isinstance(result, Solution)
    assert result.driver_branch == 580
    without = solve(Ask("RTX 4090", "x86_64", "", ()), Matrix().without("driver.580"))
    assert isinstance(without, Solution)
    assert without.driver_branch == 595


def test_what_an_xid_tells_is_not_told_again_by_its_symptom() -> None:
    assert len(explain_text("NVRM: Xid (PCI:0000:02:00): 79, pid=1, GPU has fallen off the bus.")) == 1
    assert len(explain_text("GPU has fallen off the bus")) == 1


def test_what_stands_first_in_a_log_is_told_first() -> None:
    log = "no kernel image is available for execution on the device\nNVRM: Xid (PCI:0000:02:00): 48, pid=1\n"
    assert [seen.line for seen in explain_log(log)] == [1, 2]
