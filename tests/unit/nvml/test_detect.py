"""`firstlight detect` on machines with GPUs: the card as its owner would put it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.cli.main import main
from agent.machine.graphics import observe_graphics
from agent.machine.hardware import observe_hardware
from agent.machine.mounts import observe_mounts
from agent.machine.recorded import RecordingMachine
from agent.machine.recording_file import save_recording
from agent.model.errors import Unobservable
from agent.report.graphics import gpu_rows
from tests.fixtures import Content, FakeMachine, link
from tests.nvml.machines import machine, without_gpu
from tests.nvml.stand_in import StandIn
from tests.unit.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"
HOST: Mapping[str, Content] = {
    "/etc/os-release": 'ID=ubuntu\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\n',
    "/proc/cpuinfo": "processor\t: 0\nmodel name\t: AMD EPYC 9554\n\nprocessor\t: 1\n",
    "/proc/sys/kernel/hostname": "box-7\n",
    "/proc/self/mountinfo": "25 1 259:1 / / rw,relatime - ext4 /dev/nvme0n1p1 rw\n",
    "/sys/block/nvme0n1/size": "1953525168\n", "/sys/block/nvme0n1/device/serial": "ROOTSERIAL1\n",
    "/sys/block/nvme0n1/device/model": "Samsung SSD 990 PRO 1TB\n",
}
ARM: Mapping[str, Content] = {
    "/etc/dgx-release": 'DGX_NAME="DGX Spark"\n',
    "/sys/class/dmi/id/sys_vendor": "LENOVO\n", "/sys/class/dmi/id/product_name": "30KL0001\n",
    "/sys/class/dmi/id/product_version": "ThinkStation PGX\n",
    "/proc/cpuinfo": "".join(f"processor\t: {index}\nCPU implementer\t: 0x41\nCPU part\t: {part}\n\n"
                             for index, part in enumerate(["0xd85"] * 10 + ["0xd87"] * 10)),
}
CUDA: Mapping[str, Content] = {
    "/usr/local/cuda": link("/etc/alternatives/cuda"), "/etc/alternatives/cuda": link("/usr/local/cuda-12.8"),
    "/usr/local/cuda-12.8/bin/nvcc": "", "/usr/local/cuda-13.0/bin/nvcc": "",
}


def recorded(host: FakeMachine, folder: Path, *, graphics: bool = True) -> str:
    """Write a recording of what `detect` asks and return its path."""
    machine = RecordingMachine(host)
    observe_hardware(machine)
    observe_mounts(machine)
    if graphics:
        observe_graphics(machine)
    save_recording(machine.recording("box-7"), folder / "box-7.json")
    return str(folder / "box-7.json")


def dressed(host: FakeMachine, architecture: str = "x86_64") -> FakeMachine:
    host.commands |= {("uname", "-m"): f"{architecture}\n", ("systemd-detect-virt",): "none\n"}
    return host


def card(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Return the card without the rows that are not about GPUs."""
    code = main(["detect", *words])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    assert code in (0, 3)
    rows, shown = [], False
    for line in said.out.splitlines(keepends=True):
        shown = not line.startswith(("Docker", "profile")) if line[:1] != " " else shown
        rows += [line] if shown else []
    return "".join(rows)


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_CONFIG", str(tmp_path / "etc"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize(("name", "more", "architecture"), [
    ("gb10", ARM, "aarch64"), ("rtx4090", CUDA, "x86_64"), ("h100x8", {}, "x86_64"), ("rtx3090x2", {}, "x86_64"),
    ("a100-mig", {}, "x86_64"),
])
def test_the_card_says_what_an_owner_would(
    stand_in: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, more: dict[str, Content],
    architecture: str,
) -> None:
    host = dressed(machine(stand_in.use(name), name, more={**HOST, **more}), architecture)
    assert_golden(card(capsys, "--machine", recorded(host, tmp_path)), GOLDEN / f"detect-{name}.txt")


def test_a_machine_without_a_gpu_says_so_and_has_no_driver_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = card(capsys, "--machine", recorded(dressed(without_gpu(HOST)), tmp_path))
    assert_golden(text, GOLDEN / "detect-none.txt")
    assert "driver" not in text


@pytest.mark.parametrize(("fault", "words"), [
    ("driver-not-loaded", "does not answer: the NVIDIA driver is not loaded"),
    ("mismatch", "does not answer: the loaded driver and the NVML library are of different versions"),
    ("memory-refused", "memory not known"),
])
def test_a_driver_in_trouble_leaves_the_card_of_the_bus(
    stand_in: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str, words: str
) -> None:
    host = dressed(machine(stand_in.use("rtx4090", fault), "rtx4090", more=HOST))
    text = " ".join(card(capsys, "--machine", recorded(host, tmp_path)).split())
    assert words in text
    assert "NVIDIA GeForce RTX 4090" in text


def test_a_call_that_hangs_is_named_and_the_rest_is_told(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.nvml.machines.PROBE_ARGV", ("firstlight-nvml", "2"))
    stand_in.use("h100x8").add("hang.nvmlDeviceGetVbiosVersion = -1")
    host = dressed(machine(stand_in, "h100x8", more=HOST))
    rows = list(gpu_rows(observe_hardware(host), observe_graphics(host)))
    assert ("driver", "570.133.20, open kernel module; NVML does not return from nvmlDeviceGetVbiosVersion of GPU 0"
            ) in rows
    assert sum(label == "GPU" for label, _ in rows) == 8  # the first by NVML, the others by the bus


def test_what_is_not_in_a_recording_is_not_called_absent(
    stand_in: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = dressed(machine(stand_in.use("rtx4090"), "rtx4090", more=HOST))
    text = card(capsys, "--machine", recorded(host, tmp_path, graphics=False))
    assert "driver      not known" in text


def test_a_part_that_cannot_be_read_hides_no_other(stand_in: StandIn) -> None:
    host = machine(stand_in.use("rtx4090"), "rtx4090", more={**HOST, **CUDA})
    host.errors["/proc/driver/nvidia/version"] = Unobservable("/proc/driver/nvidia/version: cannot be read")
    seen = observe_graphics(host)
    assert (seen.driver, seen.flavour, seen.chosen_toolkit) == ("580.95.05", "", "12.8")
    assert "cannot be read" in seen.silence


def test_json_says_null_for_what_is_not_known(
    stand_in: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = dressed(machine(stand_in.use("rtx4090", "memory-refused"), "rtx4090", more=HOST))
    main(["detect", "-o", "json", "--machine", recorded(host, tmp_path)])
    said = json.loads(capsys.readouterr().out)["data"]["graphics"]
    assert (said["driver"], said["cuda"], said["unified_memory"], said["problem"]) == ("580.95.05", "13.0", False, None)
    assert said["gpus"][0]["memory_bytes"] is None
    assert "not known to share" in said["gpus"][0]["memory_reason"]
