"""Our own load on the stand-in CUDA library, seen through the stand-in NVML."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.machine.gpu import Cards, parse_view
from agent.machine.gpu_load import PTX
from agent.machine.gpu_under_load import observe_under_load
from agent.machine.local import LocalMachine
from agent.machine.pci import observe_gpus
from agent.machine.process import run_command
from agent.model.errors import Unobservable
from checks.gpu.clocks_under_load import CHECK, Seen, _obstacle
from tests.checks.findings import profile
from tests.fixtures import FakeMachine
from tests.nvml.dress import bus_files_of
from tests.nvml.machines import PROBE_ARGV, PROBE_LIMIT_S
from tests.nvml.stand_in import StandIn, cuda_library
from tests.unit.nvml.processes import states, wait_until

SECONDS = 0.3
BUSY = ("gpu.load.utilization = 100,30", "gpu.load.pstate = 0", "gpu.load.event_reasons = 0x0")


@pytest.fixture(autouse=True)
def cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_CUDA_LIBRARY", str(cuda_library()))


def judged(stand_in: StandIn, *lines: str, name: str = "gb10", seconds: float = SECONDS) -> list[tuple[str, str]]:
    """Return (verdict, summary) of the check after a real load."""
    stand_in.use(name).add(*BUSY, *lines)
    view = parse_view(run_command(PROBE_ARGV, PROBE_LIMIT_S).out)
    free = [gpu.address for gpu in view.gpus if not _obstacle(gpu)]
    load = observe_under_load(LocalMachine(), free, seconds) if free else None
    host = FakeMachine(bus_files_of(stand_in.profile.read_text()))
    outcomes = CHECK.judge(Seen(Cards(observe_gpus(host), view), load), profile())
    return [(outcome.verdict.value, outcome.summary) for outcome in outcomes]


def test_a_healthy_card_reaches_its_clock_and_nobody_is_left(stand_in: StandIn) -> None:
    (verdict, summary), = judged(stand_in, "gpu.load.clock.1 = 2400")
    assert (verdict, "2400 of 3003 MHz under load" in summary) == ("pass", True)
    assert wait_until(lambda: states(str(stand_in.profile)) == {})


def test_a_card_stuck_at_a_low_clock_fails(stand_in: StandIn) -> None:
    (verdict, summary), = judged(stand_in, "gpu.load.clock.1 = 702")
    assert (verdict, "only 702 of 3003 MHz under full load" in summary) == ("fail", True)


def test_one_good_look_is_enough(stand_in: StandIn) -> None:
    assert judged(stand_in, "gpu.load.clock.1 = 702|702|702|2400")[0][0] == "pass"


@pytest.mark.parametrize(("line", "word"), [
    ("cuda.cuInit = 100", "cuInit: no CUDA device"), ("cuda.cuDevicePrimaryCtxRetain = 46", "compute mode"),
    ("cuda.cuModuleLoadData = 222", "unsupported PTX"), ("cuda.cuLaunchKernel = 719", "cuLaunchKernel: refused"),
])
def test_a_card_that_refuses_the_load_is_unknown_with_the_call(stand_in: StandIn, line: str, word: str) -> None:
    (verdict, summary), = judged(stand_in, line)
    assert (verdict, word in summary) == ("unknown", True)


def test_without_the_cuda_library_nothing_is_judged(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_CUDA_LIBRARY", "/nowhere/libcuda.so.1")
    assert judged(stand_in)[0][0] == "unknown"


def test_a_load_that_makes_nobody_busy_is_unknown(stand_in: StandIn) -> None:
    assert judged(stand_in, "gpu.load.utilization = 3,0") == [
        ("unknown", "GPU 0 (NVIDIA GB10): our load did not make it busy.")]


@pytest.mark.parametrize(("line", "word"), [
    ("gpu0.compute_processes = 4711:1000", "1 process use"), ("gpu0.utilization = 40,0", "40 % busy"),
    ("gpu0.compute_processes = !999", "does not tell"),
])
def test_a_card_in_use_is_left_alone(stand_in: StandIn, line: str, word: str) -> None:
    (verdict, summary), = judged(stand_in, line)
    assert (verdict, word in summary) == ("unknown", True)
    assert not list(stand_in.profile.parent.glob("*.load.*"))


def test_a_divided_card_is_not_loaded(stand_in: StandIn) -> None:
    assert {verdict for verdict, _ in judged(stand_in, name="a100-mig")} == {"not-applicable"}


def test_several_cards_are_loaded_together_and_judged_apart(stand_in: StandIn) -> None:
    said = judged(stand_in, "gpu.load.clock.1 = 1400", "gpu2.load.clock.1 = 300",
                  "gpu3.compute_processes = 5:1", name="a100x4")
    assert [verdict for verdict, _ in said] == ["pass", "pass", "fail", "unknown"]


def test_a_damaged_answer_is_unobservable() -> None:
    with pytest.raises(Unobservable, match="damaged"):
        observe_under_load(FakeMachine({}, {("firstlight-load", "1", "x"): "{}"}), ["x"], 1)


def test_the_load_ends_with_its_parent(stand_in: StandIn) -> None:
    stand_in.use("gb10").add(*BUSY)
    with pytest.raises(Unobservable, match="no answer within"):
        run_command(("firstlight-load", "30", "000f:01:00.0"), 1.0)
    assert wait_until(lambda: states(str(stand_in.profile)) == {})
    assert os.path.exists(f"{stand_in.profile}.load.000f:01:00")
    assert Path(stand_in.profile).exists()


@pytest.mark.skipif(shutil.which("ptxas") is None, reason="needs ptxas (CUDA toolkit) to assemble the kernel")
@pytest.mark.parametrize("architecture", ["75", "90", "121"])
def test_the_kernel_is_accepted_by_nvidias_assembler(tmp_path: Path, architecture: str) -> None:
    (tmp_path / "burn.ptx").write_bytes(PTX.rstrip(b"\0"))
    done = subprocess.run(["ptxas", f"-arch=sm_{architecture}", "-o", str(tmp_path / "burn.cubin"),
                           str(tmp_path / "burn.ptx")], capture_output=True, text=True, check=False)
    if "not defined for option" in done.stderr:
        pytest.skip(f"this ptxas does not know sm_{architecture}")
    assert (done.returncode, done.stderr) == (0, "")
