from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from agent.systemd.notify import keep_alive, notify, watchdog_s


@pytest.fixture
def listening(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(5)
        yield channel, {"NOTIFY_SOCKET": str(tmp_path / "notify")}


def test_the_state_arrives(listening) -> None:
    channel, environment = listening
    assert notify("READY=1", environment)
    assert channel.recv(100) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere"},
                                         {"NOTIFY_SOCKET": "host:1"}])
def test_without_a_listener_nothing_happens(environment: dict[str, str]) -> None:
    assert not notify("READY=1", environment)


def test_the_watchdog_is_ours_alone() -> None:
    assert watchdog_s({}) is None
    assert watchdog_s({"WATCHDOG_USEC": "60000000"}) == 60
    assert watchdog_s({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}) == 60
    assert watchdog_s({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}) is None
    assert watchdog_s({"WATCHDOG_USEC": "soon"}) is None


def test_a_stuck_service_stops_reassuring(listening) -> None:
    channel, environment = listening
    stuck, ended = threading.Event(), threading.Event()
    thread = keep_alive(lambda: not stuck.is_set(), ended, {**environment, "WATCHDOG_USEC": "60000"})
    assert thread is not None
    assert channel.recv(100) == b"WATCHDOG=1"
    stuck.set()
    channel.settimeout(0.3)
    with pytest.raises(TimeoutError):
        for _ in range(20):
            channel.recv(100)
    ended.set()
    thread.join(5)


def test_without_a_watchdog_no_thread_is_started(listening) -> None:
    assert keep_alive(lambda: True, threading.Event(), listening[1]) is None
