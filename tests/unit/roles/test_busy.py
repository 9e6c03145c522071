"""Who would be disturbed: processes and containers that use a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

import tests.ansible_modules

assert tests.ansible_modules.PLAYBOOKS
from ansible.module_utils import busy  # noqa: E402


def process(proc: Path, pid: int, name: str, *links: str, words: str = "") -> None:
    folder = proc / str(pid) / "fd"
    folder.mkdir(parents=True)
    (proc / str(pid) / "comm").write_text(f"{name}\n")
    (proc / str(pid) / "cmdline").write_text(words.replace(" ", "\0"))
    for number, link in enumerate(links):
        (folder / str(number)).symlink_to(link)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(busy, "_containers", list)


@pytest.mark.usefixtures("alone")
def test_a_job_is_named_and_desktop_monitoring_and_control_nodes_are_not(tmp_path: Path) -> None:
    process(tmp_path, 7, "python3", "/dev/null", "/dev/nvidia0", "/dev/nvidia-uvm")
    process(tmp_path, 8, "Xorg", "/dev/nvidia0")
    process(tmp_path, 9, "nvidia-smi", "/dev/nvidiactl")
    assert busy.gpu_work(str(tmp_path)) == ["process 7 (python3) has /dev/nvidia-uvm, /dev/nvidia0 open"]


@pytest.mark.usefixtures("alone")
def test_containers_of_an_engine_that_is_down_are_found_by_their_shims(tmp_path: Path) -> None:
    process(tmp_path, 5, "containerd-shim", words="/usr/bin/containerd-shim-runc-v2 -namespace moby -id x")
    process(tmp_path, 6, "containerd-shim", words="/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -id y")
    assert busy.running_containers(str(tmp_path)) == ["a container is running (shim process 5)"]


@pytest.mark.parametrize(("host", "environment", "gpu"), [
    ({"DeviceRequests": [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]}, [], True),
    ({"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=all"]}]}, [], True),
    ({"Devices": [{"PathOnHost": "/dev/nvidia0"}]}, [], True),
    ({"Runtime": "nvidia"}, ["NVIDIA_VISIBLE_DEVICES=all"], True),
    ({"Runtime": "nvidia"}, ["NVIDIA_VISIBLE_DEVICES=void"], False),
    ({"Runtime": "nvidia"}, [], False),
    ({"Runtime": "runc"}, ["NVIDIA_VISIBLE_DEVICES=all"], False),
    ({"Devices": [{"PathOnHost": "/dev/fuse"}]}, [], False),
    ({}, [], False)])
def test_every_way_to_give_a_container_a_gpu_is_known(host, environment, gpu) -> None:
    assert busy.wants_gpu({"HostConfig": host, "Config": {"Env": environment}}) is gpu
