"""Driver, CUDA, cuDNN and profilers from NVIDIA's repository, whose place a folder of empty packages takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.node import nvidia_repository as nvidia
from tests.node.nodes import Node, fresh_node
from tests.node.profiles import SITE_PROFILE
from tests.node.readings import changes

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]
ROLES = "driver,fabric_manager,cuda,cudnn,profilers"
ONLY = ("--only", ROLES, "-o", "json")
SOURCES = "/etc/apt/sources.list.d"
DRIVER: dict[str, Any] = {"enabled": True, "branch": "580", "variant": "full", "repository": nvidia.CUDA}


def gpu(**driver: Any) -> dict[str, Any]:
    return {
        "driver": DRIVER | driver,
        "fabric_manager": {"enabled": True, "needed": "always"},
        "cuda": {"enabled": True, "toolkit": "13.0"},
        "cudnn": {"enabled": True, "version": "9.13"},
        "profilers": {"enabled": True, "repository": nvidia.TOOLS},
    }


def write_profile(node: Node, **driver: Any) -> None:
    node.write(SITE_PROFILE, yaml.safe_dump({"schema": 1, "name": "node", "extends": "cpu-only", "gpu": gpu(**driver)}))


def release_of(node: Node) -> str:
    return node.sh(". /etc/os-release; echo $VERSION_ID").strip()


def version_of(node: Node, name: str) -> str:
    ran = node.run(["dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", name])
    return ran.out.removeprefix("installed ") if ran.out.startswith("installed ") else ""


def preferences(node: Node) -> set[str]:
    return set(node.sh("ls /etc/apt/preferences.d").split())


@pytest.fixture(scope="module")
def supplied(image: str) -> Iterator[Node]:
    """A fresh node with NVIDIA's repositories in a folder and a profile that asks for everything in them."""
    with fresh_node(image) as node:
        nvidia.publish_nvidia(node, release_of(node))
        write_profile(node)
        yield node


def test_a_repository_that_is_not_there_is_named_and_nothing_is_half_done(supplied: Node) -> None:
    before = supplied.sh("dpkg -l | sha256sum; ls /etc/apt/* /etc/modprobe.d")
    write_profile(supplied, repository="file:///srv/nowhere")
    ran = supplied.firstlight("apply", "--yes", "--only", "driver", "-o", "json")
    write_profile(supplied)
    assert ran.code == 1, str(ran)
    assert "/srv/nowhere" in ran.data["failure"]
    assert ran.data["changes"] == []
    assert supplied.sh("dpkg -l | sha256sum; ls /etc/apt/* /etc/modprobe.d") == before


def test_a_repository_whose_packages_cannot_be_fetched_leaves_no_source_and_no_pin(supplied: Node) -> None:
    folder = f"{nvidia.ROOT}/cuda/repos/{nvidia.SYSTEMS[release_of(supplied)][0]}/x86_64"
    before = supplied.sh("dpkg -l | grep ^ii | sha256sum; ls /etc/apt/* /etc/modprobe.d")
    supplied.sh(f"mkdir /srv/away; mv {folder}/nvidia-driver-cuda_* /srv/away")
    ran = supplied.firstlight("apply", "--yes", "--only", "driver", "-o", "json")
    supplied.sh(f"mv /srv/away/* {folder}; rmdir /srv/away")
    assert ran.code == 1, str(ran)
    assert "nvidia-driver-cuda" in ran.data["failure"]
    assert supplied.sh("dpkg -l | grep ^ii | sha256sum; ls /etc/apt/* /etc/modprobe.d") == before


def test_a_fresh_machine_is_predicted_and_the_second_apply_is_empty(supplied: Node) -> None:
    planned = supplied.firstlight("plan", *ONLY)
    applied = supplied.firstlight("apply", "--yes", *ONLY)
    assert applied.code == 0, str(applied)
    assert changes(planned) == changes(applied) != []
    assert {role for role, _, _ in changes(applied)} == set(ROLES.split(","))
    again = supplied.firstlight("apply", "--yes", *ONLY)
    assert (again.code, changes(again)) == (0, []), str(again)
    assert changes(supplied.firstlight("plan", *ONLY)) == []


