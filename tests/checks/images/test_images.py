"""Checks of images: right for the CPU, and those the profile wants."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agent.machine.docker import PID_FILE, PS_ARGV
from agent.machine.docker_images import LIST_ARGV, inspect_argv, parse_image
from checks.images import architecture, wanted
from tests.checks.findings import DENIED, found, only, verdicts
from tests.fixtures import FakeMachine

DIGEST = "sha256:" + "d" * 64
NVIDIA = "/sys/bus/pci/devices/0000:01:00.0"
HUB = "pytorch/pytorch:latest"
NGC = "nvcr.io/nvidia/pytorch:26.04-py3"


def line(number: int, name: str, cpu: str, digest: str = DIGEST) -> str:
    named = json.dumps([name] if name else None)
    digests = json.dumps([f"{name.partition(':')[0]}@{digest}"] if name and digest else [])
    return f"sha256:{number:064x}\tlinux\t{cpu}\t{named}\t{digests}"


def machine(images: dict[str, str], *, cpu: str = "aarch64", running: tuple[str, ...] = (), gpu: str = "2e12",
            runs: bool = True, commands: dict[Any, Any] | None = None) -> FakeMachine:
    """Return a machine with images (name to CPU) and running containers called like their image."""
    ids = tuple(f"sha256:{number:064x}" for number in range(1, len(images) + 1))
    text = "\n".join(line(number, name, word) for number, (name, word) in enumerate(images.items(), 1))
    rows = [json.dumps({"ID": "0" * 64, "Names": f"run-{at}", "State": "running", "Image": name})
            for at, name in enumerate(running)]
    files = {"/proc/cpuinfo": "", "/proc/meminfo": "MemTotal: 65000000 kB\n", "/etc/os-release": "ID=ubuntu\n",
             "/proc/sys/kernel/hostname": "h\n", "/proc/sys/kernel/osrelease": "6.8\n",
             "/sys/module/nvidia/version": "580.95.05\n"}
    if gpu:
        files |= {f"{NVIDIA}/vendor": "0x10de\n", f"{NVIDIA}/class": "0x030200\n", f"{NVIDIA}/device": f"0x{gpu}\n"}
    if runs:
        files |= {PID_FILE: "7\n", "/proc/7/comm": "dockerd\n"}
    answers = {("uname", "-m"): f"{cpu}\n", ("systemd-detect-virt",): "none\n", LIST_ARGV: "\n".join(ids),
               inspect_argv(ids): text, PS_ARGV: "\n".join(rows)} | (commands or {})
    return FakeMachine(files, answers, folders=("/sys/bus/pci/devices", "/sys/block"))


def test_an_image_for_another_cpu_warns_and_names_the_replacement() -> None:
    finding = only(architecture.CHECK, machine({HUB: "amd64"}))
    assert (finding.verdict, finding.subject) == ("warn", HUB)
    assert NGC in finding.remedy.steps[0]


def test_one_that_runs_fails_and_names_the_container() -> None:
    finding = only(architecture.CHECK, machine({HUB: "amd64"}, running=(HUB,)))
    assert finding.verdict == "fail"
    assert "run-0" in finding.summary


def test_the_same_image_is_named_where_it_exists_for_this_cpu() -> None:
    finding = only(architecture.CHECK, machine({NGC: "arm64"}, cpu="x86_64", gpu="2684"))
    assert "--platform linux/amd64" in finding.remedy.steps[0]


def test_an_image_the_catalogue_does_not_know_still_has_a_remedy() -> None:
    finding = only(architecture.CHECK, machine({"quay.io/x/y:1": "amd64"}))
    assert "--platform linux/arm64" in finding.remedy.steps[0]


def test_images_for_this_cpu_pass_and_nameless_ones_do_not_count() -> None:
    assert verdicts(architecture.CHECK, machine({NGC: "arm64", "": "amd64"})) == [("pass", "")]
    assert verdicts(architecture.CHECK, machine({})) == [("pass", "")]


def test_a_nameless_one_counts_while_a_container_runs_it() -> None:
    finding = only(architecture.CHECK, machine({"": "amd64"}, running=("0" * 12,)))
    assert (finding.verdict, finding.subject) == ("fail", "0" * 12)


def test_an_image_kept_on_purpose_is_accepted() -> None:
    assert verdicts(architecture.CHECK, machine({HUB: "amd64"}), images={"foreign": [HUB]}) == [("pass", "")]


@pytest.mark.parametrize("check", [architecture.CHECK, wanted.CHECK])
def test_a_silent_engine_is_unknown_and_never_pass(check) -> None:
    section = {"pull": ["cuda"]}
    assert verdicts(check, machine({}, runs=False), images=section) == [("unknown", "")]
    refused = machine({}, commands={LIST_ARGV: DENIED})
    assert verdicts(check, refused, images=section) == [("unknown", "")]


def test_without_docker_or_wishes_they_are_not_applicable() -> None:
    without = {"docker": {"enabled": False}}
    assert verdicts(architecture.CHECK, machine({}), container=without) == [("not-applicable", "")]
    assert verdicts(wanted.CHECK, machine({})) == [("not-applicable", "")]
    assert verdicts(wanted.CHECK, machine({}), images={"pull": ["cuda"], "enabled": False}) == [("not-applicable", "")]


CUDA = "nvcr.io/nvidia/cuda:13.0.1-devel-ubuntu24.04"


def test_a_wanted_image_is_looked_for_under_the_name_that_fits() -> None:
    section = {"pull": ["cuda"]}
    assert verdicts(wanted.CHECK, machine({CUDA: "arm64"}), images=section) == [("pass", CUDA)]
    missing = only(wanted.CHECK, machine({}), images=section)
    assert (missing.verdict, missing.remedy.role) == ("fail", "images")
    assert verdicts(wanted.CHECK, machine({CUDA: "amd64"}), images=section) == [("fail", CUDA)]


def test_a_pinned_digest_must_be_the_one_that_is_here() -> None:
    host = machine({"quay.io/x/y:1": "arm64"})
    assert verdicts(wanted.CHECK, host, images={"pull": [f"quay.io/x/y:1@{DIGEST}"]}) == [("pass", "quay.io/x/y:1")]
    other = f"quay.io/x/y:1@sha256:{'e' * 64}"
    assert verdicts(wanted.CHECK, host, images={"pull": [other]}) == [("fail", "quay.io/x/y:1")]


def test_a_wish_that_nothing_fits_fails_and_sends_to_the_list() -> None:
    [finding] = found(wanted.CHECK, machine({}, gpu=""), images={"pull": ["vllm"]})
    assert finding.verdict == "fail"
    assert "firstlight images list" in finding.remedy.steps


def test_our_own_image_is_made_not_pulled() -> None:
    finding = only(wanted.CHECK, machine({}), images={"pull": ["job"]})
    assert finding.remedy.steps[0].startswith("docker build -t firstlight/job:1 ")


def test_an_image_line_is_read() -> None:
    image = parse_image(line(1, "", "arm64"))
    assert (image.names, image.digests, image.architecture) == ((), (), "arm64")
