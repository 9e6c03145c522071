from __future__ import annotations

from typing import Any

from agent.fleet.cohorts import Cohort, compare_cohorts
from agent.fleet.envelopes import Head
from agent.model.drift import UNREAD, Difference
from tests.unit.fleet.samples import Reports, heads_of, report

ALIKE = {"package": {"curl": "1", "gcc": "12"}, "group": {"docker": ""}}


def fleet(count: int, **odd: dict[str, dict[str, str]]) -> Reports:
    """Return `count` machines that are alike and those given by name."""
    return {f"n{number}": report(f"n{number}", ALIKE) for number in range(count)} | {
        name: report(name, facts) for name, facts in odd.items()
    }


def compared(reports: Reports, **more: Any) -> list[Cohort]:
    return compare_cohorts(heads_of(reports), lambda head: reports[head.machine], **more)


def test_the_odd_one_out_is_named_with_what_it_differs_in() -> None:
    (cohort,) = compared(fleet(5, odd={**ALIKE, "package": {"curl": "2", "gcc": "12"}}))
    assert (cohort.machines, cohort.alike) == (6, 5)
    (odd,) = cohort.odd
    assert odd.machines == ("odd",)
    assert odd.differences == (Difference("package", "curl", "1", "2"),)


def test_machines_that_differ_alike_are_one_group_and_the_rarest_kind_comes_first() -> None:
    two = {**ALIKE, "package": {"curl": "2", "gcc": "12"}}
    one = {**ALIKE, "group": {"docker": "eve"}}
    (cohort,) = compared(fleet(6, a=two, b=two, c=one))
    assert [odd.machines for odd in cohort.odd] == [("c",), ("a", "b")]


def test_all_alike_is_said_without_loading_one_report() -> None:
    loaded: list[Head] = []
    reports = fleet(50)

    def load(head: Head) -> dict[str, Any]:
        loaded.append(head)
        return reports[head.machine]

    (cohort,) = compare_cohorts(heads_of(reports), load)
    assert (cohort.odd, cohort.alike, loaded) == ((), 50, [])


def test_only_the_odd_and_one_of_the_others_are_loaded() -> None:
    loaded: list[str] = []
    reports = fleet(50, odd={**ALIKE, "group": {"docker": "eve"}})

    def load(head: Head) -> dict[str, Any]:
        loaded.append(head.machine)
        return reports[head.machine]

    compare_cohorts(heads_of(reports), load)
    assert sorted(loaded) == ["n0", "odd"]


def test_another_profile_or_another_system_is_another_cohort() -> None:
    reports = fleet(3)
    reports |= {
        f"t{n}": report(f"t{n}", {"package": {"curl": "9"}}, system="debian 13 x86_64") for n in range(3)
    }
    reports |= {f"p{n}": report(f"p{n}", {"package": {"curl": "8"}}, profile="other") for n in range(3)}
    assert [(cohort.machines, cohort.odd) for cohort in compared(reports)] == [(3, ())] * 3


def test_where_no_whole_area_has_a_majority_each_fact_has_its_own() -> None:
    """Every machine has a package of its own; the one with another curl is found all the same."""
    reports = {
        f"n{number}": report(f"n{number}", {"package": {"curl": "1", f"own-{number}": "1"}})
        for number in range(4)
    }
    reports["odd"] = report("odd", {"package": {"curl": "2"}})
    (cohort,) = compared(reports)
    found = {odd.machines[0]: [item.key for item in odd.differences] for odd in cohort.odd}
    assert found == {"n0": ["own-0"], "n1": ["own-1"], "n2": ["own-2"], "n3": ["own-3"], "odd": ["curl"]}


def test_two_against_one_another_have_no_majority_to_be_wrong_by() -> None:
    (cohort,) = compared(
        {"a": report("a", {"group": {"docker": "eve"}}), "b": report("b", {"group": {"docker": ""}})}
    )
    assert [item.before for odd in cohort.odd for item in odd.differences] == [""]


def test_a_machine_alone_is_odd_to_nobody() -> None:
    (cohort,) = compared({"a": report("a", ALIKE)})
    assert (cohort.machines, cohort.odd) == (1, ())


def test_what_a_machine_could_not_read_makes_it_no_odd_one() -> None:
    (cohort,) = compared(
        fleet(3, shy={**ALIKE, "group": {"docker": UNREAD}}, blind={"package": ALIKE["package"]})
    )
    assert cohort.odd == ()


def test_rules_of_the_profile_hold_for_the_cohort() -> None:
    reports = fleet(3)
    reports["odd"] = report("odd", {**ALIKE, "package": {"curl": "2", "gcc": "12"}}, ignore=["package curl"])
    (cohort,) = compared(reports)
    assert cohort.odd == ()


def test_areas_of_a_machines_own_do_not_count() -> None:
    reports = {name: report(name, {"fstab-device": {"/": name}}) for name in ("a", "b", "c")}
    (cohort,) = compared(reports, left_out={"fstab-device"})
    assert cohort.odd == ()


def test_the_machines_own_story_is_told_with_the_difference() -> None:
    reports = fleet(3)
    own = {"area": "group", "key": "docker", "cause": "usermod: add 'eve'", "changed": 5.0}
    reports["odd"] = report(
        "odd",
        {**ALIKE, "group": {"docker": "eve"}},
        drifts=[own, {"area": "package", "key": "x", "cause": ""}],
    )
    (cohort,) = compared(reports)
    assert cohort.odd[0].own == (own,)


def test_without_facts_the_area_is_named() -> None:
    reports = fleet(3, odd={**ALIKE, "group": {"docker": "eve"}})
    del reports["odd"]["facts"]
    (cohort,) = compared(reports)
    assert [(item.area, item.key) for item in cohort.odd[0].differences] == [("group", "(digest)")]
