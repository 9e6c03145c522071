from __future__ import annotations

import ast

import pytest

from agent import resources
from agent.model.gpu import Unread
from agent.model.units import GIB
from agent.smoke.catalogue import JOBS, chosen_jobs
from agent.smoke.execution import Bundle
from agent.smoke.running import run_jobs
from agent.smoke.scripts import program_of
from tests.unit.smoke.jobs import OTHER, UUID, asked, calls, document, gpu, interpreter, session

GOOD = {"matmul_bfloat16_tflops": 780.0, "copy_gbs": 4300.0, "gemv_gbs": 4000.0}
SLOW = {**GOOD, "copy_gbs": 2900.0}


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def run(made, *names):
    report, results = run_jobs(made, chosen_jobs(names), on_start=lambda _: None, on_done=lambda _: None,
                               warn=pytest.fail)
    assert len(results) == len(report.findings)
    return report.findings


def only(made, name):
    (finding,) = run(made, name)
    return finding


def test_a_job_passes_when_all_its_criteria_hold(tmp_path):
    program = interpreter(tmp_path / "p", document(tokens_per_s=100.0, step_p50_ms=2.0, captured=0.9))
    finding = only(session(gpu(), python=program, place="local"), "lora")
    assert finding.verdict == "pass"
    assert finding.subject == UUID
    assert "All 3 criteria hold on NVIDIA H200 (torch 2.13.0): 100 tokens/s" in finding.summary
    assert asked(program)["words"][:3] == ["-", "--device", "cuda"]
    assert asked(program)["visible"] == UUID
    assert asked(program)["script"] > 5000


def test_each_gpu_is_proven_by_itself(tmp_path):
    program = interpreter(tmp_path / "p", document())
    found = run(session(gpu(), gpu(uuid=OTHER, index=1), python=program, place="local"), "lora")
    assert [(finding.subject, finding.verdict) for finding in found] == [(UUID, "pass"), (OTHER, "pass")]
    assert [asked(program, n)["visible"] for n in (0, 1)] == [UUID, OTHER]


def test_without_a_gpu_the_cpu_is_proven_with_the_smallest_size(tmp_path):
    program = interpreter(tmp_path / "p", document())
    finding = only(session(python=program, place="local", lora_size="large", lora_dtype="bfloat16"), "lora")
    assert finding.verdict == "pass"
    assert asked(program)["words"] == ["-", "--device", "cpu", "--size", "small", "--dtype", "float32"]


def test_size_and_type_are_the_profiles(tmp_path):
    program = interpreter(tmp_path / "p", document())
    only(session(gpu(), python=program, place="local", lora_size="large", lora_dtype="bfloat16"), "lora")
    assert asked(program)["words"][3:] == ["--size", "large", "--dtype", "bfloat16"]


def test_a_criterion_that_does_not_hold_fails_with_what_was_seen(tmp_path):
    program = interpreter(tmp_path / "p", document("captured"), code=1)
    finding = only(session(gpu(), python=program, place="local"), "lora")
    assert finding.verdict == "fail"
    assert finding.summary == "1 of 3 criteria do not hold: captured."
    assert finding.evidence[0].lines == ("captured: seen 1, expected 2",)


def test_a_job_that_judged_nothing_does_not_pass(tmp_path):
    program = interpreter(tmp_path / "p", {**document(), "checks": []})
    assert only(session(gpu(), python=program, place="local"), "lora").verdict == "fail"


@pytest.mark.parametrize("row", [{"id": "a"}, {"id": "a", "ok": "yes"}, {"id": "a", "ok": None}])
def test_only_true_is_true(tmp_path, row):
    program = interpreter(tmp_path / "p", {**document(), "checks": [row]})
    assert only(session(gpu(), python=program, place="local"), "lora").verdict == "fail"


@pytest.mark.parametrize(("log", "cause"), [
    ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "kernel image"),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "memory"),
    ("AssertionError: Torch not compiled with CUDA enabled", "torch"),
])
def test_a_failing_log_names_cause_and_remedy(tmp_path, log, cause):
    program = interpreter(tmp_path / "p", log, code=1)
    finding = only(session(gpu(), python=program, place="local"), "lora")
    assert finding.verdict == "fail"
    assert cause in finding.summary.lower()
    assert finding.remedy.steps
    assert log in finding.evidence[0].lines


def test_an_error_the_job_tells_is_explained_too(tmp_path):
    said = {"job": "lora", "error": {"kind": "AssertionError", "text": "Torch not compiled with CUDA enabled"}}
    program = interpreter(tmp_path / "p", said, code=4)
    finding = only(session(gpu(), python=program, place="local"), "lora")
    assert finding.verdict == "fail"
    assert finding.remedy.steps


