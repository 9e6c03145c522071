from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from agent.cli.main import main
from agent.machine.hardware import observe_hardware
from agent.machine.recorded import RecordingMachine
from agent.machine.recording_file import save_recording
from agent.matrix.combination import observe_combination
from agent.matrix.tables import TABLES
from tests.fixtures import FakeMachine
from tests.unit.cli.conftest import FILES
from tests.unit.cli.test_main import GOLDEN
from tests.unit.golden import assert_golden

if TYPE_CHECKING:
    from pathlib import Path

Capsys = pytest.CaptureFixture[str]
SPARK = {
    "/etc/os-release": 'ID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n', "/etc/dgx-release": "DGX_NAME=1\n",
    "/sys/module/nvidia/version": "580.95.05\n", "/usr/local/cuda/version.json": '{"cuda": {"version": "13.0.2"}}',
    "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  580.95.05\n",
    **{f"/sys/bus/pci/devices/000f:01:00.0/{name}": f"{value}\n"
       for name, value in (("vendor", "0x10de"), ("device", "0x2e12"), ("class", "0x030200"))},
}


@pytest.fixture
def spark(tmp_path: Path) -> str:
    """The file of a recorded DGX Spark."""
    machine = RecordingMachine(FakeMachine(
        FILES | SPARK, {("uname", "-m"): "aarch64\n", ("systemd-detect-virt",): "none\n"}))
    observe_combination(machine, observe_hardware(machine))
    save_recording(machine.recording("spark-1"), tmp_path / "spark.json")
    return "spark.json"


def _said(capsys: Capsys, line: str) -> tuple[int, str]:
    code = main(["matrix", *shlex.split(line)])
    return code, capsys.readouterr().out


CASES = {
    "solve-yes": (0, "solve --card 'RTX 4090' --arch x86_64 --os debian-12 torch==2.2+cu121"),
    "solve-gb10": (0, "solve --card GB10 --arch aarch64 --os dgx-os --want vllm --want nvfp4"),
    "solve-newer-unknown": (0, "solve --card H100 --arch x86_64 torch"),
    "solve-no": (1, "solve --card 'RTX 5090' --arch x86_64 torch==2.6"),
    "solve-unknown": (2, "solve --card 8.7 --arch aarch64 torch"),
    "solve-image": (1, "solve --card GB10 --arch aarch64 pytorch/pytorch:latest"),
    "check-options": (1, "check --card V100 --driver 595 --cuda 13.0.0 --cudnn 9.17.0"),
    "show": (0, "show"),
    "show-floors": (0, "show floors"),
}


@pytest.mark.parametrize("name", CASES)
def test_what_it_says(name: str, capsys: Capsys) -> None:
    expected, line = CASES[name]
    code, text = _said(capsys, line)
    assert code == expected
    assert_golden(text, GOLDEN / f"matrix-{name}.txt")


@pytest.mark.parametrize(("line", "code", "architecture"), [
    ("solve --card GB10 vllm nvfp4", 0, "aarch64"), ("solve --card GB10 torch==2.15@pypi", 0, "aarch64"),
    ("solve --card GH200 torch==2.10@pypi", 1, "aarch64"), ("solve --card GH200 torch==2.10", 0, "aarch64"),
    ("solve --card 12.1 torch", 0, "aarch64"), ("solve --card 'RTX 4090' torch", 0, "x86_64"),
    ("solve --card 9.0 torch==2.10@pypi", 0, "x86_64"),
])
def test_without_an_architecture_the_cards_own_counts_before_the_machines(
    line: str, code: int, architecture: str, capture: str, capsys: Capsys
) -> None:
    assert main(["matrix", *shlex.split(line), "--machine", capture, "-o", "json"]) == code
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["ask"]["architecture"] == architecture
    if "GH200" in line and code:
        assert "for aarch64 is a CPU build" in data["conflict"][0]["says"]


@pytest.mark.parametrize("card", ["GB10", "GH200", "GB200", "GB300"])
def test_an_integrated_card_beside_another_cpu_is_a_no_that_cites_its_row(card: str, capsys: Capsys) -> None:
    code, text = _said(capsys, f"solve --card {card} --arch x86_64 -o json")
    conflict = json.loads(text)["data"]["conflict"]
    assert code == 1
    assert [row["row"] for row in conflict[0]["rows"]] == [f"card.{card.lower()}"]
    code, text = _said(capsys, f"check --card {card} --arch x86_64 --os ubuntu-24.04 --driver 580.95.05")
    assert code == 1
    assert "built together with its CPU" in " ".join(text.split())


def test_a_recorded_machine_is_judged(spark: str, capsys: Capsys) -> None:
    code, text = _said(capsys, f"check --machine {spark}")
    assert code == 0
    assert_golden(text, GOLDEN / "matrix-check-spark.txt")


