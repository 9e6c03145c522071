"""A fresh Debian: plan, apply, apply again, plan again, check; then looked at by other means than ours."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.node.disposable import Ran
from tests.node.nodes import Node, fresh_node
from tests.node.profiles import NODE, TOOLKIT, prepare
from tests.node.readings import changes, troubles

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]
OWN_TRACES = ("/var/lib/firstlight", "/root", "/var/log", "/run", "/tmp", "/var/cache", "/opt/firstlight")


@dataclass(frozen=True)
class Story:
    """What happened on one node, in order."""

    node: Node
    touched_by_plan: set[str]
    planned: Ran
    applied: Ran
    again: Ran
    planned_after: Ran


def touched(node: Node) -> set[str]:
    """Return the paths that differ from the node's image, as the engine sees them, without our own traces."""
    listed = subprocess.run(["docker", "diff", node.name], capture_output=True, text=True, check=True).stdout
    paths = {line.partition(" ")[2] for line in listed.splitlines() if not line.startswith("C ")}
    return {path for path in paths if not path.startswith(OWN_TRACES)}


@pytest.fixture(scope="module")
def story(image: str) -> Iterator[Story]:
    """Live through a machine's first day."""
    with fresh_node(image) as node:
        prepare(node, NODE)
        before = touched(node)
        planned = node.firstlight("plan", "-o", "json")
        touched_by_plan = touched(node) - before
        yield Story(node, touched_by_plan, planned, node.firstlight("apply", "--yes", "-o", "json"),
                    node.firstlight("apply", "--yes", "-o", "json"), node.firstlight("plan", "-o", "json"))


def test_plan_on_a_fresh_machine_finds_changes(story: Story) -> None:
    assert story.planned.code == 1, str(story.planned)
    roles = {role for role, _, _ in changes(story.planned)}
    assert roles >= {"base", "sysctl", "limits", "slice", "docker", "container_toolkit", "backup"}


def test_plan_touches_nothing(story: Story) -> None:
    assert story.touched_by_plan == set()


def test_apply_succeeds(story: Story) -> None:
    assert story.applied.code == 0, str(story.applied)


def test_plan_predicted_exactly_what_apply_did(story: Story) -> None:
    assert changes(story.planned) == changes(story.applied)


def test_second_apply_changes_nothing(story: Story) -> None:
    assert story.again.code == 0, str(story.again)
    assert changes(story.again) == []


def test_plan_after_apply_is_empty(story: Story) -> None:
    assert changes(story.planned_after) == []
    assert story.planned_after.code == 0, str(story.planned_after)


@pytest.mark.parametrize("level", ["quick", "standard"])
def test_check_finds_nothing(story: Story, level: str) -> None:
    assert troubles(story.node, "--level", level) == {}


def test_kernel_values_are_in_force(story: Story) -> None:
    for key, value in NODE["kernel"]["sysctl"]["values"].items():
        assert story.node.read(f"/proc/sys/{key.replace('.', '/')}").split() == str(value).split()


def test_a_login_and_a_service_have_the_limit(story: Story) -> None:
    nofile = str(NODE["system"]["limits"]["nofile"])
    login = story.node.must(["su", "-l", "nobody", "-s", "/bin/sh", "-c", "ulimit -Hn; ulimit -Sn"])
    assert login.split() == [nofile, nofile]
    shown = story.node.must(["systemctl", "show", "--value", "-p", "DefaultLimitNOFILE,DefaultLimitNOFILESoft"])
    assert set(shown.split()) == {nofile}
    process = story.node.must(
        ["systemd-run", "-q", "--wait", "--pipe", "prlimit", "-n", "-o", "HARD,SOFT", "--noheadings"])
    assert process.split() == [nofile, nofile]


def test_the_slice_has_its_share_of_memory(story: Story) -> None:
    part = NODE["system"]["slice"]
    shown = dict(line.split("=", 1) for line in story.node.must(
        ["systemctl", "show", "ai.slice", "-p", "CPUWeight,MemoryHigh,MemoryMax"]).split())
    memory_kib = int(story.node.sh("sed -n 's/^MemTotal: *\\([0-9]*\\).*/\\1/p' /proc/meminfo"))
    assert shown["CPUWeight"] == str(part["cpu_weight"])
    for name, percent in (("MemoryHigh", part["memory_high_percent"]), ("MemoryMax", part["memory_max_percent"])):
        assert abs(int(shown[name]) - memory_kib * 1024 * percent / 100) <= 1 << 20


def test_docker_runs_with_the_profiles_settings(story: Story) -> None:
    info = json.loads(story.node.must(["docker", "info", "--format", "{{json .}}"]))
    wanted = NODE["container"]["docker"]["daemon"]
    assert (info["LoggingDriver"], info["LiveRestoreEnabled"]) == (wanted["log-driver"], wanted["live-restore"])
    assert "nvidia" in info["Runtimes"]
    assert json.loads(story.node.read("/etc/docker/daemon.json"))["log-opts"] == wanted["log-opts"]


def test_the_toolkit_is_held(story: Story) -> None:
    assert set(TOOLKIT) <= set(story.node.must(["apt-mark", "showhold"]).split())


def test_unattended_upgrades_leave_the_driver_alone(story: Story) -> None:
    dumped = story.node.must(["apt-config", "dump", "Unattended-Upgrade::Package-Blacklist"])
    for pattern in NODE["system"]["base"]["upgrade_blacklist"]:
        assert f'"{pattern}"' in dumped


def test_the_backup_is_scheduled_and_copies(story: Story) -> None:
    assert story.node.must(["systemctl", "is-active", "firstlight-backup-models.timer"]).strip() == "active"
    story.node.must(["systemctl", "start", "firstlight-backup-models.service"])
    job = NODE["system"]["backup"]["jobs"][0]
    copied = story.node.sh(f"find {job['destination']} -name model.safetensors -exec cat {{}} +")
    assert copied == story.node.read(f"{job['source']}/model.safetensors")


def test_our_unit_files_are_valid(story: Story) -> None:
    story.node.sh("cd /etc/systemd/system; systemd-analyze verify firstlight-*.timer firstlight-*.service")


def test_no_unit_has_failed(story: Story) -> None:
    assert story.node.must(["systemctl", "--failed", "--no-legend"]) == ""
