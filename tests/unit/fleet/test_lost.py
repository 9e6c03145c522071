"""A rollout over a stand-in for ssh whose connection breaks while a machine applies."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from agent.cli.main import main

SSH = """#!/bin/sh
for word; do host=$command; command=$word; done
[ ! -e "$0.lost.$host" ] || exit 255
FAKE_SSH=$0 FAKE_HOST=$host /bin/sh -c "$command"
code=$?
[ ! -e "$0.lost.$host" ] || exit 255
exit $code
"""
PROGRAM = """#!/bin/sh
echo "$FAKE_HOST" >> "$FAKE_SSH.asked.$1"
[ "$1 $FAKE_HOST" != "apply h1" ] || : > "$FAKE_SSH.lost.h1"
echo '{"ok": true, "data": {"changes": [], "drifts": []}, "errors": [], "meta": {}}'
"""


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """Three machines; h0 is off, h1 loses its network when it applies."""
    for name, text in (("ssh", SSH), ("firstlight", PROGRAM)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    facts = {
        "ansible_ssh_executable": tmp_path / "ssh",
        "ansible_remote_tmp": tmp_path / "there",
        "ansible_python_interpreter": sys.executable,
        "firstlight_command": tmp_path / "firstlight",
    }
    words = " ".join(f"{name}={value}" for name, value in facts.items())
    (tmp_path / "hosts").write_text("".join(f"h{number} {words}\n" for number in range(3)))
    (tmp_path / "ssh.lost.h0").touch()
    return tmp_path / "hosts"


def test_a_machine_lost_during_its_apply_stops_the_rollout_and_one_never_there_does_not(
    inventory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["fleet", "apply", "-i", str(inventory), "--yes", "--rings", "1", "-o", "json"])
    told = json.loads(capsys.readouterr().out)["data"]["machines"]
    states = {each["host"]: f"{each['state']}: {each['summary']}" for each in told}
    assert (inventory.parent / "ssh.asked.apply").read_text().split() == ["h1"]
    assert states.pop("h0").startswith("unreachable: ")
    assert states.pop("h1").startswith("bad: ring 1: lost during the apply: ")
    assert states == {"h2": "waiting: a ring before it was bad"}
    assert (len(told), code) == (3, 1)
