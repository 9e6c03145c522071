"""The units on a node: timers fire, the exporter answers, the watchdog bites, and removal leaves nothing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from agent.cli.systemd import BUSY
from tests.node.disposable import Ran
from tests.node.nodes import Node, fresh_node
from tests.node.profiles import NODE, prepare

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]
TIMERS = tuple(f"firstlight-check-{level}.timer" for level in ("quick", "standard", "deep"))
EXPORTER = "firstlight-exporter.service"
# The histories are the memory of the machine and stay; the resolved profile goes and comes again; systemd's and the
# shadow suite's own caches are theirs.
LISTING = r"""
find /etc /var /usr/lib/systemd /usr/local -xdev \( -path /var/lib/firstlight/\*.sqlite\* \
  -o -path /var/lib/firstlight/profile.json -o -path /var/log -o -path /var/lib/docker -o -path /var/lib/apt \
  -o -path /var/cache \) -prune -o -printf '%p %y %m %U %G %l\n' | sort
find /etc -xdev -type f -print0 | sort -z | xargs -0 sha256sum
getent passwd; getent group
systemctl list-unit-files --no-pager --no-legend | sort
systemctl list-units --all --plain --no-pager --no-legend 'firstlight*' | sort
systemctl list-units --plain --no-pager --no-legend --type service,timer,path,socket \
  | awk '{print $1, $2, $3}' | grep -v -e ^systemd-hostnamed -e ^systemd-timedated -e ^apt-daily | sort
"""


@dataclass(frozen=True)
class Installed:
    """A node whose units were installed, and what it looked like before."""

    node: Node
    before: str
    ran: Ran


def eventually(look: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline, f"not within {timeout_s} s"
        time.sleep(0.5)


def show(node: Node, unit: str, what: str) -> str:
    """Return one property of a unit."""
    return node.must(["systemctl", "show", "--value", "-p", what, unit]).strip()


@pytest.fixture(scope="module")
def installed(image: str) -> Iterator[Installed]:
    """A node with a history of one check, then with our units."""
    with fresh_node(image) as node:
        prepare(node, NODE)
        node.firstlight("check")
        before = node.sh(LISTING)
        yield Installed(node, before, node.firstlight("systemd", "install", "-o", "json"))


def test_install_writes_the_units_and_starts_the_timers(installed: Installed) -> None:
    assert installed.ran.code == 0, str(installed.ran)
    assert set(TIMERS) < set(installed.ran.data["written"])
    for timer in TIMERS:
        assert show(installed.node, timer, "ActiveState") == "active"
        assert show(installed.node, timer, "NextElapseUSecRealtime") not in ("", "0"), "it has a next time"
        assert show(installed.node, timer, "UnitFileState") == "enabled"


def test_a_second_install_changes_nothing(installed: Installed) -> None:
    again = installed.node.firstlight("systemd", "install", "-o", "json")
    assert (again.code, again.data["written"], again.data["removed"]) == (0, [], []), str(again)


def test_no_unit_failed(installed: Installed) -> None:
    assert installed.node.must(["systemctl", "list-units", "--failed", "--plain", "--no-legend", "firstlight*"]) == ""


@pytest.mark.parametrize("name", ["check-quick", "check-standard", "check-deep", "drift"])
def test_a_timer_fires_and_the_report_is_kept_and_told_to_the_journal(installed: Installed, name: str) -> None:
    node, timer, unit = installed.node, f"firstlight-{name}.timer", f"firstlight-{name}.service"
    # battery or not, and the calendar, are what the test speeds up
    node.write(f"/run/systemd/system/{timer}.d/fast.conf",
               "[Timer]\nOnCalendar=\nOnActiveSec=2s\nRandomizedDelaySec=0\nAccuracySec=1s\n")
    node.write(f"/run/systemd/system/{unit}.d/mains.conf", "[Unit]\nConditionACPower=\n")
    before = show(node, unit, "ExecMainExitTimestampMonotonic")
    node.sh(f"systemctl daemon-reload; systemctl restart {timer}")
    eventually(lambda: show(node, unit, "ExecMainExitTimestampMonotonic") != before, 300)
    assert show(node, unit, "Result") == "success", node.sh(f"journalctl -u {unit} --no-pager")
    lines = node.sh("journalctl -o json --no-pager SYSLOG_IDENTIFIER=firstlight").splitlines()
    told = [json.loads(line) for line in lines]
    level = name.removeprefix("check-")
    if level != "drift":
        assert any(line.get("FIRSTLIGHT_LEVEL") == level and "FIRSTLIGHT_PROFILE" in line for line in told)
        status = node.firstlight("systemd", "status", "-o", "json").data
        assert level in [report["level"] for report in status["reports"]]
    assert node.sh("stat -c %a /var/lib/firstlight/public/history.sqlite").strip() == "644"
    assert node.sh("stat -c %a /var/lib/firstlight").strip() == "700"
    node.sh(f"rm -r /run/systemd/system/firstlight-{name}.*.d; systemctl daemon-reload; systemctl restart {timer}")


def test_what_would_run_on_battery_is_skipped_and_that_is_no_failure(installed: Installed) -> None:
    """The condition is turned round, because a container cannot take its host's mains away."""
    node, unit = installed.node, "firstlight-check-standard.service"
    folder = f"/run/systemd/system/{unit}.d"
    node.write(f"{folder}/battery.conf", "[Unit]\nConditionACPower=\nConditionACPower=false\n")
    node.sh(f"systemctl daemon-reload; systemctl start {unit}")
    assert show(node, unit, "ConditionResult") == "no"
    assert show(node, unit, "ActiveState") == "inactive"
    node.sh(f"rm -r {folder}; systemctl daemon-reload")
    for name in ("firstlight-check-quick", "firstlight-check-standard", "firstlight-check-deep", "firstlight-drift"):
        assert "ConditionACPower=true" in node.read(f"/etc/systemd/system/{name}.service")


