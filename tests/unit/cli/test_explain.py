from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli.main import main
from tests.unit.cli.test_main import GOLDEN
from tests.unit.golden import assert_golden

Capsys = pytest.CaptureFixture[str]
LOG = """\
kernel: NVRM: GPU at PCI:0000:02:00: GPU-660d987e
kernel: NVRM: Xid (PCI:0000:02:00): 79, pid=1234, name=python3, GPU has fallen off the bus.
vllm: torch.AcceleratorError: CUDA error: an illegal memory access was encountered
kernel: nvidia-nvswitch1: SXid (PCI:0000:84:00.0): 12028, Data {0x000001c0, 0x00bd5c8a}
vllm: RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}
"""
UNKNOWN = "the flux capacitor has lost its flux"


def _said(capsys: Capsys, *words: str) -> tuple[int, str]:
    code = main(["explain", *words])
    return code, capsys.readouterr().out


def _piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


CASES = {
    "xid": ("xid", "79"),
    "xid-disagree": ("xid", "32"),
    "sxid": ("sxid", "12028"),
    "text": ("RuntimeError: CUDA error: no kernel image is available for execution on the device",),
}


@pytest.mark.parametrize("name", CASES)
def test_what_it_says(name: str, capsys: Capsys) -> None:
    code, text = _said(capsys, *CASES[name])
    assert code == 0
    assert_golden(text, GOLDEN / f"explain-{name}.txt")


def test_a_log_is_looked_through(apart: Path, capsys: Capsys) -> None:
    (apart / "job.log").write_text(LOG)
    code, text = _said(capsys, "--log", "job.log")
    assert code == 0
    assert_golden(text, GOLDEN / "explain-log.txt")


def test_a_log_from_a_pipe_says_the_same(apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    (apart / "job.log").write_text(LOG)
    from_file = _said(capsys, "--log", "job.log")
    for words in (("-",), ("--log", "-")):
        _piped(monkeypatch, LOG)
        assert _said(capsys, *words) == from_file


def test_a_log_as_json(apart: Path, capsys: Capsys) -> None:
    (apart / "job.log").write_bytes(LOG.encode() + b"\xff\xfe not text \x00\n")
    code, text = _said(capsys, "--log", "job.log", "-o", "json")
    found = json.loads(text)["data"]
    assert code == 0
    assert [(item["line"], item["times"]) for item in found] == [(2, 1), (3, 1), (4, 1), (5, 1)]
    assert found[0]["title"] == "Xid 79: GPU has fallen off the bus"
    assert [opinion["who"] for opinion in found[0]["opinions"]] == ["NVIDIA's catalogue", "gpud"]
    assert all(item["source"] for item in found)


def test_an_unknown_text_says_so_and_what_to_do(
    apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    code, text = _said(capsys, UNKNOWN)
    assert code == 2
    assert text.startswith("no rule knows this text\n")
    assert "firstlight explain --log FILE" in text
    (apart / "job.log").write_text(UNKNOWN)
    assert _said(capsys, "--log", "job.log") == (2, text)
    _piped(monkeypatch, "")
    assert _said(capsys, "-") == (2, text)
    code, document = _said(capsys, UNKNOWN, "-o", "json")
    assert (code, json.loads(document)["data"]) == (2, [])


def test_a_single_word_is_the_name_of_a_check(capture: str, capsys: Capsys) -> None:
    assert main(["explain", "kernel.sysct", "--machine", capture]) == 3
    assert "kernel.sysctl" in capsys.readouterr().err
    assert _said(capsys, "kernel.sysctl", "--machine", capture)[0] == 0


@pytest.mark.parametrize("word", ["xid79", "Xid:79", "NV_ERR_NO_MEMORY", "CUBLAS_STATUS_ALLOC_FAILED", "SIGILL"])
def test_a_single_word_of_an_error_is_a_text(word: str, capsys: Capsys) -> None:
    assert _said(capsys, word)[0] == 0


def test_a_log_that_cannot_be_read_is_an_error(apart: Path, capsys: Capsys) -> None:
    assert main(["explain", "--log", "none.log"]) == 3
    assert "none.log: No such file or directory" in capsys.readouterr().err
    assert main(["explain", "--log", str(apart)]) == 3
    assert "Is a directory" in capsys.readouterr().err
    assert main(["explain", "--log", "a.log", "xid", "79"]) == 3
    assert "not both" in capsys.readouterr().err


def test_of_a_long_log_the_end_is_looked_through(
    apart: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    monkeypatch.setattr("agent.cli.explain._LOG_BYTES", 1000)
    (apart / "long.log").write_text(LOG + "a line of nothing\n" * 1000 + "No devices were found\n")
    assert main(["explain", "--log", "long.log"]) == 0
    said = capsys.readouterr()
    assert "No devices were found" in said.out
    assert "Xid 79" not in said.out
    assert "looked through the last" in said.err


def test_explaining_an_error_needs_neither_checks_nor_profiles() -> None:
    code = (
        "import sys; from agent.cli.main import main; main(['explain', 'xid', '79']); "
        "main(['matrix', 'solve', '--card', 'GB10', '--arch', 'aarch64', 'vllm']); "
        "heavy = {'pydantic', 'yaml', 'ruamel', 'rich', 'textual', 'docker', 'ansible_runner', 'checks', 'agent.app'}; "
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60,
                          cwd=Path(__file__).parents[3])
    assert done.stderr == ""
    assert done.returncode == 0
