"""`firstlight drift` on real nodes: names what people changed, and is silent about what changes by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.node.disposable import Disposable
from tests.node.hand_changes import BEFORE, CHANGES, SIDE_EFFECTS
from tests.node.nodes import Node, fresh_node, shell
from tests.node.profiles import NODE, prepare

pytestmark = [pytest.mark.node, pytest.mark.timeout(3000)]
# The kernel of a node is the host's: what else runs there moves these, so they are neither kept nor counted here.
SHARED = ["sysctl vm.*", "sysctl fs.*", "sysctl kernel.*", "sysctl net.core.*", "kernel *"]


PROFILE = NODE | {
    "extends": "common",
    "kernel": {"sysctl": {"values": {"net.ipv4.ip_local_port_range": "20000 60999"}, "floors": {"fs.nr_open": 1024}}},
    "drift": {"ignore": SHARED},
}


@pytest.fixture(scope="module")
def watched(image: str) -> Iterator[Node]:
    """A converged node whose drift is looked for; the tests of this module share it, in their order."""
    with fresh_node(image) as node:
        prepare(node, PROFILE)
        ran = node.firstlight("apply", "--yes", "-o", "json", timeout_s=2400)
        assert ran.code == 0, str(ran)
        yield node


def accept(node: Disposable) -> None:
    ran = node.firstlight("drift", "--accept", "set up by the test")
    assert ran.code == 0, str(ran)


def rebooted(node: Node) -> None:
    """Stop and start the node, and give it back what a container loses by that."""
    shell(["docker", "restart", "-t", "20", node.name])
    deadline = time.monotonic() + 60
    while node.run(["systemctl", "is-system-running"]).out.strip() not in ("running", "degraded"):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    node.sh("mount -o remount,rw,bind /proc/sys; systemctl restart systemd-sysctl")


def test_a_node_left_alone_shows_none_after_reboot_apt_update_daily_jobs_and_a_day(watched: Node) -> None:
    watched.sh("apt-get install -y -qq --no-install-recommends faketime logrotate >/dev/null 2>&1")
    accept(watched)
    rebooted(watched)
    watched.sh(
        "apt-get update -qq; logrotate -f /etc/logrotate.conf; run-parts /etc/cron.daily; "
        "systemctl start apt-daily.service fstrim.service || true"
    )
    ran = watched.run(["faketime", "-f", "+1d", "/opt/firstlight/bin/firstlight", "drift", "-o", "json"])
    assert ran.data["drifts"] == []
    assert ran.code == 0, str(ran)
    later = ran.data["head"]["taken"] - time.time()
    assert 80_000 < later < 90_000


def test_every_change_by_hand_is_named_with_from_to_and_time_and_nothing_else(watched: Node) -> None:
    watched.sh(BEFORE)
    accept(watched)
    began = time.time()
    for change in CHANGES:
        watched.sh(change.script)
    ended = time.time()
    ran = watched.firstlight("drift", "--against", "baseline", "-o", "json")
    drifts = ran.data["drifts"]
    assert ran.code == 1
    seen = {(drift["area"], drift["key"]): drift for drift in drifts}
    assert [change.name for change in CHANGES if (change.area, change.key) not in seen] == []
    told = {change.name: seen[change.area, change.key] for change in CHANGES}
    assert {
        change.name: told[change.name] for change in CHANGES if not change.matches(told[change.name])
    } == {}
    assert set(seen) - SIDE_EFFECTS == {(change.area, change.key) for change in CHANGES}
    times = {change.name: told[change.name]["changed"] for change in CHANGES}
    assert {change.name for change in CHANGES if not change.timed} == {
        name for name, at in times.items() if at is None
    }
    assert {name: at for name, at in times.items() if at and not began - 2 <= at <= ended + 2} == {}, (
        began,
        ended,
    )


def test_what_is_put_back_is_told_by_what_and_accepting_settles_the_rest(watched: Node) -> None:
    assert watched.firstlight("drift", "--against", "baseline").code == 1
    watched.sh(
        "rm /etc/modprobe.d/lab.conf; apt-get install -y -qq --allow-downgrades /opt/labtool_1.0.deb >/dev/null"
    )
    ended = {
        kept["drift"]["key"]: kept["put_back"]
        for kept in watched.firstlight("drift", "--against", "baseline", "-o", "json").data["ended"]
    }
    assert set(ended) == {"/etc/modprobe.d/lab.conf", "labtool"}
    assert "apt-get install" in ended["labtool"]
    told = watched.firstlight("drift", "--since", "1h").out
    assert "gone at" in told and "usermod" in told
    accept(watched)
    assert watched.firstlight("drift", "--against", "baseline").code == 0


def test_a_repair_of_ours_is_named_as_what_put_it_back(watched: Node) -> None:
    accept(watched)
    watched.sh("sed -i 's/16384/4096/' /etc/security/limits.d/60-firstlight.conf")
    found = {
        (drift["against"], drift["key"]) for drift in watched.firstlight("drift", "-o", "json").data["drifts"]
    }
    assert ("baseline", "* hard nofile") in found
    assert any(against == "profile" and key.startswith("system.limits-login") for against, key in found)
    assert watched.firstlight("fix", "system.limits-login", "--yes").code == 0
    ran = watched.firstlight("drift", "-o", "json")
    assert ran.data["drifts"] == []
    assert all("firstlight apply" in kept["put_back"] for kept in ran.data["ended"]), ran.data["ended"]
    assert len(ran.data["ended"]) >= 2
