"""daemon.json on disk: reading it with its history, replacing it, going back when Docker refuses it."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from dataclasses import dataclass, field

from ansible.module_utils.atomic import read_text, write_atomic
from ansible.module_utils.engine import UNIT, daemon_info, not_in_force, run
from ansible.module_utils.merge import NotAnObjectError, parse_object, shown


class UnusableFileError(Exception):
    """The file cannot be used or replaced; the message says what was seen and what to do."""


@dataclass(frozen=True)
class DaemonFile:
    """`path` has links resolved; `text` is "" for no file. `broken`: line:column and error of invalid JSON.

    `config` is what the file says (the last good copy when broken), `good` what the engine last took over
    and `good_time` when (seconds since the epoch); `pending` is what an interrupted run still owed the
    engine: "", "reload" or "restart".
    """

    path: str
    text: str
    good_path: str
    pending_path: str
    config: dict = field(default_factory=dict)
    good: dict | None = None
    good_time: float = 0.0
    broken: str = ""
    pending: str = ""
    existed: bool = True


def load(path, state_folder):
    """Return the DaemonFile at `path`. Raises UnusableFileError for anything that must not be touched."""
    real = _resolved(path)
    good_path, pending_path = f"{state_folder}/daemon.json.good", f"{state_folder}/daemon.json.pending"
    try:
        text = read_text(real)
    except UnicodeDecodeError as error:
        raise UnusableFileError(f"{real}: byte {error.start} is not UTF-8; rewrite the file") from error
    except OSError as error:
        raise UnusableFileError(f"{real} cannot be read: {error.strerror}") from error
    good, pending = _good(good_path), (read_text(pending_path) or "").strip()
    broken = ""
    try:
        config = parse_object(text or "")
    except NotAnObjectError as error:
        broken, config = str(error), good
        if good is None:
            raise UnusableFileError(f"{real}:{error}; there is no good copy of ours to go back to. "
                           "Correct that line; nothing was changed") from error
    good_time = os.stat(good_path).st_mtime if good is not None else 0.0
    return DaemonFile(real, text or "", good_path, pending_path, config, good, good_time, broken, pending,
                      text is not None)


def _good(path):
    """Return the object of the last good copy, None when there is none."""
    text = read_text(path)
    try:
        return None if text is None else parse_object(text)
    except NotAnObjectError:
        return None


def _resolved(path):
    real = os.path.realpath(path)
    if real != os.path.abspath(path):
        folder = os.stat(os.path.dirname(real)) if os.path.isdir(os.path.dirname(real)) else None
        if folder is None or not os.path.isfile(real):
            raise UnusableFileError(f"{path} is a link to {real}, which is no file; "
                                    "remove the link or make the file")
        if folder.st_uid != 0 or folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise UnusableFileError(f"{path} is a link into {os.path.dirname(real)}, where others than root "
                                    "can write; replace the link by a file")
    if os.path.isdir(real):
        raise UnusableFileError(f"{path} is a directory (an engine's bind mount can leave one); "
                       f"see that it is empty, then run: rmdir {path}")
    if os.path.exists(real) and not os.path.isfile(real):
        raise UnusableFileError(f"{path} is neither a file nor absent; move it away")
    return real


def validation_error(dockerd, text, path):
    """Return what `dockerd --validate` has against this text, or ""; engines before 23 cannot say."""
    _, out, err = run(dockerd, "--help")
    if "--validate" not in out + err:
        return ""
    with tempfile.TemporaryDirectory(prefix="firstlight-") as folder:
        candidate = f"{folder}/daemon.json"
        with open(candidate, "w", encoding="utf-8") as stream:
            stream.write(text)
        code, out, err = run(dockerd, "--validate", "--config-file", candidate)
    said = (out + err).strip().replace(candidate, path)
    return "" if code == 0 else f"dockerd refuses the merged {path}: {said}; nothing was changed"


def apply(file, text, ours, action):
    """Write the file and bring `ours` into force; put the old file back when the engine does not take it.

    The pending mark outlives a killed run: the next one does what this one still owed the engine.
    """
    if action:
        write_atomic(file.pending_path, action + "\n")
    if file.broken:
        write_atomic(f"{file.path}.broken-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}", file.text)
    if text != file.text:
        write_atomic(file.path, text, backup=bool(file.text) and not file.broken)
    if action:
        problem = _bring_into_force(ours, action)
        if problem:
            raise UnusableFileError(f"{problem}; {_go_back(file, action)}")
    if os.path.exists(file.pending_path):
        os.unlink(file.pending_path)
    _keep_good(file, text)


def _bring_into_force(config, action):
    """Reload or restart docker.service and ask it; return what is wrong, or ""."""
    if action == "restart":  # starts that systemd has counted, a killed run's among them, would make it refuse
        run("systemctl", "reset-failed", UNIT, "docker.socket")
    code, _, err = run("systemctl", action, UNIT, timeout_s=180)
    if code:
        return f"docker.service did not {action}: {err.strip()} {_last_words()}".rstrip()
    deadline = time.monotonic() + 30
    left = []
    while time.monotonic() < deadline:
        info = daemon_info(timeout_s=10)
        left = not_in_force(config, info) if info else [("docker info", "an answer", "none")]
        if not left:
            return ""
        time.sleep(0.3)
    key, wanted, seen = left[0]
    return (f"30 s after its {action} the engine does not have {key} = {shown(wanted)} in force (it has "
            f"{seen}): {_last_words()}")


def _last_words():
    """Return the last error lines of docker.service's journal on one line."""
    _, out, _ = run("journalctl", "--unit", UNIT, "--lines", "20", "--no-pager", "--output", "cat")
    lines = [line for line in out.splitlines() if any(word in line for word in ("unable", "error", "ail"))]
    own = [line for line in lines if UNIT not in line]  # dockerd's words rather than systemd's
    return " | ".join((own or lines)[-2:])


def _go_back(file, action):
    """Put the text of before in place, start the engine with it, and return how that went."""
    if file.existed and not file.broken:
        write_atomic(file.path, file.text)
    elif not file.existed and os.path.exists(file.path):
        os.unlink(file.path)
    run("systemctl", "reset-failed", UNIT)
    code, _, _ = run("systemctl", action, UNIT, timeout_s=180)
    if os.path.exists(file.pending_path):
        os.unlink(file.pending_path)
    if code:
        return (f"the file of before is back, but with that Docker does not {action} either: "
                "see journalctl -u docker -n 50")
    return "the file of before is back and in force"


def _keep_good(file, text):
    """Keep the text as the last that is known to be valid and in force."""
    if text and read_text(file.good_path) != text:
        write_atomic(file.good_path, text, mode=0o600)
    elif text:
        os.utime(file.good_path)
