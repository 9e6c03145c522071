"""Files that are wholly ours: what would change, and the change itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.module_utils.atomic import read_text, write_atomic

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

HEADER = "# Written by Firstlight. Edit the profile instead: changes made here are overwritten.\n"


def summary(text: str | None) -> str:
    """Return a file's settings on one line, comments left out; "absent" for no file."""
    if text is None:
        return "absent"
    lines = (line.strip().rstrip(";") for line in text.splitlines())
    return (
        "; ".join(line for line in lines if line and not line.startswith(("#", ";", "//", "[")))
        or "empty"
    )


def read_all(module: AnsibleModule, paths: list[str]) -> dict[str, str | None]:
    """Return the text of each path, None where there is no file; fails the module on an unreadable one."""
    texts: dict[str, str | None] = {}
    for path in paths:
        try:
            texts[path] = read_text(path)
        except UnicodeDecodeError as error:
            module.fail_json(
                msg=f"{path} is not text ({error.reason} at byte {error.start}). "
                "Look at it, and remove it if it is damaged; nothing was changed."
            )
        except OSError as error:
            module.fail_json(msg=f"{path} cannot be read: {error.strerror}. Nothing was changed.")
    return texts


def planned(found: dict[str, str | None], wanted: dict[str, str | None]) -> list[dict[str, str]]:
    """Return one change per file whose text is not the wanted one (None = must not exist)."""
    return [
        {"target": path, "before": summary(found[path]), "after": summary(text)}
        for path, text in wanted.items()
        if found[path] != text
    ]


def differences(found: dict[str, str | None], wanted: dict[str, str | None]) -> list[dict[str, str]]:
    """Return the same in Ansible's diff form."""
    return [
        {"before": found[path] or "", "after": text or "", "before_header": path, "after_header": path}
        for path, text in wanted.items()
        if found[path] != text
    ]


def write_all(module: AnsibleModule, found: dict[str, str | None], wanted: dict[str, str | None]) -> None:
    """Bring the files to the wanted texts, each whole or not at all; fails the module naming the file."""
    for path, text in wanted.items():
        if found[path] == text:
            continue
        try:
            if text is None:
                Path(path).unlink()
                if path.startswith("/etc/systemd/system/") and not os.listdir(os.path.dirname(path)):
                    os.rmdir(os.path.dirname(path))
            else:
                write_atomic(path, text)
        except OSError as error:
            module.fail_json(msg=f"{path} cannot be written: {error.strerror}.")
