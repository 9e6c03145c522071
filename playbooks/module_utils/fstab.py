"""/etc/fstab: reading its entries, changing one line, asking findmnt about the result. Source: fstab(5)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_ESCAPED = {" ": "\\040", "\t": "\\011", "\n": "\\012", "\\": "\\134"}


@dataclass(frozen=True)
class Entry:
    """One line: `spec` and `mount` decoded (a space is a space), `options` as written, comma-separated."""

    spec: str
    mount: str
    fstype: str
    options: str = "defaults"
    freq: int = 0
    passno: int = 0

    def line(self) -> str:
        """Return the entry as fstab(5) wants it, without a line end."""
        spec, mount = _encode(self.spec), _encode(self.mount)
        return f"{spec} {mount} {self.fstype} {self.options or 'defaults'} {self.freq} {self.passno}"


def _encode(field: str) -> str:
    return "".join(_ESCAPED.get(letter, letter) for letter in field)


def _decode(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def _entry(line: str) -> Entry | None:
    """Return the entry of a line, or None for a comment, an empty line or one with fewer than three fields."""
    fields = line.split()
    if len(fields) < 3 or fields[0].startswith("#"):
        return None
    options = fields[3] if len(fields) > 3 else "defaults"
    numbers = [int(field) if field.isdigit() else 0 for field in [*fields[4:6], "0", "0"][:2]]
    return Entry(_decode(fields[0]), _decode(fields[1]), fields[2], options, numbers[0], numbers[1])


def parse(text: str) -> list[Entry]:
    """Return the entries of a file's text, in order; comments and lines that mount ignores are left out."""
    return [entry for entry in map(_entry, text.splitlines()) if entry is not None]


def with_entry(text: str, entry: Entry, match: Callable[[Entry], bool] | None = None) -> str:
    """Return `text` with the first line that matches replaced by `entry`, or `entry` appended.

    Every other byte stays. A line that says the same already stays as it is written. `match` defaults to "same
    mount point".
    """
    matches = match or (lambda found: found.mount == entry.mount)
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines):
        found = _entry(line)
        if found is None or not matches(found):
            continue
        if found != entry:
            lines[number] = entry.line() + (line[len(line.rstrip("\r\n")):] or "\n")
        return "".join(lines)
    end = "" if not text or text.endswith("\n") else "\n"
    return f"{text}{end}{entry.line()}\n"


def verify(text_path: str) -> list[str]:
    """Return what `findmnt --verify` calls an error in the file (its warnings left out); raises OSError."""
    argv = ["findmnt", "--verify", "--verbose", "--tab-file", text_path]
    environment = {"LC_ALL": "C.UTF-8", "PATH": _PATH, "BLKID_FILE": "/dev/null"}
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, env=environment)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError("findmnt --verify did not end within 30 seconds") from error
    errors, mount = [], ""
    for line in (done.stdout + done.stderr).splitlines():
        if "parse error at line" in line:
            errors.append(line.replace(text_path, "fstab").strip())
        elif "[E]" in line:
            errors.append(f"{mount}: {line.split('[E]', 1)[1].strip()}")
        elif line and not line[0].isspace():
            mount = line.strip()
    if done.returncode < 0:  # util-linux 2.41 dies of a line it cannot parse
        errors.append(f"findmnt --verify crashed (signal {-done.returncode})")
    return errors