def test_an_unknown_failure_shows_the_end_of_its_log(tmp_path):
    program = interpreter(tmp_path / "p", "line one\nsomething nobody knows", code=7)
    finding = only(session(gpu(), python=program, place="local"), "lora")
    assert (finding.verdict, finding.summary) == ("fail", "The job ended with exit code 7.")
    assert "something nobody knows" in finding.evidence[0].lines


def test_an_interpreter_without_torch_is_unknown_not_a_failure(tmp_path):
    said = {"job": "lora", "error": {"kind": "no-torch", "text": "No module named 'torch'"}}
    program = interpreter(tmp_path / "p", said, code=4)
    finding = only(session(gpu(), python=program, place="local"), "lora")
    assert finding.verdict == "unknown"
    assert "--python" in finding.remedy.steps[0]


def test_an_extra_whose_libraries_are_not_there_is_not_applicable_and_says_which(tmp_path):
    said = {"job": "lora-peft", "error": {"kind": "no-library", "text": "No module named 'peft'"}}
    program = interpreter(tmp_path / "p", said, code=4)
    finding = only(session(gpu(), python=program, place="local"), "lora-peft")
    assert finding.verdict == "not-applicable"
    assert "No module named 'peft'" in finding.summary


def test_no_place_to_run_is_unknown_with_what_to_do():
    finding = only(session(gpu(), place="local"), "lora")
    assert finding.verdict == "unknown"
    assert "--python" in finding.remedy.steps[0]
    finding = only(session(gpu(), place="local", python="/no/such/python"), "lora")
    assert (finding.verdict, finding.summary) == ("unknown", "/no/such/python: there is no such interpreter.")


def test_a_busy_gpu_is_left_alone_and_says_whose_work_it_is(tmp_path):
    program = interpreter(tmp_path / "p", document())
    busy = gpu(compute_processes=[[42, 30 * GIB]])
    finding = only(session(busy, python=program, place="local"), "lora")
    assert finding.verdict == "unknown"
    assert "a process (42) holds 30 GiB" in finding.summary
    assert not (tmp_path / "p" / "count").exists()


def test_a_gpu_that_cannot_be_asked_is_not_taken_for_free(tmp_path):
    program = interpreter(tmp_path / "p", document())
    finding = only(session(gpu(compute_processes=Unread("no permission")), python=program, place="local"), "lora")
    assert finding.verdict == "unknown"
    assert "cannot be told: no permission" in finding.summary


