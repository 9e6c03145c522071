"""The job `vllm` with a real vLLM on this CPU: known answers, the trained adapter, its own count, its real failures.

`make test-vllm` makes the interpreter (FIRSTLIGHT_VLLM): two minutes and 3.4 GB. A start of vLLM is 50 s of CPU, and
there are eight here.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from agent.smoke.document import find_document
from agent.smoke.execution import Bounds, Ended, run_bounded
from agent.smoke.scripts import judged
from agent.smoke.serving import serving_bundle
from agent.smoke.session import JobResult
from checks.smoke.jobs.serving.models import write_counter
from tests.smoke.interpreter import REPOSITORY
from tests.unit.smoke.jobs import session
from tests.unit.smoke.openai_server import counting, serving

MADE = REPOSITORY / ".build/vllm/bin/python"
PATIENCE_S = 1800.0  # fifty seconds on a free core; a busy machine may take thirty times that
pytestmark = [pytest.mark.vllm, pytest.mark.timeout(3 * PATIENCE_S)]
BOUNDS = Bounds(2.5 * PATIENCE_S, 8 << 30, 1 << 30)


def vllm_python() -> str:
    """Return the interpreter; skips the test without one."""
    given = os.environ.get("FIRSTLIGHT_VLLM") or (str(MADE) if MADE.exists() else "")
    if not given:
        pytest.skip("needs an interpreter with vLLM: make test-vllm")
    return given


def run(*words: str) -> tuple[JobResult, Ended]:
    """Run the job as the runner does."""
    ended = run_bounded([vllm_python(), "-", "--threads", "1", "--ready-s", str(PATIENCE_S), "--answer-s", "600",
                         "--number", "8", "--output-tokens", "48", *words], BOUNDS, stdin=serving_bundle())
    return judged(ended, find_document(ended.out), session(), "", "vllm", "local"), ended


def engines() -> set[int]:
    """Return the processes that vLLM names its own."""
    found = set()
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and re.match(rb"VLLM::|.*vllm\.entrypoints", (entry / "cmdline").read_bytes(),
                                                 re.DOTALL):
                found.add(int(entry.name))
        except OSError:
            continue
    return found


@pytest.fixture(autouse=True)
def no_orphan():
    before = engines()
    yield
    assert engines() - before == set()


@pytest.fixture(scope="module")
def proven() -> JobResult:
    return run("--heavy-bytes", "50000000")[0]


def rows(result: JobResult) -> dict[str, Any]:
    return {row["id"]: row for row in result.document.get("checks", ())}


def test_every_criterion_holds(proven):
    assert [row for row in rows(proven).values() if not row["ok"]] == [], proven.outcome
    assert proven.outcome.verdict == "pass", proven.outcome


def test_known_answers_and_the_trained_adapter_are_exact(proven):
    seen = rows(proven)
    assert seen["known_answer_c1"]["seen"] == "8 of 8"
    assert seen["known_answer_c8"]["seen"] == "8 of 8"
    assert seen["base_untrained"]["seen"] == "0 of 8 as trained"
    assert seen["adapter_answers"]["seen"] == "32 of 32"


def test_client_and_server_agree_within_five_percent(proven):
    for first in proven.document["rounds"]:
        one = first.get("again", first)
        assert one["output_tokens"] == one["server"]["output_tokens"]
        for name in ("tpot_mean_ms", "e2el_mean_ms"):
            assert one[name] == pytest.approx(one["server"][name], rel=0.05), (name, one)


def test_a_heavy_models_weights_are_read_at_a_rate(proven):
    assert 0.01 < proven.figures["weights_gbs"] < 200


def broken(tmp_path: Path, fault: str) -> Path:
    model = tmp_path / fault
    write_counter(model)
    config = json.loads((model / "config.json").read_text())
    if fault == "truncated":
        weights = model / "model.safetensors"
        os.truncate(weights, weights.stat().st_size // 2)
    if fault == "bad-model":
        config |= {"architectures": ["NoSuchForCausalLM"], "model_type": "no-such"}
    if fault == "small-cache":
        config["max_position_embeddings"] = 1_000_000
    (model / "config.json").write_text(json.dumps(config))
    return model


@pytest.mark.parametrize(("fault", "says"), [
    ("truncated", "cut short or corrupt"), ("bad-model", "older than the model"),
    ("small-cache", "cannot hold one request")])
def test_what_keeps_it_from_starting_is_told_from_its_own_log(tmp_path, fault, says):
    result, ended = run("--model", str(broken(tmp_path, fault)))
    assert result.outcome.verdict == "fail"
    assert says in result.outcome.summary, result.document.get("error")
    assert result.outcome.remedy.steps
    assert ended.left == 0


def test_a_port_that_is_taken_is_told_though_somebody_answers_there():
    with serving(counting(), model="counter") as other:
        result, _ = run("--port", str(other.server_address[1]), "--skip", "adapter")
    assert "port is taken" in result.outcome.summary


def test_a_server_that_is_killed_in_the_middle_of_its_answers_is_told(tmp_path):
    model = tmp_path / "counter"
    write_counter(model)
    done = threading.Event()

    def kill() -> None:
        """Kill the process that listens, once it has begun to answer: its engine would live on."""
        while not done.wait(0.1):
            for pid in engines():
                try:
                    words = Path(f"/proc/{pid}/cmdline").read_bytes()
                    log = next(Path(f"/proc/{pid}/cwd").resolve().parent.glob("log"), None)
                    if str(model).encode() in words and log and log.read_text().count("200 OK") > 6:
                        time.sleep(0.5)
                        os.kill(pid, signal.SIGKILL)
                        return
                except OSError:
                    continue

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        result, ended = run("--model", str(model), "--number", "400", "--output-tokens", "400")
    finally:
        done.set()
        killer.join()
    assert "server was killed by signal 9" in result.document["error"]["text"].splitlines()[0]
    assert "ended the inference server" in result.outcome.summary
    assert shutil.which("sh")
    assert ended.left == 0