def test_a_package_change_is_looked_at_once_and_again_at_the_next(installed: Installed) -> None:
    node, unit = installed.node, "firstlight-drift.service"
    node.write("/run/systemd/system/firstlight-drift-soon.timer.d/fast.conf",
               "[Timer]\nOnActiveSec=\nOnActiveSec=3s\nRandomizedDelaySec=0\nAccuracySec=1s\n")
    node.sh("systemctl daemon-reload")
    looked = show(node, unit, "ExecMainExitTimestampMonotonic")
    node.write("/root/small/DEBIAN/control", "Package: bed-small\nVersion: 1\nArchitecture: all\n"
               "Maintainer: Bed <bed@example.org>\nDescription: a small package\n")
    node.sh("dpkg-deb -b /root/small /root/small.deb >/dev/null")
    for change in ("dpkg -i /root/small.deb", "dpkg -r bed-small"):
        node.sh(f"{change} >/dev/null")
        before = looked
        eventually(lambda: show(node, unit, "ExecMainExitTimestampMonotonic") != before, 60)  # noqa: B023
        assert show(node, unit, "Result") == "success", node.sh(f"journalctl -u {unit} --no-pager")
        looked = show(node, unit, "ExecMainExitTimestampMonotonic")
    node.sh("rm -r /root/small* /run/systemd/system/firstlight-drift-soon.timer.d; systemctl daemon-reload")


def test_drift_is_told_to_the_journal_in_fields_and_to_prometheus(installed: Installed) -> None:
    node = installed.node
    node.must(["systemctl", "start", "firstlight-drift.service"], timeout_s=600)
    lines = [json.loads(line) for line in
             node.sh("journalctl -o json --no-pager SYSLOG_IDENTIFIER=firstlight").splitlines()]
    whole = [line for line in lines if "FIRSTLIGHT_DRIFTS" in line]
    drifts = [line for line in lines if line.get("FIRSTLIGHT_DRIFT_AGAINST") == "profile"]
    assert whole and int(whole[-1]["FIRSTLIGHT_DRIFTS"]) > 0, "nothing was applied here: all of the profile is drift"
    assert {"FIRSTLIGHT_DRIFT_AREA", "FIRSTLIGHT_DRIFT_KEY", "MESSAGE", "PRIORITY"} <= set(drifts[-1])
    eventually(lambda: 'firstlight_drift_age_seconds{against="profile"}' in metrics(node), 120)
    assert 'firstlight_drift_items{against="profile",check="kernel.sysctl"' in metrics(node)


def test_deep_is_skipped_while_a_gpu_is_at_work(installed: Installed) -> None:
    node = installed.node
    node.sh("cp /bin/sleep /root/train; test -e /dev/nvidia0 || mknod /dev/nvidia0 c 1 3")
    job = node.launch(["sh", "-c", "exec 9</dev/nvidia0; exec /root/train 300"])
    try:
        eventually(lambda: node.firstlight("systemd", "idle").code == BUSY)
        node.sh("systemctl start firstlight-check-deep.service || true")
        assert show(node, "firstlight-check-deep.service", "Result") == "exec-condition"
        refused = node.firstlight("systemd", "remove")
        assert refused.code == 3
        assert "use the GPU" in refused.err
    finally:
        node.sh("pkill -x train; rm -f /dev/nvidia0 /root/train")
        job.wait(60)