def test_a_desktop_on_the_gpu_does_not_count_as_work(tmp_path):
    program = interpreter(tmp_path / "p", document())
    desktop = gpu(compute_processes=[[7, GIB // 8]], graphics_processes=[[7, GIB // 8]])
    assert only(session(desktop, python=program, place="local"), "lora").verdict == "pass"


def test_a_late_job_fails_with_its_limit(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nsleep 30\n")
    program.chmod(0o755)
    finding = only(session(gpu(), python=str(program), place="local", time_limit_s=0.5), "lora")
    assert (finding.verdict, finding.summary) == ("fail", "The job was stopped after 0.5 s, its time limit.")


def test_a_fast_card_passes_in_one_pass(tmp_path):
    program = interpreter(tmp_path / "p", document(**GOOD))
    assert only(session(gpu(), python=program, place="local"), "bandwidth").verdict == "pass"
    assert calls(program) == 1


def test_flutter_is_measured_again_and_passes(tmp_path):
    program = interpreter(tmp_path / "p", document(**SLOW), document(**GOOD))
    assert only(session(gpu(), python=program, place="local"), "bandwidth").verdict == "pass"
    assert calls(program) == 2


def test_a_card_that_is_slow_in_every_pass_fails(tmp_path):
    program = interpreter(tmp_path / "p", document(**SLOW))
    finding = only(session(gpu(), python=program, place="local", passes=3), "bandwidth")
    assert finding.verdict == "fail"
    assert "in 3 passes: copy 2900 GB/s; such cards do at least 3600" in finding.summary
    assert calls(program) == 3


def test_one_impossible_pass_is_forgotten_and_many_fail(tmp_path):
    wild = {**GOOD, "copy_gbs": 9000.0}
    program = interpreter(tmp_path / "p", document(**wild), document(**GOOD))
    finding = only(session(gpu(), python=program, place="local"), "bandwidth")
    assert (finding.verdict, "copy 4300 GB/s" in finding.seen) == ("pass", True)
    finding = only(session(gpu(), python=interpreter(tmp_path / "q", document(**wild)), place="local"), "bandwidth")
    assert finding.verdict == "fail"
    assert "data sheet" in finding.summary


def test_an_unknown_card_is_recorded_and_not_judged(tmp_path):
    program = interpreter(tmp_path / "p", document(copy_gbs=1.0))
    finding = only(session(gpu("NVIDIA Wonder 9"), python=program, place="local"), "bandwidth")
    assert finding.verdict == "pass"
    assert "recorded, not judged" in finding.summary


def test_a_card_slower_than_on_its_first_day_warns(tmp_path):
    first = session(gpu(), python=interpreter(tmp_path / "a", document(**GOOD)), place="local", folder=tmp_path / "s")
    assert only(first, "bandwidth").verdict == "pass"
    program = interpreter(tmp_path / "b", document(**{**GOOD, "copy_gbs": 3650.0}))
    later = session(gpu(), python=program, place="local", folder=tmp_path / "s")
    finding = only(later, "bandwidth")
    assert finding.verdict == "warn"
    assert "copy 3650 GB/s; on its first day here 4300" in finding.summary
    assert calls(program) == 3


def test_a_failing_first_day_is_no_baseline(tmp_path):
    first = session(gpu(), python=interpreter(tmp_path / "a", document(**SLOW)), place="local", folder=tmp_path / "s")
    assert only(first, "bandwidth").verdict == "fail"
    assert first.history.first_day("box", "bandwidth", UUID, first.history.lines("box")[0].setting) == {}


def test_nvcc_is_not_applicable_without_a_gpu_and_unknown_without_a_compiler(monkeypatch):
    assert only(session(), "nvcc").verdict == "not-applicable"
    monkeypatch.setattr("agent.smoke.scripts._path", lambda place: "/nowhere:/usr/bin:/bin")
    finding = only(session(gpu(), place="local"), "nvcc")
    assert finding.verdict in ("unknown", "fail")
    assert finding.verdict != "pass"


@pytest.mark.parametrize(("compiled", "verdict"), [
    ('{"job": "nvcc", "device": {}, "checks": [{"id": "kernel", "ok": true}], "figures": {}}', "pass"),
    ('{"job": "nvcc", "device": {}, "checks": [{"id": "kernel", "ok": false}], "figures": {}}', "fail"),
])
def test_what_nvcc_compiled_is_run_and_judged(tmp_path, monkeypatch, compiled, verdict):
    nvcc = tmp_path / "nvcc"
    nvcc.write_text(f'#!/bin/sh\ncp {tmp_path}/program "$3"\n')
    (tmp_path / "program").write_text(f"#!/bin/sh\necho '{compiled}'\n")
    (tmp_path / "program").chmod(0o755)
    nvcc.chmod(0o755)
    monkeypatch.setattr("agent.smoke.scripts._path", lambda place: f"{tmp_path}:/usr/bin:/bin")
    assert only(session(gpu(), place="local"), "nvcc").verdict == verdict


def test_all_reduce_needs_two_cards_and_takes_all_of_them(tmp_path):
    program = interpreter(tmp_path / "p", document(job="all-reduce", all_reduce_gbs=350.0))
    assert only(session(gpu(), python=program, place="local"), "all-reduce").verdict == "not-applicable"
    finding = only(session(gpu(), gpu(uuid=OTHER, index=1), python=program, place="local"), "all-reduce")
    assert (finding.verdict, finding.seen) == ("pass", "all reduce 350 GB/s")
    assert asked(program)["words"] == ["-", "--device", "cuda", "--ranks", "2"]
    assert asked(program)["visible"] is None


def test_an_all_reduce_slower_than_on_the_first_day_warns(tmp_path):
    pair = (gpu(), gpu(uuid=OTHER, index=1))
    program = interpreter(tmp_path / "a", document(job="all-reduce", all_reduce_gbs=350.0))
    first = session(*pair, python=program, place="local", folder=tmp_path / "s")
    assert only(first, "all-reduce").verdict == "pass"
    program = interpreter(tmp_path / "b", document(job="all-reduce", all_reduce_gbs=35.0))
    finding = only(session(*pair, python=program, place="local", folder=tmp_path / "s"), "all-reduce")
    assert finding.verdict == "warn"
    assert "2 GPUs in 3 passes: all reduce 35 GB/s; on its first day here 350" in finding.summary
    assert calls(program) == 3


def test_every_job_says_what_it_proves():
    assert list(JOBS) == ["nvidia-smi", "container", "nvcc", "cuda-kernel", "bandwidth", "all-reduce", "lora",
                          "lora-peft", "vllm"]
    assert all(job.title and job.why for job in JOBS.values())


def imported(script):
    """Return what a script imports before and in its functions, by the first word."""
    found = set()
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def test_a_script_is_given_with_every_script_that_it_imports_and_else_alone():
    scripts = {file.name: file for file in resources.job_scripts().glob("*.py") if file.name != "__init__.py"}
    for name, file in scripts.items():
        beside = [f"{word}.py" for word in sorted(imported(file)) if f"{word}.py" in scripts]
        given = program_of(name)
        if beside:
            assert given == Bundle(file.stem, tuple((one, str(scripts[one])) for one in (name, *beside)))
        else:
            assert given == str(file)
    assert isinstance(program_of("lora_peft.py"), Bundle)
