from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.desk.desk import Desk
from agent.machine.gpu import Cards
from agent.model.units import GIB, MIB
from agent.smoke.document import find_document
from agent.smoke.execution import Bounds, run_bounded
from agent.smoke.load import Load
from agent.smoke.scripts import judged
from agent.smoke.serving import judge_nvfp4_gate, serving_bundle
from agent.smoke.session import JobResult
from agent.smoke.speed import judge_weights
from checks.smoke.jobs.serving import models
from checks.smoke.jobs.serving.client import Answer, Target
from checks.smoke.jobs.serving.proof import Proof
from checks.smoke.jobs.serving.rounds import row
from checks.smoke.jobs.serving.server import Server, ServerFailed, free_port, session_pids
from tests.unit.smoke.jobs import asked, document, gpu, interpreter, session
from tests.unit.smoke.openai_server import counting, serving

REPOSITORY = Path(__file__).resolve().parents[3]
BOUNDS = Bounds(60, GIB, 64 * MIB)


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("FIRSTLIGHT_CONFIG", str(tmp_path / "etc"))
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("agent.smoke.session.observe_cards", lambda machine: Cards((), None))


@pytest.fixture
def python(tmp_path):
    """An interpreter whose vLLM is the stand-in."""
    package = tmp_path / "packages/vllm/entrypoints/cli"
    package.mkdir(parents=True)
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").write_text("")
    (package / "main.py").write_text("import sys\nfrom tests.unit.smoke.openai_server import stand_in\n"
                                     "stand_in(sys.argv[1:])\n")
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nexport PYTHONPATH={tmp_path}/packages:{REPOSITORY}\nexec {sys.executable} \"$@\"\n")
    program.chmod(0o755)
    return str(program)


def run(python, *words, fault="", bounds=BOUNDS):
    """Run the job with the stand-in; return its result, and a sleep that must not outlive it."""
    mark = f"{os.getpid()}.{time.monotonic_ns() % 10**9}"
    argv = [python, "-", "--skip", "adapter", "--output-tokens", "8", "--prompt-tokens", "16", "--parallel", "1,4",
            "--ready-s", "40", "--long-tokens", "0", *words]
    ended = run_bounded(argv, bounds, env={"STAND_IN": fault, "STAND_IN_MARK": mark}, stdin=serving_bundle())
    assert subprocess.run(["pgrep", "-f", f"^sleep {mark}"], capture_output=True).returncode == 1, "an orphan"
    return judged(ended, find_document(ended.out), session(), "", "vllm", "local")


def failing(result):
    return [row["id"] for row in result.document["checks"] if not row["ok"]]


def test_a_server_that_answers_right_is_proven(python):
    result = run(python, "--parallel", "1")
    timing = {"server_tpot_c1", "server_e2el_c1"}  # of a busy machine and a server of twenty lines
    rows = {row["id"]: row["ok"] for row in result.document["checks"]}
    assert {name for name, ok in rows.items() if not ok} <= timing
    assert {"counter_ready", "counter_in_memory", "known_answer_c1", "none_failed_c1", "tokens_c1",
            "server_tokens_c1", "counter_stopped"} | timing == set(rows)
    assert result.figures["c1_output_tokens_per_s"] > 0
    assert result.document["cost"]["left"] == 0
    assert "TTFT" in result.document["table"][0]


@pytest.mark.parametrize(("fault", "criterion"), [
    ("text", "known_answer_c4"), ("tokens", "tokens_c4"), ("ignores-term", "counter_stopped")])
def test_a_wrong_answer_a_wrong_count_and_a_server_that_stays_are_seen(python, monkeypatch, fault, criterion):
    result = run(python, fault=fault)
    assert result.outcome.verdict == "fail"
    assert criterion in failing(result)


@pytest.mark.parametrize(("passes", "times", "bad"), [
    ([([], [])], 1, []), ([([], ["tpot"]), ([], [])], 2, []), ([([], ["tpot"])] * 3, 3, ["tpot"]),
    ([(["tokens"], ["tpot"])], 1, ["tokens", "tpot"])])
def test_only_times_that_do_not_agree_are_measured_again_and_thrice_at_most(tmp_path, monkeypatch, passes, times, bad):
    args = argparse.Namespace(long_tokens=960)
    told, seen, tokens = iter(passes), [], []

    def asked_once(server, target, prompts, wanted, parallel):
        tokens.append(wanted)
        sound, agreed = ([row(name, False, "", "") for name in names] for names in next(told))
        seen.append(Answer())
        return [seen[-1]], {"parallel": 1, "tpot_mean_ms": float(len(seen))}, sound, agreed

    proof = Proof(args, tmp_path, print)
    monkeypatch.setattr(proof, "asked", asked_once)
    answers, found = proof.round(None, Target("http://127.0.0.1:1"), ["a"], 8, 1)
    assert (len(seen), [one["id"] for one in proof.rows], answers) == (times, bad, seen[:1])
    assert proof.figures["c1_tpot_mean_ms"] == 1
    assert found.get("again", found)["tpot_mean_ms"] == times
    assert tokens == [8, *[959] * (times - 1)]