def metrics(node: Node) -> str:
    """Return the page of the exporter."""
    script = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9836/metrics', timeout=10).read().decode())"
    return node.must(["/opt/firstlight/bin/python", "-c", script])


def test_the_exporter_runs_as_nobody_of_ours_and_answers_with_the_reports(installed: Installed) -> None:
    node = installed.node
    eventually(lambda: show(node, EXPORTER, "ActiveState") == "active")
    pid = show(node, EXPORTER, "MainPID")
    assert node.sh(f"sed -n 's/^Uid:\\t\\([0-9]*\\).*/\\1/p' /proc/{pid}/status").strip() != "0"
    assert node.sh(f"sed -n 's/^CapEff:\\t//p' /proc/{pid}/status").strip().strip("0") == ""
    eventually(lambda: 'firstlight_report_age_seconds{level="quick"}' in metrics(node))
    assert "firstlight_history_readable 1.0" in metrics(node)


def test_the_exporter_is_as_closed_as_promised(installed: Installed) -> None:
    said = installed.node.must(["systemd-analyze", "security", "--no-pager", EXPORTER])
    match = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert match is not None
    assert float(match[1]) <= 2.5


# The same program, but after its first sample the sampler's thread never comes back.
STUCK = """
import sys, threading, time
from agent.exporter.sampler import Sampler
whole, Sampler.every = Sampler.sample, []
def sample(self):
    if Sampler.every:
        threading.Event().wait()
    Sampler.every.append(1)
    return whole(self)
Sampler.sample = sample
Sampler.moves = lambda self: time.monotonic() - self.last.at < 5 if self.last else True
from agent.cli.main import main
sys.exit(main(["serve", "--listen", "127.0.0.1:9836", "--sample-every", "1"]))
"""


def test_the_watchdog_restarts_an_exporter_whose_sampler_is_stuck(installed: Installed) -> None:
    """Its other threads go on and would answer for ever; only the patience of `moves` is shortened."""
    node = installed.node
    node.write("/opt/stuck.py", STUCK)
    node.write(f"/run/systemd/system/{EXPORTER}.d/stuck.conf",
               "[Service]\nWatchdogSec=6\nRestartSec=1\nExecStart=\n"
               "ExecStart=/opt/firstlight/bin/python /opt/stuck.py\n")
    node.sh(f"systemctl daemon-reload; systemctl reset-failed {EXPORTER}; systemctl restart {EXPORTER}")
    before = show(node, EXPORTER, "MainPID")
    eventually(lambda: int(show(node, EXPORTER, "NRestarts")) > 0, 120)
    assert show(node, EXPORTER, "MainPID") != before
    assert "Watchdog timeout" in node.sh(f"journalctl -u {EXPORTER} --no-pager -n 100")
    node.sh(f"rm -r /opt/stuck.py /run/systemd/system/{EXPORTER}.d; systemctl daemon-reload; "
            f"systemctl restart {EXPORTER}")


def test_the_watchdog_restarts_a_stuck_exporter(installed: Installed) -> None:
    node = installed.node
    node.write(f"/run/systemd/system/{EXPORTER}.d/fast.conf", "[Service]\nWatchdogSec=20\nRestartSec=1\n")
    node.sh(f"systemctl daemon-reload; systemctl reset-failed {EXPORTER}; systemctl restart {EXPORTER}")
    time.sleep(30)
    assert show(node, EXPORTER, "NRestarts") == "0", "a healthy exporter is left alone"
    stuck = show(node, EXPORTER, "MainPID")
    node.must(["kill", "-STOP", stuck])
    eventually(lambda: show(node, EXPORTER, "NRestarts") == "1" and show(node, EXPORTER, "ActiveState") == "active",
               180)
    assert show(node, EXPORTER, "MainPID") != stuck
    assert "firstlight_build_info" in metrics(node)
    node.sh(f"rm -r /run/systemd/system/{EXPORTER}.d; systemctl daemon-reload")


def test_zz_remove_leaves_the_machine_as_it_was(installed: Installed) -> None:
    removed = installed.node.firstlight("systemd", "remove", "-o", "json")
    assert removed.code == 0, str(removed)
    assert set(removed.data["removed"]) == set(installed.ran.data["written"])
    assert installed.node.sh(LISTING) == installed.before
    assert installed.node.run(["test", "-e", "/var/lib/firstlight/profile.json"]).code == 1
    assert installed.node.firstlight("systemd", "remove").out == "nothing to do\n"