def test_the_branch_is_kept_although_a_newer_one_is_offered(supplied: Node) -> None:
    assert f"{nvidia.NEXT}-1" in supplied.must(["apt-cache", "madison", "nvidia-open"])
    assert "nvidia-driver-pinning-580" in preferences(supplied)
    for name in ("nvidia-open", "nvidia-kernel-open-dkms", "libcuda1", "nvidia-fabricmanager"):
        assert version_of(supplied, name) == f"{nvidia.NEW}-1"
    supplied.sh("apt-get -y -qq dist-upgrade >/dev/null")
    assert version_of(supplied, "nvidia-open") == f"{nvidia.NEW}-1"


def test_no_metapackage_that_pulls_a_driver_is_installed(supplied: Node) -> None:
    assert version_of(supplied, "cuda-toolkit-13-0")
    assert not version_of(supplied, "cuda-13-0")


def test_the_toolkit_is_found_by_path_alone(supplied: Node) -> None:
    login = supplied.must(["su", "-l", "nobody", "-s", "/bin/sh", "-c", "nvcc --version; env"])
    assert "release 13.0" in login
    assert "LD_LIBRARY_PATH" not in login


def test_the_toolkit_that_the_profile_names_is_the_chosen_one(supplied: Node) -> None:
    supplied.sh("ln -sfn /usr/local/cuda-12.9 /usr/local/cuda")
    planned = supplied.firstlight("plan", *ONLY)
    applied = supplied.firstlight("apply", "--yes", *ONLY)
    assert [target for _, _, target in changes(applied)] == ["/usr/local/cuda"]
    assert changes(planned) == changes(applied)
    assert supplied.must(["readlink", "-f", "/usr/local/cuda"]).strip() == "/usr/local/cuda-13.0"


def test_the_persistence_daemon_starts_at_boot_and_nouveau_does_not(supplied: Node) -> None:
    assert supplied.must(["systemctl", "is-enabled", "nvidia-persistenced"]).strip() == "enabled"
    assert "blacklist nouveau" in supplied.must(["modprobe", "--showconfig"])


def test_an_older_fabric_manager_is_brought_to_the_drivers_version(supplied: Node) -> None:
    supplied.sh(f"apt-get install -y -qq --allow-downgrades nvidia-fabricmanager={nvidia.OLD}-1 >/dev/null")
    planned = supplied.firstlight("plan", *ONLY)
    applied = supplied.firstlight("apply", "--yes", *ONLY)
    assert [target for _, _, target in changes(applied)] == ["nvidia-fabricmanager"]
    assert changes(planned) == changes(applied)
    assert version_of(supplied, "nvidia-fabricmanager") == f"{nvidia.NEW}-1"


def test_a_driver_is_not_changed_while_a_gpu_is_at_work(supplied: Node) -> None:
    write_profile(supplied, branch="590")
    supplied.sh("mknod -m 666 /dev/nvidia0 c 1 3; systemd-run -q --unit work sh -c 'exec sleep 600 </dev/nvidia0'")
    try:
        ran = supplied.firstlight("apply", "--yes", "--only", "driver", "-o", "json")
    finally:
        supplied.sh("systemctl stop work; rm /dev/nvidia0")
    assert (ran.code, ran.data["changes"]) == (1, []), str(ran)
    assert "/dev/nvidia0" in ran.data["refusals"][0]["reason"]
    assert version_of(supplied, "nvidia-open") == f"{nvidia.NEW}-1"


def test_another_branch_moves_driver_and_fabric_manager_together(supplied: Node) -> None:
    write_profile(supplied, branch="590")
    planned = supplied.firstlight("plan", *ONLY)
    applied = supplied.firstlight("apply", "--yes", *ONLY)
    assert applied.code == 0, str(applied)
    assert changes(planned) == changes(applied)
    assert {version_of(supplied, name) for name in ("nvidia-open", "nvidia-fabricmanager")} == {f"{nvidia.NEXT}-1"}
    assert not version_of(supplied, "nvidia-driver-pinning-580")
    assert changes(supplied.firstlight("plan", *ONLY)) == []