def test_a_server_that_is_killed_in_the_middle_is_told_and_nothing_is_left(python):
    result = run(python, fault="killed")
    assert result.outcome.verdict == "fail"
    assert "killed" in result.outcome.summary
    assert "the server was killed by signal 9" in result.document["error"]["text"].splitlines()[0]
    assert result.outcome.remedy.steps


def test_a_server_that_does_not_start_is_explained_from_its_log(python):
    result = run(python, fault="does-not-start")
    assert "older than the model" in result.outcome.summary
    assert "ended with exit code 1" in result.document["error"]["text"].splitlines()[0]


def test_a_server_that_never_answers_is_given_up(python):
    result = run(python, "--ready-s", "2", fault="never-ready")
    assert result.document["error"]["kind"] == "not-ready"
    assert "not ready after 2 s" in result.outcome.summary


def test_a_job_over_its_time_takes_its_server_along(python):
    result = run(python, fault="never-ready", bounds=Bounds(3, GIB, 64 * MIB))
    assert "its time limit" in result.outcome.summary


def test_another_server_at_the_port_is_not_taken_for_ours(python):
    with serving(counting(), model="counter") as other:
        result = run(python, "--port", str(other.server_address[1]))
    assert "already in use" in result.document["error"]["text"]
    assert "port is taken" in result.outcome.summary


def test_an_interpreter_without_vllm_is_unknown():
    result = run(sys.executable)
    assert (result.outcome.verdict, result.outcome.summary) == ("unknown", "the interpreter has no vLLM.")


def test_a_page_that_answers_is_not_enough_without_the_memory(tmp_path):
    from checks.smoke.jobs.serving.client import Target

    with serving(counting()) as other:
        server = Server(["sleep", "60"], tmp_path, {})
        with pytest.raises(ServerFailed, match="not ready after 2 s: it held"):
            server.wait(Target(other.url, "m"), 1 << 50, 2, lambda text: None)
        assert len(server.pids()) == 1
        server.kill()
    assert session_pids(server.process.pid) == []


def test_the_bundle_needs_nothing_of_ours(tmp_path):
    assert {name for name, _ in serving_bundle().files} >= {"lora.py", "serving/job.py", "serving/client.py"}
    ended = run_bounded([sys.executable, "-I", "-", "--url", f"http://127.0.0.1:{free_port()}"], BOUNDS,
                        stdin=serving_bundle())
    document = find_document(ended.out)
    assert (ended.code, document["job"], document["error"]["kind"]) == (4, "vllm", "ValueError")


def smoke(capsys, *words):
    code = main(["smoke", *words, "--profile", "cpu-only"])
    return code, capsys.readouterr()


def test_a_server_that_is_there_is_measured_and_kept(capsys):
    with serving(counting(gap_s=0.001), model="theirs") as server:
        code, said = smoke(capsys, "--url", server.url, "--parallel", "1,3", "--number", "6", "--output-tokens", "5")
        assert code == 0
        assert "proven  vllm" in said.out
        assert "TTFT p50/p90/p99" in said.out
        code, said = smoke(capsys, "vllm", "--url", server.url, "--parallel", "2", "--number", "4", "-o", "json")
    (job,) = json.loads(said.out)["data"]["jobs"]
    assert job["document"]["server"]["model"] == "theirs"
    assert job["document"]["rounds"][0]["failed"] == 0
    assert main(["smoke", "--history", "vllm"]) == 0
    told = capsys.readouterr().out
    assert "3 at a time" in told
    assert "  --url  " in told
    host = Path("/proc/sys/kernel/hostname").read_text().strip()
    assert Desk().proofs(host) == [], "a server elsewhere is no proof of this machine"


def test_a_server_that_is_not_there_fails_with_its_reason(capsys):
    code, said = smoke(capsys, "--url", f"http://127.0.0.1:{free_port()}", "--no-save")
    assert code == 1
    assert "Connection refused" in said.out


def test_a_server_that_fails_answers_fails(capsys):
    def script(body):
        return (500, "no memory") if "time" in body["prompt"] or body["max_tokens"] > 4 else counting()(body)
    with serving(script) as server:
        code, said = smoke(capsys, "--url", server.url, "--parallel", "2", "--number", "3", "--no-save")
    assert code == 1
    assert "none_failed_c2: seen 3 of 3 failed: HTTP 500: no memory" in said.out


def test_the_key_is_read_from_its_file_and_said_nowhere(tmp_path, capsys):
    key = tmp_path / "key"
    key.write_text("very-secret\n")
    with serving(counting()) as server:
        code, said = smoke(capsys, "--url", server.url, "--api-key-file", str(key), "--number", "2", "-o", "json")
        assert server.asked[-1][2]["Authorization"] == "Bearer very-secret"
    assert code == 0
    assert "very-secret" not in said.out + said.err