def test_a_recorded_machine_with_another_driver(spark: str, capsys: Capsys) -> None:
    code, text = _said(capsys, f"check --machine {spark} --driver 590.48.01")
    assert code == 1
    text = " ".join(text.split())
    assert "supports branch 580, not 590" in text
    assert "memory is not given back" in text
    assert "13.0.2" in text


def test_the_question_comes_from_the_machine(spark: str, capsys: Capsys) -> None:
    code, text = _said(capsys, f"solve --machine {spark} driver==590")
    assert code == 1
    assert "dgx-os" in text
    assert _said(capsys, f"solve --machine {spark} --os any driver==590")[0] == 0


def test_a_machine_without_a_card(capture: str, capsys: Capsys) -> None:
    assert _said(capsys, f"check --machine {capture}") == (
        0, "not applicable: there is no NVIDIA card on the PCI bus\n")
    assert main(["matrix", "solve", "--machine", capture, "torch"]) == 3
    assert "--card" in capsys.readouterr().err


RESULT = {
    "type": "object", "required": ["answer", "ask"],
    "properties": {
        "answer": {"enum": ["yes", "no", "unknown"]},
        "ask": {"type": "object", "required": ["card", "architecture", "system", "wants"]},
        "driver": {"type": "object", "required": ["minimum", "branch", "branches"]},
        "parts": {"type": "array", "minItems": 1, "items": {
            "type": "object", "required": ["kind", "value", "says", "rows"],
            "properties": {"rows": {"type": "array", "minItems": 1, "items": {
                "type": "object", "required": ["row", "source", "date"],
                "properties": {"source": {"type": "array", "minItems": 1}, "date": {"minLength": 4}}}}}}},
        "conflict": {"type": "array", "minItems": 1, "items": {"required": ["answer", "says", "rows"]}},
        "caveats": {"type": "array", "items": {"type": "string"}},
    },
    "oneOf": [{"required": ["driver", "parts", "caveats"]}, {"required": ["conflict", "instead"]}],
    "additionalProperties": True,
}


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("solve")])
def test_a_result_as_json(name: str, capsys: Capsys) -> None:
    import jsonschema

    code, text = _said(capsys, f"{CASES[name][1]} -o json")
    document: dict[str, Any] = json.loads(text)
    assert document["ok"]
    jsonschema.validate(document["data"], RESULT)
    assert {"yes": 0, "no": 1, "unknown": 2}[document["data"]["answer"]] == code


def test_a_judgement_as_json(spark: str, capsys: Capsys) -> None:
    code, text = _said(capsys, f"check --machine {spark} -o json")
    lines = json.loads(text)["data"]
    assert code == 0
    assert {line["answer"] for line in lines} == {"yes"}
    assert all(row["source"] for line in lines for row in line["rows"])


@pytest.mark.parametrize("table", TABLES)
def test_every_table_can_be_shown(table: str, capsys: Capsys) -> None:
    code, text = _said(capsys, f"show {table}")
    rows = json.loads(_said(capsys, f"show {table} -o json")[1])["data"]
    assert code == 0
    assert len(text.splitlines()) == len(rows) + 1
    assert text.splitlines()[0].split()[-1] == "date"
    assert all(row["date"] for row in rows)


ERRORS = (
    "solve --card 4070 --arch x86_64 torch", "solve --card Voodoo --arch x86_64 torch",
    "solve --card 'RTX PRO' --arch riscv torch", "solve --card H --arch x86_64", "solve --card RTX --arch x86_64",
    "solve --card L4 --arch x86_64 --os debian-11", "solve --card L4 --arch x86_64 torch==abc",
    "solve --card L4 --arch x86_64 torch==2.", "solve --card L4 --arch x86_64 tensorflow",
    "solve --card L4 --arch x86_64 driver", "solve --card L4 --arch x86_64 driver==12",
    "solve --card L4 --arch x86_64 vllm@pypi",
    "solve --card L4 --arch x86_64 torch==2.9+cu12", "solve --card L4 --arch x86_64 torch==2.9+cu128@pypi",
    "check --card L4 --driver new", "check --card L4 --cuda 13.x", "check --card Voodoo", "show card", "shwo",
)


def test_the_errors_people_make(capsys: Capsys) -> None:
    said = []
    for line in ERRORS:
        assert main(["matrix", *shlex.split(line)]) == 3, line
        said.append(f"$ firstlight matrix {line}\n{capsys.readouterr().err}")
    assert_golden("\n".join(said), GOLDEN / "matrix-errors.txt")


def test_the_help_page(capsys: Capsys) -> None:
    with pytest.raises(SystemExit):
        main(["matrix", "solve", "--help"])
    assert_golden(capsys.readouterr().out, GOLDEN / "help-matrix-solve.txt")
