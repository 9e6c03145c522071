from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.machine.gpu import Cards
from tests.unit.golden import assert_golden
from tests.unit.smoke.jobs import document, interpreter

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, state and temporary files of the test's own; a screen of 80 columns without colours or GPUs."""
    monkeypatch.setenv("FIRSTLIGHT_CONFIG", str(tmp_path / "etc"))
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("agent.smoke.session.observe_cards", lambda machine: Cards((), None))


def smoke(capsys, *words):
    code = main(["smoke", *words])
    return code, capsys.readouterr()


def test_the_list_says_what_every_job_proves(capsys):
    code, said = smoke(capsys, "--list")
    assert code == 0
    assert_golden(said.out, GOLDEN / "list.txt")


def test_what_is_proven_is_said_with_its_figures(tmp_path, capsys):
    program = interpreter(tmp_path / "p", document(device="cpu", tokens_per_s=26745.0, step_p50_ms=38.0, captured=0.9))
    code, said = smoke(capsys, "lora", "nvidia-smi", "--python", program, "--profile", "cpu-only")
    assert code == 0
    assert "proven  lora         All 3 criteria hold on cpu (torch 2.13.0): 2.674e+04\n" in said.out
    assert "n/a     nvidia-smi   there is no NVIDIA GPU on the PCI bus\n" in said.out
    code, said = smoke(capsys, "--history", "-o", "json")
    kept = json.loads(said.out)["data"]
    assert [(line["job"], line["figures"]["captured"]) for line in kept] == [("lora", 0.9)]


def test_json_is_a_report_with_the_jobs_documents_and_can_be_shown_again(tmp_path, capsys):
    program = interpreter(tmp_path / "p", document("causal", captured=0.9), code=1)
    code, said = smoke(capsys, "lora", "--python", program, "--profile", "cpu-only", "-o", "json", "--no-save")
    data = json.loads(said.out)["data"]
    assert (code, data["counts"]["fail"], data["jobs"][0]["document"]["job"]) == (1, 1, "lora")
    (tmp_path / "report.json").write_text(said.out)
    assert main(["report", "show", str(tmp_path / "report.json")]) in (0, 1)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("form", ["junit", "nagios", "markdown"])
def test_other_forms_name_the_job(tmp_path, capsys, form):
    program = interpreter(tmp_path / "p", document("causal"), code=1)
    _, said = smoke(capsys, "lora", "--python", program, "--profile", "cpu-only", "-o", form, "--no-save")
    assert "smoke.lora" in said.out


def test_an_unknown_job_gets_the_nearest_name(capsys):
    code, said = smoke(capsys, "cuda_kernal")
    assert code == 3
    assert "did you mean cuda-kernel?" in said.err


def test_nsys_that_is_not_installed_is_a_usage_error(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("agent.smoke.nsys.find_program", lambda machine, name: None)
    monkeypatch.setattr("agent.smoke.nsys.FOLDERS", ())
    program = interpreter(tmp_path / "p", document())
    code, said = smoke(capsys, "lora", "--python", program, "--profile", "cpu-only", "--nsys", str(tmp_path))
    assert code == 3
    assert "Nsight Systems is not installed" in said.err


def test_nsys_wraps_a_local_job(tmp_path, capsys, monkeypatch):
    nsys = tmp_path / "nsys"
    nsys.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/asked\nwhile [ "${{1#--}}" != "$1" ] || [ "$1" = profile ]; '
                    'do shift; done\nexec "$@"\n')
    nsys.chmod(0o755)
    monkeypatch.setattr("agent.smoke.nsys.find_program", lambda machine, name: str(nsys))
    program = interpreter(tmp_path / "p", document())
    code, _ = smoke(capsys, "lora", "--python", program, "--profile", "cpu-only", "--nsys", str(tmp_path / "out"))
    assert code == 0
    assert f"--output={tmp_path}/out/lora-" in (tmp_path / "asked").read_text()


def test_an_unusable_history_does_not_stop_the_jobs(tmp_path, capsys):
    (tmp_path / "state").write_text("a file where the folder should be")
    program = interpreter(tmp_path / "p", document())
    code, said = smoke(capsys, "lora", "--python", program, "--profile", "cpu-only")
    assert code == 0
    assert "the results are not kept" in said.err


def test_ctrl_c_keeps_what_is_done_and_leaves_no_process(tmp_path, capsys):
    interpreter(tmp_path / "p", document())
    program = tmp_path / "python"
    mark = f"{os.getpid()}.99"
    program.write_text(f"#!/bin/sh\ncase \"$*\" in *size*) exec sleep {mark};; esac\nexec {tmp_path}/p/python \"$@\"\n")
    program.chmod(0o755)

    def interrupt() -> None:
        wait_for_sleep(mark)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    code, said = smoke(capsys, "cuda-kernel", "lora", "--python", str(program), "--profile", "cpu-only")
    assert code == 130
    assert "interrupted" in said.err
    _, said = smoke(capsys, "--history", "-o", "json")
    assert [line["job"] for line in json.loads(said.out)["data"]] == ["cuda-kernel"]


def wait_for_sleep(mark: str) -> None:
    import subprocess
    import time

    for _ in range(200):
        if subprocess.run(["pgrep", "-f", f"^sleep {mark}"], capture_output=True).returncode == 0:
            return
        time.sleep(0.05)


def test_a_new_baseline_forgets_the_job(tmp_path, capsys):
    program = interpreter(tmp_path / "p", document())
    for words in ([], ["--new-baseline"]):
        smoke(capsys, "lora", "--python", program, "--profile", "cpu-only", *words)
    _, said = smoke(capsys, "--history", "-o", "json")
    assert len(json.loads(said.out)["data"]) == 1
