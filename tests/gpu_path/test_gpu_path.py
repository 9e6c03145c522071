"""The way of a GPU into a container, without a card: it works, and five classic failures are each named."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.container import cdi_spec, gpu_access, nvidia_runtime, runtime_mode
from tests.checks.findings import found
from tests.gpu_path.engine import SPEC, GpuBed, running_bed
from tests.nvml.stand_in import PROFILES, library_folder

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]
CHECKS = {"nvidia-runtime": nvidia_runtime.CHECK, "cdi-spec": cdi_spec.CHECK, "runtime-mode": runtime_mode.CHECK,
          "gpu-access": gpu_access.CHECK}


@pytest.fixture(scope="module")
def bed() -> Iterator[GpuBed]:
    """An engine with a stand-in NVIDIA runtime; its folder has a short name, for its sockets' sake."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a Docker Engine (sudo make test-node)")
    root = Path(tempfile.mkdtemp(prefix="fl-gpu-"))
    try:
        with running_bed(root, library_folder(), PROFILES["rtx4090"]) as made:
            yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def healthy(bed: GpuBed) -> Iterator[GpuBed]:
    """The bed as it must be; put right again, and emptied, at the end."""
    yield bed
    for name in bed.docker("ps", "-aq").stdout.split():
        bed.docker("rm", "-f", name)
    bed.healthy()
    bed.reload()


def failures(bed: GpuBed) -> dict[str, str]:
    """Return what fails, with its sentence, by check."""
    lines = {}
    for name, check in CHECKS.items():
        bad = [one for one in found(check, bed.machine) if one.verdict in ("fail", "warn", "unknown")]
        if bad:
            lines[name] = bad[0].summary
    return lines


def test_a_container_sees_the_cards_of_the_host(healthy: GpuBed) -> None:
    ran = healthy.gpu_run("--rm", "smi")
    expected = [line.partition("=")[2].strip() for line in PROFILES["rtx4090"].read_text().splitlines()
                if line.startswith(("gpu.uuid", "gpu0.uuid"))]
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.startswith("GPU 0: UUID: GPU-")
    assert all(uuid in ran.stdout for uuid in expected)
    assert failures(healthy) == {}


def test_a_container_without_the_runtime_has_none(healthy: GpuBed) -> None:
    assert healthy.docker("run", "--rm", "--network", "none", "smi").stdout == "no /dev/nvidiactl\n"


def test_no_runtime_is_named(healthy: GpuBed) -> None:
    healthy.write_daemon(runtime=False)
    healthy.reload()
    assert "nknown runtime specified nvidia" in healthy.gpu_run("--rm", "smi").stderr
    assert "could not select device driver" in healthy.docker("run", "--rm", "--gpus", "all", "smi").stderr
    assert list(failures(healthy)) == ["nvidia-runtime"]


def test_a_runtime_that_is_gone_from_the_disk_is_named(healthy: GpuBed) -> None:
    kept = healthy.runtime.rename(healthy.runtime.with_suffix(".away"))
    try:
        assert healthy.gpu_run("--rm", "smi").returncode != 0
        # without a toolkit of ours to be installed, the file's absence is this check's own matter
        bad = found(nvidia_runtime.CHECK, healthy.machine, container={"toolkit": {"install": False}})
        assert [one.verdict for one in bad] == ["fail"]
    finally:
        kept.rename(healthy.runtime)


def test_no_cdi_specification_is_named_and_stops_a_runtime_in_cdi_mode(healthy: GpuBed) -> None:
    (healthy.root / "run/cdi/nvidia.yaml").unlink()
    healthy.set_mode("cdi")
    (healthy.root / "usr/bin/nvidia-ctk").write_text("#!/bin/sh\n")
    (healthy.root / "usr/bin/nvidia-ctk").chmod(0o755)
    assert "unresolvable CDI devices" in healthy.gpu_run("--rm", "smi").stderr
    assert set(failures(healthy)) == {"cdi-spec", "runtime-mode"}


def test_a_stale_specification_is_named_with_both_versions(healthy: GpuBed) -> None:
    (healthy.root / "run/cdi/nvidia.yaml").write_text(SPEC.format(driver="570.86.10"))
    said = failures(healthy)
    assert list(said) == ["cdi-spec"]
    assert "570.86.10" in said["cdi-spec"]


def test_legacy_mode_is_named(healthy: GpuBed) -> None:
    healthy.set_mode("legacy")
    assert list(failures(healthy)) == ["runtime-mode"]


def test_a_container_that_lost_its_gpu_by_a_daemon_reload_is_named(healthy: GpuBed) -> None:
    """What systemd does to the control group at a daemon-reload is done to it by hand."""
    started = healthy.gpu_run("-d", "--name", "train", "smi", "wait")
    assert started.returncode == 0, started.stderr
    assert "GPU-" in healthy.docker("exec", "train", "/smi").stdout
    assert failures(healthy) == {}
    pid = healthy.docker("inspect", "--format", "{{.State.Pid}}", "train").stdout.strip()
    group = next((line.split(":", 2)[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
                  if ":devices:" in line), None)
    if group is None:
        pytest.skip("control groups of version 2: their device rules cannot be changed by hand")
    Path(f"/sys/fs/cgroup/devices{group}/devices.deny").write_text("c 195:* rwm")
    assert "Unknown Error" in healthy.docker("exec", "train", "/smi").stdout
    said = failures(healthy)
    assert list(said) == ["gpu-access"]
    assert "train has lost its GPU" in said["gpu-access"]
