from __future__ import annotations

import pytest

from agent.machine.limits import (
    login_limit,
    observe_login_limits,
    observe_open_files,
    parse_limits,
    parse_process_limits,
)
from agent.model.errors import Missing
from tests.fixtures import FakeMachine


def test_a_dash_is_soft_and_hard_and_words_are_no_numbers():
    lines = parse_limits("# c\n* - nofile 10 # why\nroot hard memlock unlimited\n* soft nofile many\n@g soft x\n", "/f")
    assert [(line.domain, line.kind, line.value, line.place) for line in lines] == [
        ("*", "soft", 10, "/f:2"), ("*", "hard", 10, "/f:2"), ("root", "hard", -1, "/f:3")]


def test_limits_d_comes_after_limits_conf_in_the_order_of_names():
    machine = FakeMachine(
        {
            "/etc/security/limits.conf": "* hard nofile 1",
            "/etc/security/limits.d/b.conf": "* hard nofile 3",
            "/etc/security/limits.d/a.conf": "* hard nofile 2",
            "/etc/security/limits.d/c.bak": "* hard nofile 9",
        }
    )
    lines = observe_login_limits(machine)
    assert [line.value for line in lines] == [1, 2, 3]
    last = login_limit(lines, "*", "hard", "nofile")
    assert last is not None
    assert last.place == "/etc/security/limits.d/b.conf:1"
    assert login_limit(lines, "root", "hard", "nofile") is None


def test_process_limits_know_unlimited():
    head = "Limit                     Soft Limit           Hard Limit           Units     \n"
    text = (
        head
        + f"{'Max open files':<26}{'1024':<21}{'unlimited':<21}files\n{'Max nice priority':<26}{'0':<21}{'0':<21}\n"
    )
    assert parse_process_limits(text)["Max open files"] == (1024, None)
    assert observe_open_files(FakeMachine({"/proc/5/limits": text}), 5) == (1024, None)
    with pytest.raises(Missing):
        observe_open_files(FakeMachine({"/proc/5/limits": head}), 5)
