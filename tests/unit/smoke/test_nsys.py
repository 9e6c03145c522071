"""Nsight Systems around a local job: only when asked for, only where it is, and the job inside is judged as ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.model.errors import UsageError
from agent.smoke.catalogue import chosen_jobs
from agent.smoke.nsys import wrapped
from agent.smoke.running import run_jobs
from tests.unit.smoke.jobs import document, gpu, interpreter, session


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporary files of the test's own, and no Nsight Systems but what a test installs."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("agent.smoke.nsys.FOLDERS", (str(tmp_path / "nsys"),))


def install(folder: Path) -> Path:
    """Write an nsys that notes its words, writes its file and runs what it is given."""
    program = folder / "nsys"
    program.write_text(f'#!/bin/sh\necho "$@" >{folder}/words\nfor word; do shift; case $word in\n'
                       '--output=*) : >"${word#--output=}.nsys-rep"; break;; esac; done\nexec "$@"\n')
    program.chmod(0o755)
    return program


def ran(tmp_path: Path, job: str = "lora", **more):
    program = interpreter(tmp_path / "p", document(tokens_per_s=100.0))
    made = session(gpu(), python=program, place="local")
    object.__setattr__(made, "nsys_folder", more.get("folder", ""))
    report, _ = run_jobs(made, chosen_jobs([job]), on_start=lambda _: None, on_done=lambda _: None, warn=pytest.fail)
    (finding,) = report.findings
    return finding


@pytest.mark.parametrize("job", ["lora", "vllm"])
def test_a_job_is_profiled_on_request_and_judged_as_ever(tmp_path: Path, job: str) -> None:
    install(tmp_path)
    out = tmp_path / "profiles"
    out.mkdir()
    assert ran(tmp_path, job, folder=str(out)).verdict == "pass"
    [file] = out.iterdir()
    assert file.name.startswith(f"{job}-")
    words = (tmp_path / "words").read_text().split()
    assert words[:2] == ["profile", "--trace=cuda,nvtx,osrt"]
    assert str(tmp_path / "p" / "python") in words


def test_nothing_is_profiled_unasked(tmp_path: Path) -> None:
    install(tmp_path)
    assert ran(tmp_path).verdict == "pass"
    assert not (tmp_path / "words").exists()


def test_without_nsight_systems_it_is_said_what_to_install(tmp_path: Path) -> None:
    made = session(gpu())
    object.__setattr__(made, "nsys_folder", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        wrapped(("true",), made, "lora", "local")
    assert "nsight-systems-cli" in caught.value.hint


def test_a_profile_that_a_container_would_lose_is_refused(tmp_path: Path) -> None:
    made = session(gpu())
    assert wrapped(("true",), made, "lora", "container") == ("true",)
    object.__setattr__(made, "nsys_folder", str(tmp_path))
    with pytest.raises(UsageError) as caught:
        wrapped(("true",), made, "lora", "container")
    assert "--place local" in caught.value.hint
