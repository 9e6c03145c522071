from __future__ import annotations

import json
import stat
import subprocess
import sys

import pytest

from agent.machine.api import Completed, Space
from agent.machine.recorded import RecordedMachine, RecordingMachine
from agent.machine.recording import Content, Recording, merge_answers
from agent.machine.recording_file import load_recording, save_recording
from agent.model.errors import FirstlightError, Missing, Unobservable
from tests.fixtures import NOW, FakeMachine


def fake():
    return FakeMachine(
        {"/etc/a b": "text\n", "/sys/page": b"\x00\x80\xff", "/long": "x" * 100},
        {("df", "-h"): "out\n", ("false",): Completed(("false",), 1, "", "bad\n"),
         ("hang",): Unobservable("hang: no answer within 5 s")},
        errors={"/secret": Unobservable("/secret: cannot be read: Permission denied")},
        spaces={"/": Space(4, 3, 2, 1)}, folders=["/empty"])


def answers_of(machine):
    """What every kind of question gives, errors as their text."""
    questions = [
        lambda: machine.run(["df", "-h"]), lambda: machine.run(["false"]),
        lambda: machine.run(["false"], ok=(1,)), lambda: machine.run(["hang"]),
        lambda: machine.run(["absent"]), lambda: machine.read("/etc/a b"),
        lambda: machine.read_bytes("/sys/page"), lambda: machine.read("/secret"),
        lambda: machine.read("/absent"), lambda: machine.read("/long", limit_bytes=10),
        lambda: machine.listing("/"), lambda: machine.listing("/empty"), lambda: machine.space("/etc"),
        lambda: machine.status("/etc/a b"), lambda: machine.exists("/absent"), lambda: machine.exists("/etc"),
        machine.clock, machine.privileged,
    ]
    said = []
    for ask in questions:
        try:
            said.append(ask())
        except Unobservable as error:
            said.append((type(error), str(error)))
    return said


def test_a_recorded_machine_answers_as_the_real_one_did(tmp_path):
    memory = RecordingMachine(fake())
    assert answers_of(memory) == answers_of(fake())
    save_recording(memory.recording("spark-1"), tmp_path / "machine.json")
    recording = load_recording(tmp_path / "machine.json")
    assert (recording.hostname, recording.made) == ("spark-1", NOW)
    assert recording.answers.keys() == memory.answers.keys()
    assert answers_of(RecordedMachine(recording)) == answers_of(fake())


def test_the_machine_is_asked_once_for_the_same_thing():
    inner = fake()
    memory = RecordingMachine(inner)
    answers_of(memory)
    asked = len(inner.asked)
    answers_of(memory)
    assert len(inner.asked) == asked


def test_more_of_a_file_is_asked_again_and_less_is_not():
    inner = fake()
    memory = RecordingMachine(inner)
    assert [len(memory.read("/long", limit_bytes=n)) for n in (10, 5, 50, 200, 1000)] == [10, 5, 50, 100, 100]
    assert inner.asked.count(("read", "/long")) == 3


def test_of_two_recordings_of_a_file_the_fuller_one_is_kept():
    question, short, long = ("read", "/x"), Content(b"ab", whole=False), Content(b"abc", whole=False)
    whole = Content(b"abcd")
    for parts in ((short, long), (long, short)):
        assert merge_answers(*({question: part} for part in parts)) == {question: long}
    for parts in ((whole, long), (long, whole)):
        assert merge_answers(*({question: part} for part in parts)) == {question: whole}
    assert merge_answers({("exists", "/x"): True}, {("exists", "/x"): False}) == {("exists", "/x"): False}


def test_what_was_not_asked_is_unobservable_and_not_missing():
    machine = RecordedMachine(Recording(NOW, "x", {("read", "/long"): Content(b"abc", whole=False)}))
    for ask in (lambda: machine.read("/etc/fstab"), lambda: machine.exists("/"), lambda: machine.run(["id"]),
                lambda: machine.read("/long", limit_bytes=4), machine.privileged):
        with pytest.raises(Unobservable, match="not in the recording") as caught:
            ask()
        assert not isinstance(caught.value, Missing)
    assert machine.read("/long", limit_bytes=2) == "ab"


def test_a_recording_is_written_for_its_owner_alone(tmp_path):
    path = tmp_path / "machine.json"
    save_recording(RecordingMachine(fake()).recording("x"), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["machine.json"]
    with pytest.raises(FirstlightError, match=r"/absent/machine\.json: cannot be written: No such file"):
        save_recording(RecordingMachine(fake()).recording("x"), tmp_path / "absent" / "machine.json")


def bad(**changes):
    return json.dumps({"schema": 1, "made": 1.0, "hostname": "x", "answers": {}} | changes)


BAD = {
    '{"schema": 1,\n "x"': "machine.json:2:5: not JSON",
    "[]": "machine.json: this is not a recording",
    bad(schema=2): "schema 2 of this recording is not known",
    bad(answers={"read /x": {}}): "damaged at 'read /x'",
    bad(answers={"read /x": {"base64": "?"}}): "damaged at 'read /x'",
    bad(answers={"guess /x": {"text": "y"}}): "'guess' is not a question",
    bad(answers={"": {}}): "damaged at ''",
    bad(answers={"run 'x": {}}): "damaged at \"run 'x\"",
    bad(answers={"status /x": {"kind": "file"}}): "damaged at 'status /x'",
    bad(answers={"read /x": None}): "damaged at 'read /x'",
    bad(answers=[]): "damaged at 'answers'",
    bad(made="noon"): "damaged at 'made, hostname, profile'",
}


@pytest.mark.parametrize("text", BAD)
def test_a_damaged_file_is_an_error_that_says_where(text, tmp_path):
    path = tmp_path / "machine.json"
    path.write_text(text)
    with pytest.raises(FirstlightError) as caught:
        load_recording(path)
    assert caught.value.message.startswith(str(path)) and BAD[text] in caught.value.message
    assert caught.value.hint


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for path in (tmp_path / "absent", tmp_path, tmp_path / "binary"):
        with pytest.raises(FirstlightError, match="cannot be read"):
            load_recording(path)


def test_the_engine_and_the_machine_load_nothing_heavy():
    code = ("import sys; import agent.engine.pool, agent.engine.discovery, agent.machine.local, "
            "agent.machine.hardware; print(*sorted({m.partition('.')[0] for m in sys.modules}))")
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pydantic", "rich", "docker", "subprocess", "psutil", "asyncio", "json", "ansible_runner"}
    assert not heavy & set(loaded.stdout.split())
