"""A fleet of six over SSH: one unreachable, one slow, two drifted; rings stop at a bad one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.fleet_bed import SLOW_S, WAIT, Fleet, running_fleet
from tests.node.images import REPOSITORY
from tests.node.nodes import product_image
from tests.tui.browser import START
from tests.tui.terminal import Terminal

pytestmark = [pytest.mark.node, pytest.mark.timeout(3000)]
THERE = ("twelve-1", "twelve-2", "thirteen-1", "thirteen-2", "thirteen-3")


@pytest.fixture(scope="module")
def fleet(engine: None, wheel_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The fleet, converged, each machine with an accepted baseline; twelve-3 away, thirteen-3 slow."""
    with (
        product_image("bookworm", wheel_folder) as twelve,
        product_image("trixie", wheel_folder) as thirteen,
        running_fleet({"bookworm": twelve, "trixie": thirteen}, tmp_path_factory.mktemp("fleet")) as made,
    ):
        yield made


def states(data: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    return {machine["host"]: machine["state"] for machine in data["machines"]}


def test_an_unreachable_machine_is_named_and_holds_nobody_up(fleet: Fleet) -> None:
    ran = fleet.firstlight("status", "-o", "json")
    assert ran.code == 2, str(ran)
    found = states(ran.data)
    assert found.pop("twelve-3") == "unreachable"
    assert set(found) == set(THERE)
    assert "unreachable" not in found.values()


def test_a_machine_slower_than_the_deadline_is_late_and_the_others_are_told(fleet: Fleet) -> None:
    fleet.nodes["thirteen-3"].write(WAIT, "600")
    ran = fleet.firstlight("status", "--deadline", "40", "--limit", "thirteen", "-o", "json")
    fleet.nodes["thirteen-3"].write(WAIT, str(SLOW_S))
    found = states(ran.data)
    assert found.pop("thirteen-3") == "late"
    assert set(found.values()) <= {"ok", "degraded", "fail"}


def test_drift_names_the_two_with_their_causes(fleet: Fleet, tmp_path: Path) -> None:
    clean = fleet.firstlight("drift", "-o", "json")
    assert clean.data["drifts"] == {}
    assert [cohort["odd"] for cohort in clean.data["cohorts"]] == [[], []]
    fleet.nodes["thirteen-1"].sh("useradd -m eve; usermod -aG adm eve")
    fleet.nodes["thirteen-2"].sh("sed -i 's/16384/4096/' /etc/security/limits.d/60-firstlight.conf")
    ran = fleet.firstlight("drift", "--to", str(tmp_path), "-o", "json")
    assert ran.code == 1
    assert {host for host, state in states(ran.data).items() if state == "drifted"} == {
        "thirteen-1",
        "thirteen-2",
    }
    assert states(ran.data)["twelve-3"] == "unreachable"
    odd = {one["machines"][0]: one for cohort in ran.data["cohorts"] for one in cohort["odd"]}
    assert set(odd) == {"thirteen-1", "thirteen-2"}
    told = {(drift["area"], drift["key"]): drift["cause"] for drift in odd["thirteen-1"]["own"]}
    assert told["user", "eve"].startswith("useradd:") and told["group", "adm"].startswith("usermod:")
    limits = [item for item in odd["thirteen-2"]["differences"] if item["area"] == "limit"]
    assert {(item["before"].split()[0], item["after"].split()[0]) for item in limits} == {("16384", "4096")}
    assert all(drift["changed"] for drift in odd["thirteen-2"]["own"])
    again = fleet.firstlight("drift", "--from", str(tmp_path), "-o", "json")
    assert [cohort["odd"] for cohort in again.data["cohorts"]] == [
        cohort["odd"] for cohort in ran.data["cohorts"]
    ]


def test_the_screen_of_a_fleet_asks_over_ssh_and_names_the_odd_ones(fleet: Fleet) -> None:
    words = ["env", f"PYTHONPATH={REPOSITORY}", f"FIRSTLIGHT_STATE={fleet.home / 'state'}", sys.executable, "-c", START,
             "tui", "--fleet", str(fleet.inventory)]
    terminal = Terminal(f"fleet-{os.getpid()}", words, (140, 40))
    terminal.open()
    try:
        terminal.until("[1 Overview]")
        terminal.press("8")
        terminal.until("[8 Fleet]")
        shown = terminal.until("6 machines in 2 cohorts: 2 odd", 600)
        lines = [line.split(maxsplit=3) for line in shown.splitlines() if line[1:2] in ("✗", "?", "!")]
        told = {(line[1], line[2]): line[3] for line in lines}
        assert "user eve" in told["thirteen-1", "odd"]
        assert told["thirteen-2", "odd"].startswith("limit ")
        assert ("twelve-3", "unreachable") in told
        assert "by usermod" in shown, "the chosen one in full, with what did it"
        terminal.press("/", *"thirteen-2")
        terminal.until("- usual 16384")
        terminal.press("q")
    finally:
        terminal.close()


def test_apply_repairs_ring_by_ring_and_stops_at_a_bad_one(fleet: Fleet) -> None:
    fleet.nodes["twelve-2"].sh("sed -i 's/16384/4096/' /etc/security/limits.d/60-firstlight.conf")
    fleet.nodes["thirteen-2"].sh("sed -i 's/16384/4096/' /etc/security/limits.d/60-firstlight.conf")
    fleet.nodes["thirteen-1"].sh("mv /etc/sysctl.d /etc/sysctl.d.kept; echo >/etc/sysctl.d")
    ran = fleet.firstlight("apply", "--yes", "--rings", "1,1,1,2", "-o", "json")
    assert ran.code == 1, str(ran)
    assert states(ran.data) == {
        "twelve-1": "ok",
        "twelve-2": "ok",
        "twelve-3": "unreachable",
        "thirteen-1": "bad",
        "thirteen-2": "waiting",
        "thirteen-3": "waiting",
    }, str(ran)
    assert "16384" in fleet.nodes["twelve-2"].read("/etc/security/limits.d/60-firstlight.conf")
    assert "4096" in fleet.nodes["thirteen-2"].read("/etc/security/limits.d/60-firstlight.conf")
    fleet.nodes["thirteen-1"].sh("rm /etc/sysctl.d; mv /etc/sysctl.d.kept /etc/sysctl.d")
    ran = fleet.firstlight("apply", "--yes", "--rings", "2,3", "-o", "json")
    assert ran.code == 2, str(ran)
    assert {host for host, state in states(ran.data).items() if state == "ok"} == set(THERE)
    assert "16384" in fleet.nodes["thirteen-2"].read("/etc/security/limits.d/60-firstlight.conf")
