from __future__ import annotations

import json

import pytest

from agent.machine.journal import DMESG_ARGV, KERNEL_ARGV, observe_kernel_log, parse_dmesg, parse_journal
from agent.model.errors import Unobservable
from tests.fixtures import NOW, FakeMachine


def test_journal_rows_become_messages():
    rows = [{"MESSAGE": "one", "PRIORITY": "3", "__REALTIME_TIMESTAMP": "1500000"},
            {"MESSAGE": [111, 195, 182], "__REALTIME_TIMESTAMP": "0"}, {"MESSAGE": None}]
    text = "-- Logs begin\n" + "\n".join(json.dumps(row) for row in rows)
    messages = parse_journal(text)
    assert [(m.priority, m.time_s, m.text) for m in messages] == [(3, 1.5, "one"), (6, 0, "oö"), (6, 0, "")]


def test_dmesg_times_count_from_boot_and_the_facility_is_dropped():
    (message,) = parse_dmesg("<12>[   10.500000] hello\nno line\n", 1000.0)
    assert (message.priority, message.time_s, message.text) == (4, 1010.5, "hello")


@pytest.mark.parametrize("journal", ["", "{not json\n", Unobservable("no journal files")])
def test_dmesg_answers_where_the_journal_does_not(journal):
    machine = FakeMachine({"/proc/uptime": "50.0 1.0"}, {KERNEL_ARGV: journal, DMESG_ARGV: "<6>[ 20.0] x\n"})
    source, messages = observe_kernel_log(machine)
    assert source == "dmesg"
    assert messages[0].time_s == NOW - 30


def test_silence_of_both_is_unobservable():
    machine = FakeMachine({"/proc/uptime": "50.0 1.0"}, {KERNEL_ARGV: "", DMESG_ARGV: ""})
    with pytest.raises(Unobservable, match="adm"):
        observe_kernel_log(machine)
