"""What our side of smoke jobs and of `images verify` costs, beside the same work without us.

    python -m tests.benchmarks.jobs_bench [--image REFERENCE]

The job is a program that prints a result at once, so what is left is ours. With --image (it must be here and have
python3) the same in a container, against `docker run` with the same words: the container's start is in both. The
catalogue is verified against a registry on loopback that holds every image of it. In turn; medians.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from agent.images.catalogue import load_catalogue
from agent.model.units import GIB, MIB
from agent.smoke.execution import Bounds
from agent.smoke.places import Place, launch
from tests.benchmarks.measure import measured, medians
from tests.registry.server import running_registry
from tests.registry.whole_catalogue import shelved_catalogue
from tests.unit.smoke.jobs import document, interpreter

RUNS = int(os.environ.get("FIRSTLIGHT_BENCH_RUNS", "7"))
ROOT = Path(__file__).resolve().parents[2]
OURS = [sys.executable, "-c", "import sys; from agent.cli.main import main; sys.exit(main())"]
BARE = ("import sys, urllib.request\n"
        "kinds = 'application/vnd.docker.distribution.manifest.list.v2+json, "
        "application/vnd.docker.distribution.manifest.v2+json'\n"
        "for url in sys.argv[1:]:\n"
        "    urllib.request.urlopen(urllib.request.Request(url, headers={'Accept': kinds})).read()\n")


def compare(rows: dict[str, list[str]], env: dict[str, str]) -> dict[str, dict[str, float]]:
    """Measure commands in turn and print their medians."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in rows}
    for _ in range(RUNS):
        for name, argv in rows.items():
            runs[name].append(measured(argv, env))
    found = {name: medians(each) for name, each in runs.items()}
    for name, one in found.items():
        print(f"| {name} | {one['wall_s']:.3f} | {one['cpu_s']:.3f} | exit {one['code']:.0f} |")
    return found


def local_jobs(folder: Path, env: dict[str, str]) -> None:
    """A job by an interpreter: alone, one of it by us, and two."""
    program = interpreter(folder / "job", document(device="cpu"))
    smoke = [*OURS, "smoke", "--profile", "cpu-only", "--python", program]
    found = compare({"the job alone": [program, "-", "--device", "cpu"], "firstlight --version": [*OURS, "--version"],
                     "firstlight smoke, one job": [*smoke, "lora"],
                     "firstlight smoke, two jobs": [*smoke, "lora", "cuda-kernel"]}, env)
    alone, one, two = (found[name] for name in
                       ("the job alone", "firstlight smoke, one job", "firstlight smoke, two jobs"))
    for kind in ("wall_s", "cpu_s"):
        print(f"{kind}: one job costs {one[kind] - alone[kind]:.3f} s beside itself, each further one "
              f"{two[kind] - one[kind] - alone[kind]:.3f} s")


def container_jobs(image: str, env: dict[str, str]) -> None:
    """The same in a container; a script without torch ends at once, so the start is nearly all of it."""
    words = ("python3", "-", "--device", "cpu", "--size", "small", "--dtype", "float32")
    ready = launch(Place("container", image), "firstlight-smoke-bench", Bounds(600, GIB, 64 * MIB), words)
    alone = ["sh", "-c", 'exec "$@" <"$0"', str(ROOT / "checks/smoke/jobs/lora.py"), *ready.argv]
    ours = [*OURS, "smoke", "--profile", "cpu-only", "--place", "container", "--image", image, "lora"]
    found = compare({"docker run alone": alone, "firstlight smoke in the container": ours}, env)
    first, second = found.values()
    print(f"wall_s: ours costs {second['wall_s'] - first['wall_s']:.3f} s beside the container")


def catalogue(folder: Path, env: dict[str, str]) -> None:
    """The whole catalogue, and the same manifests by a bare loop of requests."""
    with running_registry(folder) as registry:
        file = shelved_catalogue(registry, folder / "catalogue.yaml")
        names = [entry.reference.partition("/")[2].rpartition(":") for entry in load_catalogue(file).images]
        urls = [f"http://{registry.host}/v2/{name}/manifests/{tag}" for name, _, tag in names]
        verify = [*OURS, "images", "verify", "--catalogue", str(file), "--profile", "cpu-only"]
        found = compare({"bare requests, one after the other": [sys.executable, "-c", BARE, *urls],
                         f"firstlight images verify, {len(urls)} images": verify}, env)
        took_s = [one["wall_s"] for one in found.values()][1]
        print(f"goal 2 s: {'met' if took_s <= 2 else 'missed'}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image", default="", help="an image that is here and has python3")
    image = parser.parse_args().image
    os.chdir(ROOT)
    print(f"medians of {RUNS}, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "registry").mkdir()
        env = {**os.environ, "FIRSTLIGHT_STATE": f"{name}/state", "FIRSTLIGHT_CONFIG": f"{name}/etc"}
        local_jobs(folder, env)
        if image:
            subprocess.run(["docker", "image", "inspect", image], check=True, capture_output=True)
            container_jobs(image, env)
        catalogue(folder / "registry", env)
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
