from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from agent.fleet.answers import Answer, Reach
from agent.fleet.rings import Rollout, roll_out, split
from agent.model.errors import UsageError

HOSTS = [f"h{number}" for number in range(10)]
Ask = Callable[[Sequence[str], Sequence[str]], dict[str, Answer]]


@pytest.mark.parametrize(
    ("sizes", "rings"),
    [
        ("1", [1] * 10),
        ("1,10%,50%", [1, 1, 5, 3]),
        ("1,3", [1, 3, 3, 3]),
        ("100%", [10]),
        ("3,100%", [3, 7]),
        ("1%", [1] * 10),
    ],
)
def test_rings_are_cut_as_ansibles_serial(sizes: str, rings: list[int]) -> None:
    cut = split(HOSTS, sizes)
    assert [len(ring) for ring in cut] == rings
    assert [host for ring in cut for host in ring] == HOSTS


@pytest.mark.parametrize("sizes", ["", "0", "x", "1,,2", "-1", "10%%"])
def test_a_size_that_is_none_is_refused(sizes: str) -> None:
    with pytest.raises(UsageError, match="no size"):
        split(HOSTS, sizes)


def answer(host: str, code: int = 0, reach: Reach = Reach.ANSWERED, **data: Any) -> Answer:
    return Answer(host, reach, code, {"data": data}, "" if reach is Reach.ANSWERED else "no route to host")


def fleet(asked: list[tuple[str, tuple[str, ...]]], bad: str = "", away: str = "", stays: str = "") -> Ask:
    """Return machines of which one fails to apply, one is away, one is not as its profile says afterwards."""

    def ask(hosts: Sequence[str], words: Sequence[str]) -> dict[str, Answer]:
        asked.append((words[0], tuple(hosts)))
        found = {}
        for host in hosts:
            if host == away:
                found[host] = answer(host, reach=Reach.UNREACHABLE)
            elif words[0] == "apply":
                found[host] = answer(
                    host, int(host == bad), outcome="failed", failure="sysctl: boom", changes=[]
                )
            else:
                drifts = [{"summary": "vm.swappiness is 60"}] if host == stays and words[0] == "drift" else []
                found[host] = answer(host, drifts=drifts)
        return found

    return ask


def rolled(**more: str) -> tuple[Rollout, list[tuple[str, tuple[str, ...]]]]:
    asked: list[tuple[str, tuple[str, ...]]] = []
    return roll_out(HOSTS[:6], "1,2,3", fleet(asked, **more), ["apply", "--yes"]), asked


def test_a_good_rollout_reaches_everybody_ring_by_ring() -> None:
    done, asked = rolled()
    assert not done.stopped
    assert [hosts for word, hosts in asked if word == "apply"] == [("h0",), ("h1", "h2"), ("h3", "h4", "h5")]
    assert done.waiting == ()


def test_a_machine_that_fails_ends_it_after_its_ring() -> None:
    done, asked = rolled(bad="h2")
    assert done.stopped
    assert [hosts for word, hosts in asked if word == "apply"] == [("h0",), ("h1", "h2")]
    assert done.rings[-1].bad == {"h2": "apply failed: sysctl: boom"}
    assert done.waiting == ("h3", "h4", "h5")


def test_a_machine_that_says_done_and_is_not_ends_it_too() -> None:
    done, _ = rolled(stays="h0")
    assert done.rings[-1].bad == {"h0": "not as its profile says after the apply: vm.swappiness is 60"}
    assert done.waiting == ("h1", "h2", "h3", "h4", "h5")


def test_an_unreachable_machine_is_named_makes_no_ring_empty_and_stops_nothing() -> None:
    done, asked = rolled(away="h0")
    assert not done.stopped
    assert dict(done.unreachable) == {"h0": "no route to host"}
    assert [hosts for word, hosts in asked if word == "apply"] == [("h1",), ("h2", "h3"), ("h4", "h5")]


def test_a_machine_that_goes_silent_after_its_apply_is_bad() -> None:
    def ask(hosts: Sequence[str], words: Sequence[str]) -> dict[str, Answer]:
        reach = Reach.UNREACHABLE if words[0] == "drift" else Reach.ANSWERED
        return {host: answer(host, reach=reach, changes=[]) for host in hosts}

    done = roll_out(HOSTS, "2", ask, ["apply"])
    assert set(done.rings[-1].bad) == {"h0", "h1"}
    assert len(done.rings) == 1


def test_a_machine_lost_during_its_apply_is_bad_and_not_away() -> None:
    def ask(hosts: Sequence[str], words: Sequence[str]) -> dict[str, Answer]:
        lost = {"h1"} if words[0] == "apply" else set()
        return {host: answer(host, reach=Reach.UNREACHABLE if host in lost else Reach.ANSWERED) for host in hosts}

    done = roll_out(HOSTS[:4], "2", ask, ["apply"])
    assert done.rings[-1].bad == {"h1": "lost during the apply: no route to host"}
    assert (done.unreachable, done.waiting) == ({}, ("h2", "h3"))
