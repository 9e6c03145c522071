"""The driver's, CUDA's and the fabric manager's checks on a whole machine around each card: nothing to complain of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import checks
from agent.check import Level
from agent.engine.discovery import load_checks
from agent.machine.gpu import PROBE
from agent.machine.process import run_command
from agent.model.finding import Finding
from tests.checks.cuda import machines as cuda
from tests.checks.driver import machines as driver
from tests.checks.findings import found_by
from tests.fixtures import Content, FakeMachine, link, mode
from tests.nvml.dress import keys_of
from tests.nvml.fixtures import stand_in
from tests.nvml.machines import PROBE_ARGV, PROBE_LIMIT_S, bus_files
from tests.nvml.stand_in import PROFILES, StandIn
from tests.unit.golden import assert_golden

__all__ = ["stand_in"]
GOLDEN = Path(__file__).parent / "driver" / "golden"
QUICK = {check_id: check for check_id, check in load_checks(checks, ["driver", "cuda", "gpu"]).items()
         if check.level == Level.QUICK and (check_id == "gpu.fabric-manager" or not check_id.startswith("gpu."))}
ARM = ("gb10", "gh200")  # cards that share their module with the processor
VOLTA = ("old-driver",)
UNSURE = {("gb10", "cuda.driver-fit")}  # no source says that cuDNN 9.17 was made for 12.1, only for its family


def machine(stand_in: StandIn, name: str) -> FakeMachine:
    """Return a machine with the cards of a profile, and driver 580.95.05, CUDA 13.0 and cuDNN 9 as they must be."""
    stand_in.use(name).add(f"driver_version = {driver.VERSION}")
    whole: dict[str, Content] = {**cuda.healthy_files(), **driver.healthy_files()}
    whole = {path: content for path, content in whole.items() if driver.ADDRESS not in path}
    whole[cuda.STATUS] = f"{whole[cuda.STATUS]}\n{cuda.cudnn()[cuda.STATUS]}"
    for index in range(int(keys_of(PROFILES[name].read_text())["gpus"])):
        whole[f"/dev/nvidia{index}"] = mode("char", 0o666)
    if name in VOLTA:
        whole = before_turing(whole)
    processor = "aarch64" if name in ARM else "x86_64"
    whole = {path.replace("x86_64-linux", f"{processor}-linux"):
             content.replace("x86_64-linux", f"{processor}-linux") if isinstance(content, str) else content
             for path, content in whole.items()}
    flavour = "proprietary" if name in VOLTA else "open"
    return driver.driver({**dict.fromkeys(driver.healthy_files()), **whole, **bus_files(name)}, commands={
        ("uname", "-m"): f"{processor}\n", PROBE: run_command(PROBE_ARGV, PROBE_LIMIT_S),
        ("modinfo", driver.module_path(driver.KERNEL)): driver.modinfo(flavour=flavour)})


def before_turing(whole: dict[str, Content]) -> dict[str, Content]:
    """Return the machine with the last CUDA and cuDNN for such a card, and the proprietary modules it needs."""
    gone = ("/usr/local/cuda-13", f"{cuda.LIBRARIES}/libcudnn")
    kept = {path: content for path, content in whole.items() if not path.startswith(gone)}
    status = str(kept[cuda.STATUS]).replace("580-open", "580").replace("cudnn9-cuda-13", "cudnn9-cuda-12")
    return {**kept, **cuda.toolkit("12.9.1"), **cuda.cudnn("9.10.2", cuda="12"),
            "/etc/alternatives/cuda": link("/usr/local/cuda-12.9"), cuda.STATUS: status.replace("9.17.0", "9.10.2"),
            "/proc/driver/nvidia/version":
                f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {driver.VERSION}  Release Build\n"}


def table(found: list[Finding]) -> str:
    """Return one line per check, verdict and summary, with the number of equal ones."""
    lines = Counter((finding.check, finding.verdict.value, finding.summary) for finding in found)
    return "".join(f"{check:20} {verdict:14} {f'{count} x ' if count > 1 else ''}{summary}\n"
                   for (check, verdict, summary), count in lines.items())


@pytest.mark.parametrize("name", PROFILES)
def test_a_healthy_machine_around_every_card_has_no_fail_and_no_warn(stand_in: StandIn, name: str) -> None:
    asked = {**cuda.ASKED["gpu"], **({"cuda": {"enabled": True, "toolkit": "12.9"}} if name in VOLTA else {})}
    found = found_by(QUICK, machine(stand_in, name), gpu=asked)
    assert {finding.check for finding in found} == set(QUICK)
    assert_golden(table(found), GOLDEN / f"machine-{name}.txt")
    bad = [finding for finding in found if finding.verdict.value in ("fail", "warn")]
    assert bad == [], table(bad)
    unknown = {(name, finding.check) for finding in found if finding.verdict.value == "unknown"}
    assert unknown == {unsure for unsure in UNSURE if unsure[0] == name}, table(found)