@pytest.mark.parametrize(("words", "says"), [
    (("lora", "--url", "http://h"), "--url is for the job vllm"), (("vllm", "--parallel", "1,x"), "not numbers"),
    (("vllm", "--parallel", "0"), "not numbers"), (("vllm", "--output-tokens", "0"), "1 is the least"),
    (("vllm", "--api-key-file", "/no/such"), "no such file")])
def test_words_that_cannot_be_are_refused(capsys, words, says):
    code, said = smoke(capsys, *words)
    assert code == 3
    assert says in said.err


def test_a_folder_is_not_served_in_a_container(capsys, monkeypatch):
    from agent.smoke.places import Place

    monkeypatch.setattr("agent.smoke.serving.choose_place", lambda *_, **__: Place("container", "image"))
    code, said = smoke(capsys, "vllm", "--model", "/models/x", "--no-save")
    assert code == 3
    assert "does not see" in said.err


def test_the_load_becomes_the_scripts_words():
    load = Load(url="http://h", number=3, stream=False, api_key_file="/k")
    assert load.words() == ("--url", "http://h", "--api-key-file", "/k", "--number", "3", "--api", "auto",
                            "--parallel", "1,8", "--prompt-tokens", "64", "--output-tokens", "64", "--no-stream")


@pytest.mark.parametrize(("gbs", "card", "wrong", "known"), [
    (2600, "NVIDIA H200", "", True), (2000, "NVIDIA H200", "at least half", True),
    (4900, "NVIDIA H200", "limit", True), (140, "NVIDIA GB10", "", True), (120, "NVIDIA GB10", "at least half", True),
    (1, "NVIDIA Wonder 9", "", False)])
def test_weights_are_read_at_half_the_data_sheets_rate_at_least_and_never_faster(gbs, card, wrong, known):
    said, seen = judge_weights(gbs, card)
    assert (wrong in said, bool(said), seen) == (True, bool(wrong), known)


@pytest.mark.parametrize(("version", "verdict"), [
    ("0.20.1", "pass"), ("0.32.0+cpu", "pass"), ("0.15.1", "warn"), ("0.11.0", "fail"), ("9.9.9", "unknown")])
def test_nvfp4_on_a_gb10_depends_on_the_release(version, verdict):
    from agent.check import passed

    result = JobResult(passed("x"), document={"device": {"vllm": version}})
    gate = judge_nvfp4_gate(result, gpu("NVIDIA GB10", compute_capability=[12, 1]))
    assert gate is not None
    assert gate.outcome.verdict == verdict
    assert judge_nvfp4_gate(result, gpu(compute_capability=[9, 0])) is None
    assert judge_nvfp4_gate(result, None) is None


def test_the_counters_files_are_what_they_say(tmp_path):
    size = models.write_counter(tmp_path)
    head = (tmp_path / "model.safetensors").read_bytes()
    length = int.from_bytes(head[:8], "little")
    tensors = json.loads(head[8:8 + length])
    assert max(value["data_offsets"][1] for name, value in tensors.items() if name != "__metadata__") == size
    assert len(head) == 8 + length + size
    assert json.loads((tmp_path / "config.json").read_text())["vocab_size"] == 320
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o644
    assert models.counted("a~", 3) == '!"#'


def test_numbers_become_bfloat16_rounded_to_even():
    assert models.to_bfloat16([1.0, -2.0, 1.00390625, 1.01171875, 0.0]).hex() == "803f" "00c0" "803f" "823f" "0000"


@pytest.mark.parametrize("gib", [2, 13, 60])
def test_the_heavy_model_weighs_what_is_asked(tmp_path, gib):
    weight = models.write_heavy(tmp_path, gib << 30)
    assert abs(weight - (gib << 30)) < 0.12 * (gib << 30)
    assert not list(tmp_path.glob("*.safetensors"))


def test_the_job_has_a_time_limit_of_its_own(python):
    from agent.smoke.serving import run_vllm

    (result,) = run_vllm(session(python=python, place="local", serve_limit_s=0.5, time_limit_s=500))
    assert result.outcome.verdict == "fail"
    assert result.outcome.summary == "The job was stopped after 0.5 s, its time limit."


def test_a_busy_gpu_is_left_alone(python):
    from agent.smoke.serving import run_vllm

    busy = gpu(compute_processes=[[42, GIB]])
    (result,) = run_vllm(session(busy, python=python, place="local"))
    assert result.outcome.verdict == "unknown"
    assert "is at work" in result.outcome.summary


def test_the_job_is_told_of_the_card_and_its_figures_are_judged(tmp_path):
    from agent.smoke.serving import run_vllm

    said = document(job="vllm", c1_output_tokens_per_s=50.0, weights_gbs=1000.0)
    program = interpreter(tmp_path / "p", said)
    card = gpu(memory_bytes=[140 * GIB, 139 * GIB, GIB])
    (result,) = run_vllm(session(card, python=program, place="local"))
    words = asked(program)["words"]
    assert words[words.index("--heavy-bytes") + 1] == str(14 * GIB)
    assert words[words.index("--device") + 1] == "cuda"
    assert result.outcome.verdict == "fail"
    assert "at least half of the data sheet's 4800 is expected" in result.outcome.summary
