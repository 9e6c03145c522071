"""`firstlight drift` and `ansible-playbook --check` of our own roles say the same of thirty changes; one is faster."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.app import App
from tests.node.managed_drifts import DRIFTS, ROUNDS, Managed
from tests.node.nodes import Node, fresh_node, shell
from tests.node.profiles import prepare
from tests.node.test_drift_command import PROFILE

pytestmark = [pytest.mark.node, pytest.mark.timeout(1200)]
MEASURE = (Path(__file__).parents[1] / "benchmarks/measure.py").read_text()
FIRSTLIGHT = "/opt/firstlight/bin/firstlight"
LOOK = (FIRSTLIGHT, "drift", "--against", "profile", "--no-save", "-o", "json")


@pytest.fixture(scope="module")
def converged_image(image: str) -> Iterator[str]:
    """An image of a node that one apply has made what its profile says."""
    name = image.replace("product", "managed")
    with fresh_node(image) as node:
        prepare(node, PROFILE)
        ran = node.firstlight("apply", "--yes", "-o", "json")
        assert ran.code == 0, str(ran)
        node.write("/opt/measure.py", MEASURE)
        shell(["docker", "commit", "-c", 'CMD ["/sbin/init"]', node.name, name])
    yield name
    shell(["docker", "rmi", "-f", name])


@pytest.fixture
def fresh(converged_image: str) -> Iterator[Node]:
    with fresh_node(converged_image) as node:
        node.sh("systemctl restart systemd-sysctl; systemctl is-active -q docker")
        yield node


def roles_of(checks: set[str]) -> set[str]:
    known = App().checks()
    return {known[check].remedy.role or "" for check in checks if check in known}


def cpu_s(node: Node, argv: tuple[str, ...], times: int = 1) -> float:
    """Return the CPU seconds a command takes there, its children's included; the median of some runs."""
    told = json.loads(node.must(["python3", "/opt/measure.py", str(times), *argv]))
    return float(told["cpu_s"])


def test_there_are_thirty() -> None:
    assert len(DRIFTS) == sum(map(len, ROUNDS)) == 30


@pytest.mark.parametrize("changes", ROUNDS, ids=lambda changes: f"{len(changes)} changes")
def test_drift_and_check_mode_agree_on_what_roles_manage(fresh: Node, changes: list[Managed]) -> None:
    for change in changes:
        fresh.sh(change.script)
    began = time.perf_counter()
    looked = fresh.run(LOOK)
    middle = time.perf_counter()
    planned = fresh.firstlight("plan", "-o", "json")
    ended = time.perf_counter()
    print(f"drift {middle - began:.2f} s, ansible-playbook --check {ended - middle:.2f} s")
    named = {drift["key"].partition(" ")[0] for drift in looked.data["drifts"]}
    injected = {change.role for change in changes}
    blind = (
        roles_of(
            {
                check
                for check in looked.data["unseen"]
                if any(change.blinds and check.startswith(change.blinds) for change in changes)
            }
        )
        - injected
    )
    by_ansible = {change["role"] for change in planned.data["changes"]} | {
        refusal["role"] for refusal in planned.data["refusals"]
    }
    gaps = {change.role for change in changes if not change.check}
    assert {change.check for change in changes if change.check} <= named, str(looked)
    assert roles_of(named) - blind == injected - gaps
    assert by_ansible - blind == injected, str(planned)


def test_an_untouched_node_has_neither(fresh: Node) -> None:
    looked = fresh.run(LOOK)
    assert (looked.data["drifts"], looked.code) == ([], 0), str(looked)
    assert fresh.firstlight("plan", "-o", "json").data["changes"] == []


LOOKS = """
import os, statistics
from agent.app import App
def cpu_s():
    return sum(os.times()[:4])
found = []
for _ in range(8):
    before = cpu_s()
    App().drift.look(against=("profile",), save=False)
    found.append(cpu_s() - before)
print(statistics.median(found[1:]))
"""


def test_drift_is_much_cheaper_than_check_mode(fresh: Node) -> None:
    """CPU seconds, because nodes share their host: the command as a whole, and the look in a running process."""
    ansibles = cpu_s(fresh, (FIRSTLIGHT, "plan"))
    command = cpu_s(fresh, LOOK, 5)
    look = float(fresh.must(["/opt/firstlight/bin/python", "-c", LOOKS]))
    print(
        f"CPU: ansible-playbook --check {ansibles:.2f} s; drift {command:.3f} s, {ansibles / command:.0f} times less; "
        f"a look in a running process {look:.3f} s, {ansibles / look:.0f} times less"
    )
    assert ansibles / command > 10
    assert ansibles / look > 35
