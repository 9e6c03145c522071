"""Role `images` on a disposable node: predicted, pulled, kept; refused where the registry says no."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.node.images import shell
from tests.node.nodes import Node, fresh_node
from tests.node.profiles import SITE_PROFILE
from tests.node.readings import changes, verdicts
from tests.registry.server import RegistryServer, settings

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]
PORT = 5000
WANTED = f"127.0.0.1:{PORT}/bed/multi:1"
FOREIGN = f"127.0.0.1:{PORT}/bed/foreign:1"
ONLY = ("--only", "docker,images", "-o", "json")
CPU = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
OTHER = {"amd64": "arm64", "arm64": "amd64"}[CPU]


def write_profile(node: Node, *pull: str) -> None:
    node.write(SITE_PROFILE, yaml.safe_dump({"schema": 1, "name": "node", "extends": "cpu-only",
                                             "images": {"pull": list(pull)}}))


@pytest.fixture(scope="module")
def stocked(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A fresh node with a registry on its loopback that holds an image for both CPUs and one for the other."""
    program = shutil.which("docker-registry")
    assert program, "docker-registry is not installed: apt install docker-registry"
    with fresh_node(image) as node:
        shell(["docker", "cp", program, f"{node.name}:/usr/local/bin/docker-registry"])
        node.write("/etc/registry.yml", settings(Path("/srv/registry"), f":{PORT}"))
        node.must(["systemd-run", "--unit=registry", "/usr/local/bin/docker-registry", "serve", "/etc/registry.yml"])
        address = shell(["docker", "inspect", "--format", "{{.NetworkSettings.IPAddress}}", node.name]).strip()
        registry = RegistryServer(PORT, Path("/nowhere"), Path("/nowhere"), address)
        deadline = time.monotonic() + 20
        while node.run(["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{PORT}"]).code:
            assert time.monotonic() < deadline, "the registry in the node did not start in 20 s"
            time.sleep(0.2)
        both = {word: registry.push_image("bed/multi", f"{word}-1", word) for word in ("amd64", "arm64")}
        registry.push_index("bed/multi", "1", both)
        registry.push_image("bed/foreign", "1", OTHER)
        write_profile(node, WANTED)
        yield node


def test_an_image_is_predicted_on_a_fresh_machine_and_pulled_once(stocked: Node) -> None:
    planned, applied = stocked.firstlight("plan", *ONLY), stocked.firstlight("apply", "--yes", *ONLY)
    assert applied.code == 0, str(applied)
    assert changes(planned) == changes(applied)
    assert WANTED in {change[2] for change in changes(applied)}
    again = stocked.firstlight("apply", "--yes", *ONLY)
    assert (again.code, changes(again)) == (0, []), str(again)


def test_the_engine_itself_says_it_is_there_for_this_cpu(stocked: Node) -> None:
    assert stocked.must(["docker", "image", "inspect", "--format", "{{.Architecture}}", WANTED]).strip() == CPU
    assert WANTED in stocked.read("/var/lib/firstlight/images.json")
    found = verdicts(stocked.firstlight("check", "--level", "standard", "--only", "images", "-o", "json"))
    assert found == {"images.architecture": "pass", "images.wanted": "pass"}


def test_a_removed_image_is_found_and_put_back(stocked: Node) -> None:
    stocked.must(["docker", "image", "rm", WANTED])
    found = verdicts(stocked.firstlight("check", "--level", "standard", "--only", "images", "-o", "json"))
    assert found["images.wanted"] == "fail"
    fixed = stocked.firstlight("fix", "images.wanted", "--yes", "-o", "json")
    assert fixed.code == 0, str(fixed)
    assert stocked.must(["docker", "image", "inspect", "--format", "{{.Architecture}}", WANTED]).strip() == CPU


def test_an_image_for_another_cpu_here_is_a_finding(stocked: Node) -> None:
    stocked.must(["docker", "pull", "-q", "--platform", f"linux/{OTHER}", FOREIGN])
    ran = stocked.firstlight("check", "--level", "standard", "--only", "images.architecture", "-o", "json")
    assert verdicts(ran) == {"images.architecture": "warn"}
    assert FOREIGN in ran.out
    stocked.must(["docker", "image", "rm", FOREIGN])


def test_a_plan_refuses_what_the_apply_would_refuse(stocked: Node) -> None:
    write_profile(stocked, WANTED, FOREIGN)
    planned, applied = stocked.firstlight("plan", *ONLY), stocked.firstlight("apply", "--yes", *ONLY)
    for ran in (planned, applied):
        assert ran.code != 0, str(ran)
        [refusal] = ran.data["refusals"]
        assert refusal["reason"].startswith(f"{FOREIGN}: the registry has it for {OTHER}, not for {CPU}")
    assert stocked.run(["docker", "image", "inspect", FOREIGN]).code != 0
