"""An apply dies by kill -9 at ten random moments; every time the next one finishes."""

from __future__ import annotations

import random
import time

import pytest

from tests.node.nodes import Node, fresh_node
from tests.node.profiles import NODE, prepare
from tests.node.readings import changes, troubles

pytestmark = [pytest.mark.node, pytest.mark.timeout(1500)]
KILLS = 10
UNDO = """
rm -f /etc/sysctl.d/*firstlight* /etc/security/limits.d/*firstlight* /etc/apt/apt.conf.d/60-firstlight
rm -f /etc/systemd/system.conf.d/*firstlight* /etc/systemd/user.conf.d/*firstlight*
rm -rf /etc/systemd/system/ai.slice* /etc/systemd/system/user.slice.d
systemctl disable -q --now firstlight-backup-models.timer || true
rm -f /etc/systemd/system/firstlight-backup-*
apt-mark unhold nvidia-container-toolkit >/dev/null
dpkg -r --force-depends fio >/dev/null 2>&1 || true
rm -f /etc/docker/daemon.json; systemctl reset-failed docker docker.socket; systemctl restart docker || true
systemctl daemon-reload
"""


def kill_apply_after(node: Node, delay_s: float) -> bool:
    """Start an apply, kill its process -9 after a delay; return whether it was still running."""
    started = node.launch(["/opt/firstlight/bin/firstlight", "apply", "--yes"])
    time.sleep(delay_s)
    killed = node.run(["pkill", "-9", "-o", "-f", "bin/firstlight apply"]).code == 0
    started.wait(60)
    return killed


def leftovers(node: Node) -> str:
    """Return temporary files and processes of ours that are still there; backups are meant to stay."""
    files = node.sh("find /etc /var /usr/local /root -xdev -name '.firstlight-*'")
    return files + node.run(["pgrep", "-af", "ansible"]).out


def test_an_apply_killed_at_any_moment_is_finished_by_the_next(image: str) -> None:
    chance = random.Random(20261121)
    with fresh_node(image) as node:
        prepare(node, NODE)
        began = time.monotonic()
        assert kill_apply_after(node, 4)
        first = node.firstlight("apply", "--yes", "-o", "json")
        assert first.code == 0, str(first)
        longest_s = max(8.0, (time.monotonic() - began) / 3)
        hits = 0
        for _ in range(KILLS):
            node.sh(UNDO)
            hits += kill_apply_after(node, delay := chance.uniform(0.3, longest_s))
            after = node.firstlight("apply", "--yes", "-o", "json")
            assert after.code == 0, f"killed after {delay:.1f} s: {after}"
            assert changes(node.firstlight("plan", "-o", "json")) == []
            assert leftovers(node) == "", f"killed after {delay:.1f} s"
            assert node.must(["dpkg", "--audit"]) == ""
        assert hits >= KILLS // 2, "too few kills came while an apply was running"
        assert troubles(node) == {}
