"""Makes tui/recordings from the stand-in profiles: `python -m tests.tui.make_demo`. Needs a C compiler."""

from __future__ import annotations

import gzip
import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from agent.app import App
from agent.desk.children import Child
from agent.desk.feed import WATCH
from agent.machine.api import Space
from agent.machine.recorded import RecordingMachine
from agent.machine.recording import merge_answers
from agent.machine.recording_file import save_recording
from agent.model.drift import Drift
from agent.model.plan import Change
from agent.report.json import render_envelope
from tests.fixtures import Content, FakeMachine
from tests.nvml.machines import machine
from tests.nvml.stand_in import StandIn
from tests.tui import demo_host
from tests.unit.fleet.samples import report
from tests.unit.nvml.test_detect import ARM, HOST, dressed
from tui.demo import FOLDER

LOOKS = 24
COMMON: Mapping[str, Content] = {
    "/proc/uptime": "86400.00 1000000.00\n", "/proc/sys/kernel/tainted": "12288\n",
    "/proc/sys/vm/swappiness": "60\n", "/proc/sys/fs/nr_open": "1048576\n",
    "/proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
}
REPAIRED: Mapping[str, Content] = {
    "/proc/sys/vm/swappiness": "10\n", "/proc/sys/fs/nr_open": "2000000\n",
    "/etc/sysctl.d/60-firstlight.conf": "vm.swappiness = 10\nfs.nr_open = 2000000\n",
    "/etc/security/limits.d/60-firstlight.conf": "".join(
        f"{who} {kind} {item} {value}\n" for who in ("*", "root") for kind in ("soft", "hard")
        for item, value in (("nofile", "1000000"), ("memlock", "unlimited"))),
    "/proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n/swap.img file\t\t16777212\t0\t-2\n",
}
STORY = (
    Change("sysctl", "Set kernel parameters now and for the next boot", "vm.swappiness", "60", "10"),
    Change("sysctl", "Set kernel parameters now and for the next boot", "fs.nr_open", "1048576", "2000000"),
    Change("sysctl", "Set kernel parameters now and for the next boot", "/etc/sysctl.d/60-firstlight.conf", "",
           "vm.swappiness = 10\nfs.nr_open = 2000000\n"),
    Change("limits", "Raise the limits of logins and services", "/etc/security/limits.d/60-firstlight.conf", "",
           "* soft nofile 1000000\n* hard nofile 1000000\n* soft memlock unlimited\n* hard memlock unlimited\n"),
    Change("swap", "Adopt the swap there is, or make a swap file", "/swap.img", "", "16 GiB"),
    Change("swap", "Adopt the swap there is, or make a swap file", "/etc/fstab", "",
           "/swap.img none swap sw 0 0\n"),
)
MACHINES: Mapping[str, tuple[str, str, Mapping[str, Content]]] = {
    "server": ("h100x8", "x86_64", {"/proc/sys/kernel/hostname": "rack7-gpu2\n",
                                  "/sys/class/dmi/id/sys_vendor": "Supermicro\n",
                                  "/sys/class/dmi/id/product_name": "SYS-821GE-TNHR\n",
                                  "/proc/cpuinfo": "".join(f"processor\t: {n}\nmodel name\t: Intel(R) Xeon(R) "
                                                           "Platinum 8480+\n\n" for n in range(224))}),
    "spark": ("gb10", "aarch64", {**ARM, "/proc/sys/kernel/hostname": "spark-1\n"}),
}


FLEET_FACTS: dict[str, dict[str, str]] = {
    "package": {"docker-ce": "5:28.5.1", "nvidia-container-toolkit": "1.18.0", "nvidia-driver-580": "580.95.05"},
    "kernel": {"release": "6.8.0-86-generic", "cmdline": "quiet iommu=pt"},
    "sysctl": {"vm.swappiness": "10", "fs.nr_open": "2000000"},
    "daemon-json": {"default-runtime": "nvidia", "log-driver": "local"},
}
# Machines of the demo fleet that are unlike the others: area, key, value there ("" = absent).
UNLIKE: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "rack7-gpu3": (("package", "nvidia-driver-580", "580.82.07"),),
    "rack7-gpu8": (("package", "nvidia-driver-580", "580.82.07"),),
    "rack7-gpu11": (("kernel", "cmdline", "quiet iommu=pt pci=noacs"), ("sysctl", "vm.swappiness", "60")),
}


