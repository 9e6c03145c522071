"""What every disposable machine can do, be it a container or a virtual machine."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ran:
    """A finished command on a disposable machine."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """Return the JSON object on stdout, or fail with what was printed instead."""
        try:
            answer: dict[str, Any] = json.loads(self.out)
        except json.JSONDecodeError as problem:
            raise AssertionError(f"{self} printed no JSON") from problem
        return answer

    @property
    def data(self) -> Any:
        """Return `data` of the JSON object on stdout, or fail with its errors."""
        answer = self.json
        assert answer["ok"] or answer["data"], f"{self}"
        return answer["data"]

    def __str__(self) -> str:
        """Show the command, its exit code and the ends of its output."""
        return f"{shlex.join(self.argv)} → {self.code}\n{self.out[-4000:]}\n{self.err[-4000:]}"


class Disposable:
    """A machine that is thrown away. `sh` is for hand-written shell, `firstlight` for the product."""

    name = "machine"

    def entrance(self, argv: Sequence[str]) -> list[str]:
        """Return the command on this machine that runs `argv` as root on that one."""
        raise NotImplementedError

    def run(self, argv: Sequence[str], timeout_s: float = 300, stdin: str | None = None) -> Ran:
        """Run a command as root and return what came back, whatever its exit code."""
        done = subprocess.run(self.entrance(argv), input=stdin, capture_output=True, text=True,
                              timeout=timeout_s, check=False)
        return Ran(tuple(argv), done.returncode, done.stdout, done.stderr)

    def must(self, argv: Sequence[str], timeout_s: float = 300) -> str:
        """Run a command that has to succeed and return its output."""
        ran = self.run(argv, timeout_s)
        assert ran.code == 0, str(ran)
        return ran.out

    def sh(self, script: str, timeout_s: float = 300) -> str:
        """Run a shell script that has to succeed and return its output."""
        return self.must(["sh", "-ec", script], timeout_s)

    def firstlight(self, *words: str, timeout_s: float = 900) -> Ran:
        """Run the product."""
        return self.run(["/opt/firstlight/bin/firstlight", *words], timeout_s)

    def launch(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start a command there without waiting for it."""
        return subprocess.Popen(self.entrance(argv), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)

    def read(self, path: str) -> str:
        """Return the text of a file there."""
        return self.must(["cat", path])

    def write(self, path: str, text: str) -> None:
        """Write a file there, making its folder."""
        ran = self.run(["sh", "-ec", 'mkdir -p "$(dirname "$1")"; cat >"$1"', "sh", path], stdin=text)
        assert ran.code == 0, str(ran)
