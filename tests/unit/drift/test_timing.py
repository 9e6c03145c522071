from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

from agent.drift.logs import Logs, Span, observe_logs, parse_messages
from agent.drift.timing import explain
from agent.model.drift import Difference
from tests.fixtures import FakeMachine, link

DPKG = """2026-05-28 10:00:00 startup archives unpack
2026-05-28 10:00:01 upgrade curl:amd64 7.88.1-10 7.88.1-11
2026-05-28 10:00:03 status installed curl:amd64 7.88.1-11
2026-05-28 11:00:00 install tool:all <none> 1.0
"""
APT = """
Start-Date: 2026-05-28  10:00:00
Commandline: apt-get install -y curl
Requested-By: alice (1000)
Upgrade: curl:amd64 (7.88.1-10, 7.88.1-11), libcurl4:amd64 (7.88.1-10, 7.88.1-11)
End-Date: 2026-05-28  10:00:04
"""


def at(hour: int, minute: int = 0, second: int = 0) -> float:
    return datetime(2026, 5, 28, hour, minute, second, tzinfo=UTC).timestamp()


def journal(*entries: tuple[float, str, str]) -> str:
    return "\n".join(
        json.dumps(
            {
                "__REALTIME_TIMESTAMP": str(int(when * 1e6)),
                "SYSLOG_IDENTIFIER": program,
                "MESSAGE": text,
            }
        )
        for when, program, text in entries
    )


def looked(zone: str = "Etc/UTC", **files: str) -> FakeMachine:
    return FakeMachine(
        {
            "/var/log/dpkg.log": DPKG,
            "/var/log/apt/history.log": APT,
            "/etc/localtime": link(f"/usr/share/zoneinfo/{zone}"),
        },
        clock=at(12),
    )


NO_LOGS = Logs((), (), ())


def test_a_package_changed_when_dpkg_says_and_by_what_apt_was_told() -> None:
    machine = looked()
    told = explain(
        machine,
        Difference("package", "curl", "7.88.1-10", "7.88.1-11"),
        at(9),
        observe_logs(machine),
        (),
    )
    assert told == (at(10, 0, 1), "apt-get install -y curl, asked for by alice (1000)")


def test_a_package_apt_knows_nothing_of_was_dpkgs() -> None:
    machine = looked()
    assert explain(
        machine, Difference("package", "tool", "", "1.0"), at(9), observe_logs(machine), ()
    ) == (at(11), "dpkg (install)")


def test_the_logs_speak_the_machines_own_time() -> None:
    machine = looked("Asia/Tokyo")
    changed, _ = explain(
        machine, Difference("package", "curl", "", "1"), 0, observe_logs(machine), ()
    )
    assert changed == at(1, 0, 1)


def test_a_line_from_before_the_baseline_explains_nothing() -> None:
    machine = looked()
    assert explain(
        machine, Difference("package", "curl", "", "1"), at(11, 30), observe_logs(machine), ()
    ) == (None, "")


def test_a_member_of_a_group_came_when_the_journal_says() -> None:
    machine = FakeMachine({"/etc/group": "x"})
    _, messages = parse_messages(
        journal(
            (at(10), "usermod", "add 'eve' to group 'docker'"),
            (at(11), "usermod", "add 'eve' to group 'docker-users'"),
        )
    )
    told = explain(
        machine, Difference("group", "docker", "", "eve"), at(9), Logs((), (), messages), ()
    )
    assert told == (at(10), "usermod: add 'eve' to group 'docker'")


def test_a_file_changed_at_its_time_and_by_the_sudo_of_that_moment() -> None:
    machine = FakeMachine({"/etc/modprobe.d/x.conf": "x"}, clock=at(10, 0, 1))
    spans, _ = parse_messages(
        journal((at(10), "sudo", "   eve : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/usr/bin/tee x"))
    )
    told = explain(
        machine,
        Difference("module-option", "/etc/modprobe.d/x.conf", "", "x"),
        at(9),
        Logs((), spans, ()),
        (),
    )
    assert told == (at(10, 0, 1), "sudo /usr/bin/tee x, by eve")


def test_a_time_from_before_the_old_value_was_seen_is_not_believed() -> None:
    machine = FakeMachine({"/etc/cron.d/x": "x"}, clock=at(10))
    item = Difference("cron", "/etc/cron.d/x", "", "x")
    assert explain(machine, item, at(11), NO_LOGS, ()) == (None, "")


def test_our_own_run_is_named() -> None:
    machine = FakeMachine({"/etc/sysctl.d/60.conf": "x"}, clock=at(10))
    item = Difference("sysctl-boot", "vm.swappiness", "", "10 (/etc/sysctl.d/60.conf)")
    assert explain(
        machine, item, at(9), NO_LOGS, [Span(at(9, 59), at(10, 1), "firstlight apply A")]
    ) == (at(10), "firstlight apply A")


def test_what_leaves_no_trace_has_no_time_and_at_most_a_guess() -> None:
    machine = FakeMachine({}, clock=at(10))
    item = Difference("sysctl", "vm.swappiness", "10", "60")
    assert explain(machine, item, at(9), NO_LOGS, ()) == (None, "")
    run = Span(at(9, 10), at(9, 20), "firstlight apply A")
    assert explain(machine, item, at(9), NO_LOGS, [run]) == (None, "perhaps firstlight apply A")
    assert explain(machine, item, at(9, 30), NO_LOGS, [run]) == (None, "")


def test_apts_history_of_the_month_before_is_read_packed() -> None:
    packed = {"/var/log/apt/history.log.1.gz": gzip.compress(APT.encode()), "/etc/localtime": link("/x/zoneinfo/UTC")}
    (span,) = observe_logs(FakeMachine(packed)).spans
    assert span.said == "apt-get install -y curl, asked for by alice (1000)"
    assert observe_logs(FakeMachine({"/var/log/apt/history.log.1.gz": b"\x1f\x8bno"})).spans == ()


def test_damaged_logs_tell_nothing_and_break_nothing() -> None:
    machine = FakeMachine(
        {
            "/var/log/dpkg.log": "upgrade\n\x00\n2026 x install y\n",
            "/var/log/apt/history.log": "Start-Date: x\n",
        }
    )
    logs = observe_logs(machine)
    assert [event for event in logs.packages if event.time > 0] == []
    assert parse_messages("{\nnull\n[]\n") == ((), ())


def test_an_account_was_made_by_useradd_though_usermod_named_it_later() -> None:
    _, messages = parse_messages(
        journal(
            (at(10), "useradd", "new user: name=eve, UID=1001, GID=1001, home=/home/eve, shell=/bin/sh, from=none"),
            (at(11), "usermod", "add 'eve' to shadow group 'adm'"),
        )
    )
    told = explain(FakeMachine({}), Difference("user", "eve", "", "uid 1001"), at(9), Logs((), (), messages), ())
    assert told[0] == at(10)
    assert told[1].startswith("useradd: new user")
