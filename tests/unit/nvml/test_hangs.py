"""A driver that never answers: the command line ends in time, says which call, and leaves nobody behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from agent.machine import nvml_probe
from agent.machine.gpu import TIMEOUT_S, observe_gpus
from agent.machine.local import LocalMachine
from agent.machine.nvml_probe import DEADLINE_S
from tests.nvml.stand_in import StandIn
from tests.unit.nvml.processes import Run, firstlight, states, wait_until, zombies_of

SHORT_S = 2.0
START_S = 15.0  # the interpreter, the CLI and its workers on a very busy machine; a hang lasts for ever
CALLS = ("nvmlInitWithFlags", "nvmlSystemGetDriverVersion", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2",
         "nvmlDeviceGetName", "nvmlDeviceGetMemoryInfo_v2", "nvmlDeviceGetFieldValues", "nvmlDeviceGetNvLinkState",
         "nvmlShutdown")


def findings(run: Run) -> dict[str, list[dict[str, Any]]]:
    data = json.loads(run.out)["data"]
    return {told["check"]: told["findings"] for told in data["runs"]}


def checked(stand_in: StandIn, *, only: str = "gpu", probe_s: float | None = SHORT_S) -> Run:
    return firstlight(stand_in, "check", "--only", only, "--no-save", "--profile", "datacenter", "-o", "json",
                      probe_s=probe_s)


def spoken(call: str) -> str:
    """Return the name that pynvml gives to a function of the library."""
    return {"nvmlInitWithFlags": "nvmlInit"}.get(call, call.partition("_v")[0])


@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_never_returns_is_named_in_time_and_nobody_is_left(stand_in: StandIn, call: str) -> None:
    stand_in.use("a100x4").add(f"hang.{call} = -1")
    run = checked(stand_in)
    told = findings(run)["gpu.responds"]
    assert (run.code, run.left) == (1, {})
    assert run.wall_s < SHORT_S + START_S
    assert [finding["verdict"] for finding in told] == ["fail"]
    assert f"did not return from {spoken(call)}" in told[0]["summary"]
    assert "Traceback" not in run.err


def test_with_its_own_deadline_it_ends_within_a_second_of_it_and_other_areas_are_complete(stand_in: StandIn) -> None:
    stand_in.use("h100x8")
    healthy = checked(stand_in, only="gpu,kernel,storage", probe_s=None)
    stand_in.add("hang.nvmlDeviceGetPowerUsage = -1")
    stuck = checked(stand_in, only="gpu,kernel,storage", probe_s=None)
    assert stuck.left == {}
    assert DEADLINE_S <= stuck.wall_s < DEADLINE_S + 1 + 2 * healthy.wall_s  # the machine may have become busier
    seen, expected = findings(stuck), findings(healthy)
    others = [check for check in expected if not check.startswith("gpu.")]
    assert others
    assert all(seen[check] for check in others)
    unknown = [[check for check in others for told in run[check] if told["verdict"] == "unknown"]
               for run in (seen, expected)]
    assert unknown[0] == unknown[1]
    assert "nvmlDeviceGetPowerUsage of GPU 0" in seen["gpu.responds"][0]["summary"]
    unsure = [told for check in seen if check.startswith("gpu.") for told in seen[check]
              if told["verdict"] == "pass" and check not in ("gpu.count", "gpu.identity")]
    assert unsure == []  # nothing is called good that was not asked


@pytest.mark.parametrize(("how", "state"), [("deaf", "S"), ("stop", "T")])
def test_a_reader_that_no_gentle_signal_ends_is_ended(stand_in: StandIn, how: str, state: str) -> None:
    stand_in.use("a100x4").add(f"hang.nvmlDeviceGetName = {how}")
    met: dict[int, str] = {}
    watcher = threading.Thread(target=lambda: wait_until(
        lambda: bool(met.update(states(str(stand_in.profile)))) or state in met.values(), 10))
    watcher.start()
    run = checked(stand_in, probe_s=1.0)
    watcher.join()
    assert state in met.values()
    assert run.left == {}
    assert "nvmlDeviceGetName of GPU 0" in findings(run)["gpu.responds"][0]["summary"]


def test_the_asking_process_itself_keeps_no_zombie_and_no_thread(stand_in: StandIn) -> None:
    stand_in.use("a100x4").add("hang.nvmlDeviceGetName = -1")
    threads = len(os.listdir("/proc/self/task"))
    for _ in range(2):
        assert observe_gpus(_Hasty()).hung_in == "nvmlDeviceGetName of GPU 0"
    assert len(os.listdir("/proc/self/task")) == threads
    assert zombies_of(os.getpid()) == []
    assert wait_until(lambda: states(str(stand_in.profile)) == {})


def test_a_probe_that_is_killed_takes_the_one_that_hangs_with_it(stand_in: StandIn) -> None:
    stand_in.use("a100x4").add("hang.nvmlDeviceGetName = -1")
    words = [sys.executable, "-I", nvml_probe.__file__, "600"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, env={**os.environ, **stand_in.environment}) as probe:
        assert wait_until(lambda: len(states(str(stand_in.profile))) == 2, START_S)
        time.sleep(0.5)  # for the child to have said with whom it wants to die
        probe.kill()
    assert wait_until(lambda: states(str(stand_in.profile)) == {})


class _Hasty(LocalMachine):
    def run(self, argv: Any, **options: Any) -> Any:
        return super().run((*argv, "2"), **options)


def test_the_probe_answers_before_it_is_given_up() -> None:
    assert DEADLINE_S + 1 < TIMEOUT_S


def test_a_crash_of_the_library_leaves_the_rest_judged(stand_in: StandIn) -> None:
    stand_in.use("a100x4").add("crash.nvmlDeviceGetPowerUsage = 1")
    run = checked(stand_in)
    told = findings(run)
    assert run.left == {}
    assert "crashed in nvmlDeviceGetPowerUsage of GPU 0" in told["gpu.responds"][0]["summary"]
    assert told["gpu.count"][0]["verdict"] == "pass"
