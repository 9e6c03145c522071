"""CDI on an engine that has it (Docker 26, Debian 13): a card comes into a container, or it is said why not."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gpu_path.engine import DRIVER, HERE, LOADED
from tests.node.images import shell
from tests.node.nodes import Node, fresh_node, product_image
from tests.node.profiles import NODE, prepare
from tests.node.readings import verdicts
from tests.nvml.stand_in import PROFILES, library_folder

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]
PROFILE = NODE | {"container": NODE["container"] | {"toolkit": {"enabled": True, "install": False, "cdi": True}}}
SPEC = f"""cdiVersion: 0.5.0
kind: nvidia.com/gpu
devices:
- name: all
  containerEdits:
    deviceNodes:
    - {{path: /dev/nvidiactl, type: c, major: 195, minor: 255, permissions: rw}}
containerEdits:
  env: [FIRSTLIGHT_NVML_PROFILE=/etc/nvml.conf]
  mounts:
  - {{hostPath: /opt/libnvidia-ml.so.{DRIVER}, containerPath: /usr/lib/libnvidia-ml.so.1, options: [ro, bind]}}
  - {{hostPath: /opt/nvml.conf, containerPath: /etc/nvml.conf, options: [ro, bind]}}
"""
PLACE = "/run/cdi/nvidia.yaml"
# a container in a node needs control groups it may write, and a procfs that shows a loaded driver
READY = """
for name in cpu cpuacct cpuset memory devices freezer blkio pids; do
  test ! -d /sys/fs/cgroup/$name || mount -o remount,rw,bind /sys/fs/cgroup/$name
done
mount -t tmpfs none /proc/driver
mkdir -p /proc/driver/nvidia
mkdir -p /root/image && cd /root/image
for file in $(ldd /opt/smi | grep -o '/[^ ]*'); do mkdir -p ".${file%/*}"; cp -L "$file" ".$file"; done
cp /opt/smi smi
tar -c . | docker import -c 'ENTRYPOINT ["/smi"]' - smi
"""


@pytest.fixture(scope="module")
def node(engine: None, wheel_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that the product has given Docker 26 with CDI, beside a stand-in driver."""
    program = tmp_path_factory.mktemp("smi") / "smi"
    subprocess.run(["cc", "-O1", "-o", str(program), str(HERE / "smi.c"), "-ldl"], check=True)
    with product_image("trixie", wheel_folder) as image, \
            fresh_node(image, "--device-cgroup-rule", "c 195:* rw") as made:
        prepare(made, PROFILE)
        ran = made.firstlight("apply", "--yes", "--only", "docker,container_toolkit", "-o", "json")
        assert ran.code == 0, str(ran)
        library = library_folder() / "libnvidia-ml.so.1"
        card = PROFILES["rtx4090"]
        for source, target in ((program, "smi"), (library, f"libnvidia-ml.so.{DRIVER}"), (card, "nvml.conf")):
            shell(["docker", "cp", source, f"{made.name}:/opt/{target}"])
        made.sh(READY)
        made.write("/proc/driver/nvidia/version", LOADED)
        yield made


def gpu_run(node: Node) -> tuple[int, str]:
    ran = node.run(["docker", "run", "--rm", "--cgroupns", "private", "--network", "none", "--device",
                    "nvidia.com/gpu=all", "smi"])
    return ran.code, ran.out + ran.err


def failing(node: Node) -> set[str]:
    found = verdicts(node.firstlight("check", "--only", "container", "-o", "json"))
    return {check for check, verdict in found.items() if verdict == "fail"}


def write_spec(node: Node, text: str) -> None:
    """Write the specification; the engine watches the folder."""
    node.write(PLACE, text)
    node.sh("sleep 1")


def test_a_device_named_by_cdi_is_seen_in_the_container(node: Node) -> None:
    write_spec(node, SPEC)
    code, said = gpu_run(node)
    assert (code, said.startswith("GPU 0: UUID: GPU-")) == (0, True), said
    assert failing(node) & {"container.cdi-spec", "container.nvidia-runtime", "container.runtime-mode"} == set()


def test_no_specification_is_named(node: Node) -> None:
    node.sh(f"rm -f {PLACE}; sleep 1")
    assert "unresolvable CDI devices nvidia.com/gpu=all" in gpu_run(node)[1]
    assert "container.cdi-spec" in failing(node)


def test_a_specification_of_the_driver_before_is_named(node: Node) -> None:
    write_spec(node, SPEC.replace(DRIVER, "570.86.10"))
    assert "libnvidia-ml.so.570.86.10: no such file or directory" in gpu_run(node)[1]
    assert "container.cdi-spec" in failing(node)


def test_cdi_that_is_not_switched_on_is_named(node: Node) -> None:
    write_spec(node, SPEC)
    node.sh("""python3 - <<'END'
import json
path = "/etc/docker/daemon.json"
values = json.load(open(path))
values["features"]["cdi"] = False
json.dump(values, open(path, "w"))
END
systemctl restart docker""")
    assert gpu_run(node)[0] != 0
    assert "container.nvidia-runtime" in failing(node)
