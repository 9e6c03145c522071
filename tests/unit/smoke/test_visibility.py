from __future__ import annotations

import json

import pytest

from agent.machine.api import Completed
from agent.machine.docker import PS_ARGV
from agent.machine.docker_images import CONTAINER_FORMAT
from agent.model.errors import Unobservable
from agent.smoke.visibility import QUERY, judge_answer, run_container, run_nvidia_smi
from tests.fixtures import FakeMachine
from tests.unit.smoke.jobs import OTHER, UUID, gpu, session

ID = "c" * 64
LOST = Completed(("docker",), 255, "Failed to initialize NVML: Unknown Error\n", "")


def smi(answer, *gpus):
    machine = FakeMachine(commands={} if answer is None else {QUERY: answer})
    (result,) = run_nvidia_smi(session(*gpus, machine=machine))
    return result.outcome


def test_the_same_gpus_by_uuid_pass():
    assert smi(f"{UUID}\n{OTHER}\n", gpu(), gpu(uuid=OTHER, index=1)).verdict == "pass"


def test_a_gpu_that_nvidia_smi_does_not_show_fails():
    outcome = smi(f"{UUID}\n", gpu(), gpu(uuid=OTHER, index=1))
    assert outcome.verdict == "fail"
    assert OTHER in outcome.summary


def test_another_gpu_than_nvml_shows_fails():
    assert smi(f"{OTHER}\n", gpu()).verdict == "fail"


def test_a_failing_nvidia_smi_names_its_cause():
    said = "Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 580.95\n"
    outcome = smi(Completed(QUERY, 18, said, ""), gpu())
    assert outcome.verdict == "fail"
    assert outcome.remedy.steps


def test_no_gpu_is_not_applicable_no_program_fails_no_answer_is_unknown():
    assert smi(None).verdict == "not-applicable"
    assert smi(None, gpu()).verdict == "fail"
    assert smi(Unobservable("no answer within 30 s"), gpu()).verdict == "unknown"


INSPECT = ("docker", "container", "inspect", "--format", CONTAINER_FORMAT, ID)
LISTED = json.dumps({"ID": ID, "Names": "train", "State": "running", "Image": "x"})
GIVEN = "\t".join((ID, "/train", "9", "2026-11-21T10:00:00Z", "nvidia", "null", "null",
                   '["NVIDIA_VISIBLE_DEVICES=all"]'))


def running(answer, inspected=GIVEN, listed=LISTED):
    machine = FakeMachine(commands={
        PS_ARGV: listed, INSPECT: inspected, ("docker", "exec", ID, *QUERY): answer})
    found = run_container(session(gpu(), gpu(uuid=OTHER, index=1), machine=machine))
    assert found[0].outcome.verdict == "unknown"  # no image here to start a new one
    return found[1].outcome if found[1:] else None


def test_a_container_that_was_given_no_gpu_is_not_asked():
    assert running(LOST, GIVEN.replace("\tnvidia\t", "\trunc\t")) is None
    assert running(LOST, listed=LISTED.replace("running", "exited")) is None


@pytest.mark.parametrize("damaged", ["[3]", "x\ty", GIVEN.replace("null", "{"), GIVEN.replace("\t9\t", "\tnine\t"),
                                     GIVEN.replace("2026", "soon")])
def test_a_damaged_answer_of_docker_is_unknown_and_never_no_container(damaged):
    outcome = running(LOST, damaged)
    assert outcome.verdict == "unknown"
    assert "damaged answer" in outcome.summary
    assert running(LOST, listed="3").verdict == "unknown"


def test_a_running_container_that_lost_its_gpu_fails_and_is_named():
    outcome = running(LOST)
    assert (outcome.verdict, outcome.subject) == ("fail", "train")
    assert "daemon-reload" in outcome.summary
    assert outcome.remedy.steps


def test_a_running_container_may_have_some_of_the_gpus():
    assert running(f"{UUID}\n").verdict == "pass"


def test_a_running_container_that_shows_none_fails():
    assert running("\n").verdict == "fail"


@pytest.mark.parametrize("answer", [Completed(("docker",), 127, "", "no such file"), Unobservable("no answer")])
def test_a_container_that_cannot_be_asked_is_unknown(answer):
    assert running(answer).verdict == "unknown"


def test_nothing_expected_and_nothing_shown_does_not_pass_as_the_same():
    done = Completed(QUERY, 0, "", "")
    assert judge_answer(done, {UUID}, "nvidia-smi").verdict == "fail"
    assert judge_answer(done, set(), "nvidia-smi", on_bus=1).verdict == "fail"