def main() -> None:
    """Write every recording and the story."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "story.json").write_text(json.dumps([asdict(change) for change in STORY], indent=1) + "\n")
    with tempfile.TemporaryDirectory() as folder:
        stand_in = StandIn(Path(folder))
        os.environ.update(stand_in.environment)
        for name, (profile, architecture, more) in MACHINES.items():
            stand_in.use(profile).add(*_load(profile, 0))
            for ending, extra in (("", COMMON), ("-repaired", {**COMMON, **REPAIRED})):
                files = {**HOST, **demo_host.FILES, **more, **extra}
                host = dressed(machine(stand_in, profile, more=files), architecture)
                host.commands |= demo_host.commands()
                for folder in demo_host.FOLDERS:
                    host.folders |= {folder, *(str(parent) for parent in Path(folder).parents)}
                _record(host, f"{name}{ending}")
            _watch(stand_in, profile, name)
            _proofs(name)
    _fleet(FOLDER / "fleet")


def _proofs(name: str) -> None:
    """Write the results of two weeks of smoke jobs."""
    cards = App(capture=str(FOLDER / f"{name}.json")).graphics.view
    assert cards is not None
    found = demo_host.proofs(name, [gpu.subject for gpu in cards.gpus])
    (FOLDER / f"{name}.proofs.json").write_text(json.dumps(found, separators=(",", ":")) + "\n")


def _fleet(folder: Path) -> None:
    """Write the reports of twelve servers and three workstations; one cannot be read."""
    folder.mkdir(exist_ok=True)
    system = {"datacenter": "ubuntu 24.04 x86_64", "dgx-spark": "ubuntu 24.04 aarch64"}
    names = [(f"rack7-gpu{number}", "datacenter") for number in range(1, 13)]
    names += [(f"spark-{number}", "dgx-spark") for number in range(1, 4)]
    for name, profile in names:
        facts = {area: dict(values) for area, values in FLEET_FACTS.items()}
        drifts = []
        for area, key, value in UNLIKE.get(name, ()):
            drifts.append(asdict(Drift("baseline", area, key, facts[area][key], value, changed=1_790_000_000.0,
                                       cause="apt-get upgrade by ops" if area == "package" else "")))
            facts[area][key] = value
        told = report(name, facts, profile=profile, system=system[profile], drifts=drifts)
        told["head"]["taken"] = 1_790_100_000.0
        (folder / f"{name}.json").write_text(render_envelope(told, command="drift"))
    (folder / "rack7-gpu13.json").write_text("")


def _record(host: FakeMachine, name: str) -> None:
    host.spaces = {"/": Space(1_900_000_000_000, 1_200_000_000_000, 120_000_000, 110_000_000)}
    app = App()
    app.__dict__["machine"] = host
    recording = app.record(level="deep")
    app.docker()
    app.used_disks()
    app.machine.read("/proc/meminfo")
    answers = merge_answers(recording.answers, cast(RecordingMachine, app.machine).answers)
    save_recording(replace(recording, made=host.now, answers=answers), FOLDER / f"{name}.json")
    (FOLDER / f"{name}.json").chmod(0o644)


def _load(profile: str, step: int) -> list[str]:
    """Return the lines of the stand-in for one moment: some cards busy in waves, one near its limit."""
    lines = []
    for index in range(8 if profile == "h100x8" else 1):
        busy = round(50 + 48 * math.sin(step / 3 + index)) if index % 3 != 2 else 0
        total = 85520809984 if profile == "h100x8" else 0
        used = 4194304 + round(busy / 100 * 70e9) if busy else 4194304
        card = f"gpu{index}"
        lines += [f"{card}.utilization = {busy},{busy // 2}", f"{card}.event_reasons = {'0x0' if busy else '0x1'}",
                  f"{card}.power_mw = {(70000 + busy * 6000) if total else (4000 + busy * 700)}",
                  f"{card}.clock.1 = {(345 if not busy else 1980) if total else (208 if not busy else 2418)}",
                  f"{card}.temperature = {30 + busy // 3}",
                  f"{card}.compute_processes = {f'{4000 + index}:{used}' if busy else ''}"]
        if total:
            lines += [f"{card}.memory = {total},577765376,{total - 577765376 - used},{used}",
                      f"{card}.margin = {55 - busy // 3}"]
    if profile == "h100x8":
        lines += ["gpu3.temperature = 84", "gpu3.margin = 3", "gpu3.event_reasons = 0x20",
                  "gpu5.ecc_errors.0.0 = 12"]
    return lines


def _watch(stand_in: StandIn, profile: str, name: str) -> None:
    child = Child(*WATCH, "0.2")
    try:
        looks = []
        for said in child.objects():
            looks.append(json.dumps(said, separators=(",", ":")) + "\n")
            if len(looks) == LOOKS:
                break
            stand_in.use(profile).add(*_load(profile, len(looks)))
    finally:
        child.end()
    (FOLDER / f"{name}.gpu.jsonl.gz").write_bytes(gzip.compress("".join(looks).encode(), mtime=0))


if __name__ == "__main__":
    main()
