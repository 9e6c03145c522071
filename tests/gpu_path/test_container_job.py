"""The smoke job `container` without a card: it passes where GPUs get into containers, and names what went wrong."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.check import Outcome
from agent.smoke import visibility
from agent.smoke.places import Launch, launch
from tests.gpu_path.engine import GpuBed, running_bed
from tests.nvml.stand_in import PROFILES, library_folder
from tests.unit.smoke.jobs import gpu, session

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]
UUIDS = [line.partition("=")[2].strip() for line in PROFILES["rtx4090"].read_text().splitlines()
         if line.startswith(("gpu.uuid", "gpu0.uuid"))]


@pytest.fixture(scope="module")
def bed() -> Iterator[GpuBed]:
    """An engine that takes `--gpus`; its folder has a short name, for its sockets' sake."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a Docker Engine (sudo make test-node)")
    root = Path(tempfile.mkdtemp(prefix="fl-job-"))
    try:
        with running_bed(root, library_folder(), PROFILES["rtx4090"], hook=True) as made:
            yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def job(bed: GpuBed, monkeypatch: pytest.MonkeyPatch) -> Iterator[GpuBed]:
    """The bed, to whose engine the job's commands go; emptied and put right at the end."""
    def there(*words: object, **more: object) -> Launch:
        ready = launch(*words, **more)  # type: ignore[arg-type]
        host = ("docker", "-H", f"unix://{bed.root}/docker.sock")
        return Launch((*host, *ready.argv[1:]), ready.env, tuple((*host, *argv[1:]) for argv in ready.after))

    monkeypatch.setattr(visibility, "launch", there)
    yield bed
    for name in bed.docker("ps", "-aq").stdout.split():
        bed.docker("rm", "-f", name)
    bed.healthy()


def outcomes(bed: GpuBed) -> list[Outcome]:
    """Run the job and return what it says of a new container, and of each running one."""
    made = session(gpu("NVIDIA GeForce RTX 4090", uuid=UUIDS[0]), machine=bed.machine, cuda_image="smi:latest")
    return [result.outcome for result in visibility.run_container(made)]


def test_a_new_container_shows_the_hosts_gpus_by_uuid_and_is_gone_afterwards(job: GpuBed) -> None:
    [new] = outcomes(job)
    assert new.verdict == "pass", new
    assert new.seen == "1 GPUs"
    assert job.docker("ps", "-aq").stdout == ""


def test_a_running_container_that_has_lost_its_gpu_is_named_beside_the_new_one_that_has_it(job: GpuBed) -> None:
    started = job.gpu_run("-d", "--name", "train", "smi", "wait")
    assert started.returncode == 0, started.stderr
    assert [one.verdict for one in outcomes(job)] == ["pass", "pass"]
    pid = job.docker("inspect", "--format", "{{.State.Pid}}", "train").stdout.strip()
    group = next((line.split(":", 2)[2] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
                  if ":devices:" in line), None)
    if group is None:
        pytest.skip("control groups of version 2: their device rules cannot be changed by hand")
    Path(f"/sys/fs/cgroup/devices{group}/devices.deny").write_text("c 195:* rwm")
    new, old = outcomes(job)
    assert (new.verdict, old.verdict, old.subject) == ("pass", "fail", "train")
    assert "daemon-reload" in old.summary


def test_a_missing_specification_is_named_by_the_engines_own_words(job: GpuBed) -> None:
    (job.root / "run/cdi/nvidia.yaml").unlink()
    job.set_mode("cdi")
    [new] = outcomes(job)
    assert new.verdict == "fail"
    assert new.remedy.steps
    assert any("unresolvable CDI devices" in line for line in new.evidence[0].lines), new


def test_a_container_that_is_given_nothing_fails(job: GpuBed) -> None:
    """As with an engine whose hook is there and whose runtime does not do its work."""
    (job.runtime.parent / "settings.json").write_text('{"mode": "auto", "cdi": "/", "profile": "/x", "mounts": {}}')
    job.runtime.write_text("#!/bin/sh\nexec runc \"$@\"\n")
    try:
        [new] = outcomes(job)
    finally:
        job.runtime.write_text((Path(__file__).parent / "runtime.py").read_text())
    assert new.verdict == "fail"
    assert "no /dev/nvidiactl" in new.evidence[0].lines[0]
