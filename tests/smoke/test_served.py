"""The client and the job against `transformers serve` on the CPU: real answers of a real model, streamed."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from agent.cli.main import main
from agent.smoke.document import find_document
from agent.smoke.execution import Bounds, run_bounded
from agent.smoke.serving import serving_bundle
from checks.smoke.jobs.serving.models import write_counter
from checks.smoke.jobs.serving.server import Server, command, free_port
from tests.smoke.interpreter import torch_python

pytestmark = [pytest.mark.torch, pytest.mark.timeout(1200)]
BOUNDS = Bounds(1100, 6 << 30, 1 << 30)


def serving_python() -> str:
    """Return the torch interpreter; skips the test when it has no transformers serve."""
    python = torch_python()
    found = subprocess.run([python, "-c", "import transformers, fastapi, uvicorn, openai"], capture_output=True)
    if found.returncode:
        pytest.skip("the interpreter with torch has no transformers[serving]: make test-jobs")
    return python


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The job with `transformers serve`: counter and merged adapter; a server for one after the other."""
    ended = run_bounded([serving_python(), "-", "--engine", "transformers", "--threads", "1", "--parallel", "1,4",
                         "--number", "6", "--output-tokens", "24", "--ready-s", "600", "--answer-s", "300"],
                        BOUNDS, stdin=serving_bundle())
    document = find_document(ended.out)
    assert document is not None, ended.err[-2000:]
    return {**document, "left": ended.left}


def test_every_criterion_holds_with_a_server_that_is_not_vllm(proven):
    assert [row for row in proven.get("checks", [proven.get("error")]) if row.get("ok") is not True] == []
    assert {row["id"] for row in proven["checks"]} >= {"counter_ready", "known_answer_c1", "known_answer_c4",
                                                       "adapter_answers", "base_stopped"}
    assert proven["left"] == 0


def test_the_adapter_that_lora_trains_answers_to_the_last_token(proven):
    assert next(row["seen"] for row in proven["checks"] if row["id"] == "adapter_answers") == "32 of 32"


def test_its_manner_is_understood_tokens_counted_without_an_end_mark(proven):
    one = proven["rounds"][0]
    assert (one["asked"], one["failed"], one["output_tokens"]) == (6, 0, 6 * 24)
    assert one["ttft_p50_ms"] > 0
    assert one["tpot_p50_ms"] > 0


def test_firstlight_measures_it_by_its_address(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    model = tmp_path / "counter"
    size = write_counter(model)
    port = free_port()
    server = Server(command("transformers", serving_python(), model, port, ()), tmp_path / "server",
                    {"OMP_NUM_THREADS": "1"})
    try:
        from checks.smoke.jobs.serving.client import Target

        server.wait(Target(f"http://127.0.0.1:{port}", str(model), timeout_s=300), size, 600, lambda text: None)
        code = main(["smoke", "vllm", "--url", f"http://127.0.0.1:{port}", "--model", str(model), "--parallel", "1,3",
                     "--number", "4", "--output-tokens", "8", "--profile", "cpu-only", "-o", "json"])
    finally:
        server.kill()
    (job,) = json.loads(capsys.readouterr().out)["data"]["jobs"]
    assert (code, job["verdict"]) == (0, "pass"), job["document"]
    assert [row["failed"] for row in job["document"]["rounds"]] == [0, 0]
    assert not os.path.exists(f"/proc/{server.process.pid}")
    assert Path(model / "config.json").exists()
