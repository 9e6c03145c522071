from __future__ import annotations

import json

import pytest

from agent.config.profiles import load
from agent.images.catalogue import load_catalogue
from agent.machine.api import Completed
from agent.machine.docker import INFO_ARGV
from agent.model.errors import Unobservable
from agent.model.profile import Smoke
from agent.smoke.execution import Bounds
from agent.smoke.places import Place, choose_place, launch
from tests.fixtures import FakeMachine

BOUNDS = Bounds(60, 8 << 30, 1 << 30)
IMAGE = "nvcr.io/nvidia/pytorch:25.11-py3"
INSPECT = ("docker", "image", "inspect", "--format", "{{.Architecture}}", IMAGE)


def engine(**info):
    said = {"ServerVersion": "28.0", "Runtimes": {"runc": {}}, **info}
    return FakeMachine({"/run/docker.pid": "77", "/proc/77/comm": "dockerd\n"},
                       {INFO_ARGV: json.dumps(said), INSPECT: "amd64\n"})


def chosen(machine, *, has_gpu=True, **smoke):
    return choose_place(machine, Smoke(**smoke), IMAGE, has_gpu=has_gpu)


def test_a_container_gets_its_gpus_by_runtime_else_by_cdi():
    assert chosen(engine(Runtimes={"nvidia": {}}, CDISpecDirs=["/etc/cdi"])).gpu_by == "gpus"
    assert chosen(engine(CDISpecDirs=["/etc/cdi"])).gpu_by == "cdi"
    assert chosen(engine()).gpu_by == "gpus"
    assert chosen(engine(Runtimes={"nvidia": {}}), has_gpu=False).gpu_by == "none"


def test_auto_falls_back_to_the_interpreter_and_says_what_is_missing_without_one():
    assert chosen(FakeMachine(), python="/opt/python").kind == "local"
    with pytest.raises(Unobservable, match="no place to run"):
        chosen(FakeMachine())
    absent = engine()
    absent.commands[INSPECT] = Completed(INSPECT, 1, "", f"Error: No such image: {IMAGE}")
    with pytest.raises(Unobservable, match=f"the image {IMAGE} is not here") as caught:
        chosen(absent)
    assert IMAGE in caught.value.hint


def spark(*here: str) -> FakeMachine:
    """A GB10 with these images."""
    nvidia = "/sys/bus/pci/devices/0000:01:00.0"
    told = engine(Runtimes={"nvidia": {}})
    machine = FakeMachine({
        **told.files, "/proc/cpuinfo": "", "/proc/meminfo": "MemTotal: 65000000 kB\n", "/etc/os-release": "ID=ubuntu\n",
        "/proc/sys/kernel/hostname": "h\n", "/proc/sys/kernel/osrelease": "6.8\n",
        "/sys/module/nvidia/version": "580.95.05\n", f"{nvidia}/vendor": "0x10de\n", f"{nvidia}/class": "0x030200\n",
        f"{nvidia}/device": "0x2e12\n"}, told.commands, folders=("/sys/block",))
    machine.commands |= {("uname", "-m"): "aarch64\n", ("systemd-detect-virt",): "none\n"}
    for entry in load_catalogue().images:
        argv = (*INSPECT[:-1], entry.reference)
        machine.commands[argv] = "arm64\n" if entry.reference in here else Completed(argv, 1, "", "No such image")
    return machine


def test_of_a_purpose_the_first_image_that_fits_and_is_here_is_taken():
    first, second = (load_catalogue().find(name) for name in ("pytorch-26.04", "pytorch-25.11"))
    for here, expected in (((first, second), first), ((second,), second)):
        machine = spark(*(entry.reference for entry in here))
        assert choose_place(machine, Smoke(), "pytorch", has_gpu=True).image == expected.reference
    # pytorch-hub is wrong on this CPU: that it is here does not help
    with pytest.raises(Unobservable, match=first.reference) as caught:
        choose_place(spark("pytorch/pytorch:latest"), Smoke(), "pytorch", has_gpu=True)
    assert "firstlight images pull pytorch" in caught.value.hint


def test_our_own_image_is_to_be_built_and_a_word_that_fits_nothing_is_told():
    with pytest.raises(Unobservable, match="firstlight/job:1 is not here") as caught:
        choose_place(spark(), Smoke(), "job", has_gpu=False)
    assert "docker build -t firstlight/job:1 " in caught.value.hint
    with pytest.raises(Unobservable, match="no such purpose or image"):
        choose_place(spark(), Smoke(), "pytroch", has_gpu=True)


def test_every_word_the_shipped_profiles_use_is_in_the_catalogue():
    names = {entry.name for entry in load_catalogue().images} | set(load_catalogue().purposes)
    for name in ("cpu-only", "dgx-spark", "rtx-workstation", "datacenter"):
        smoke = load(name).profile.smoke
        assert {smoke.image, smoke.cuda_image} <= names


def test_a_container_that_is_asked_for_is_never_replaced_by_the_interpreter():
    with pytest.raises(Unobservable):
        chosen(FakeMachine(), place="container", python="/opt/python")


@pytest.mark.parametrize(("gpu_by", "gpu", "expected"), [
    ("gpus", "GPU-1", "--gpus=device=GPU-1"), ("gpus", "all", "--gpus=all"),
    ("cdi", "GPU-1", "--device=nvidia.com/gpu=GPU-1"), ("cdi", "all", "--device=nvidia.com/gpu=all"),
])
def test_a_container_gets_the_gpu_that_is_meant(gpu_by, gpu, expected):
    ready = launch(Place("container", IMAGE, gpu_by=gpu_by), "name", BOUNDS, ("python3", "-"), gpu=gpu)
    assert expected in ready.argv


def test_a_container_is_closed_bounded_and_removed():
    ready = launch(Place("container", IMAGE), "name", BOUNDS, ("python3", "-", "--device", "cpu"))
    assert {"--network=none", "--read-only", "--cap-drop=ALL", "--pull=never", f"--memory={8 << 30}"} <= set(ready.argv)
    assert not any("--volume" in word or word == "-v" or "--mount" in word for word in ready.argv)
    assert ready.argv[-4:] == (IMAGE, "-", "--device", "cpu")
    assert ready.after == (("docker", "rm", "--force", "name"),)
