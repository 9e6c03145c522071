"""Answers that are had without starting a command are those of the command, or none."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.machine import shortcuts
from agent.machine.process import run_command
from agent.machine.shortcuts import INFO_ARGV, find_answer, find_engine_info
from agent.model.errors import Unobservable

GOOD = b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"ServerVersion": "26.1"}\n'


@contextmanager
def engine(folder: Path, answer: bytes | None) -> Iterator[str]:
    """An engine that gives one answer, None: never one."""
    path = str(folder / "docker.sock")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            caller, _ = listener.accept()
            with caller:
                caller.recv(1000)
                if answer is None:
                    caller.recv(1000)
                else:
                    caller.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        thread.join()


def test_the_architecture_is_what_uname_says() -> None:
    told = find_answer(["uname", "-m"], 1.0)
    assert told is not None
    assert told.out == run_command(["uname", "-m"], 5.0).out


def test_any_other_command_must_be_started() -> None:
    assert find_answer(("uname", "-a"), 1.0) is None
    assert find_answer(("docker", "ps"), 1.0) is None


def test_the_engine_is_asked_at_its_socket(tmp_path: Path) -> None:
    with engine(tmp_path, GOOD) as path:
        told = find_engine_info(5.0, path)
    assert told is not None
    assert json.loads(told) == {"ServerVersion": "26.1"}


@pytest.mark.parametrize("answer", [
    b"", b"HTTP/1.0 500 Internal Server Error\r\n\r\n{}", GOOD[:-3], b"nonsense",
    GOOD.replace(b"Content-Type: application/json", b"Transfer-Encoding: chunked")])
def test_any_other_answer_is_left_to_the_command(tmp_path: Path, answer: bytes) -> None:
    with engine(tmp_path, answer) as path:
        assert find_engine_info(5.0, path) is None


def test_an_engine_that_is_silent_is_unobservable_at_the_deadline(tmp_path: Path) -> None:
    with engine(tmp_path, None) as path, pytest.raises(Unobservable, match=r"no answer within 0\.1 s"):
        find_engine_info(0.1, path)


def test_without_an_engine_or_the_right_to_ask_it_the_command_says_why(tmp_path: Path) -> None:
    assert find_engine_info(1.0, str(tmp_path / "none.sock")) is None


def test_who_has_chosen_another_engine_is_left_to_the_command(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(shortcuts, "find_engine_info", lambda timeout_s: "{}")
    assert find_answer(INFO_ARGV, 1.0) is not None
    (tmp_path / ".docker").mkdir()
    settings = tmp_path / ".docker/config.json"
    settings.write_text('{"auths": {}}')
    assert find_answer(INFO_ARGV, 1.0) is not None
    settings.write_text('{"currentContext": "elsewhere"}')
    assert find_answer(INFO_ARGV, 1.0) is None
    if os.geteuid() != 0:
        settings.chmod(0)
        assert find_answer(INFO_ARGV, 1.0) is None
