"""Smoke jobs in containers of a real engine: closed, bounded, and gone whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.machine.local import LocalMachine
from agent.model.profile import Smoke
from agent.model.units import GIB, MIB
from agent.smoke.document import find_document
from agent.smoke.execution import Bounds, new_name, run_bounded
from agent.smoke.places import Place, choose_place, launch
from agent.smoke.serving import serving_bundle

pytestmark = pytest.mark.node
REPOSITORY = Path(__file__).resolve().parents[2]
BOUNDS = Bounds(60, 256 * MIB, 64 * MIB)


def containers() -> list[str]:
    listed = subprocess.run(["docker", "ps", "--all", "--quiet", "--filter", "label=firstlight.smoke"],
                            capture_output=True, text=True, check=True)
    return listed.stdout.split()


def inside(image: str, tmp_path: Path, code: str, bounds: Bounds = BOUNDS):
    """Run Python code in a container the way jobs run."""
    script = tmp_path / "script.py"
    script.write_text(code)
    ready = launch(Place("container", image), new_name(), bounds, ("python3", "-", "word"), threads=1)
    return run_bounded(ready.argv, bounds, env=ready.env, after=ready.after, stdin=str(script))


@pytest.fixture(autouse=True)
def nothing_is_left():
    yield
    assert containers() == []


def test_the_image_is_found_and_a_missing_one_is_named(image):
    place = choose_place(LocalMachine(), Smoke(place="container"), image, has_gpu=False)
    assert (place.kind, place.gpu_by) == ("container", "none")
    with pytest.raises(Exception, match="no-such-image:1 is not here"):
        choose_place(LocalMachine(), Smoke(place="container"), "no-such-image:1", has_gpu=False)


def test_a_job_gets_its_words_its_script_and_a_place_to_write_and_nothing_else(image, tmp_path):
    code = ("import os, socket, sys\n"
            "open('/tmp/file', 'w').write('x')\n"
            "try: open('/etc/file', 'w')\n"
            "except OSError as error: print(error.strerror)\n"
            "try: socket.create_connection(('192.0.2.1', 9), 2)\n"
            "except OSError as error: print(error.strerror)\n"
            "print(sys.argv[1], os.environ['OMP_NUM_THREADS'], os.getcwd())\n")
    ended = inside(image, tmp_path, code)
    assert ended.out.splitlines() == ["Read-only file system", "Network is unreachable", "word 1 /tmp"], ended


def test_a_job_over_its_memory_is_ended_by_the_engine(image, tmp_path):
    ended = inside(image, tmp_path, "kept = [bytearray(8 << 20) for _ in range(200)]; print('all')")
    assert (ended.how, ended.code, ended.out) == ("exit", 137, "")


def test_a_job_over_its_disk_is_refused_more(image, tmp_path):
    ended = inside(image, tmp_path, "open('/tmp/big', 'wb').write(bytes(200 << 20))")
    assert ended.code == 1
    assert "No space left" in ended.err


def test_a_late_job_and_its_orphans_are_gone(image, tmp_path):
    mark = f"{os.getpid()}.31"
    code = f"import os, time\nos.system('setsid sleep {mark} &')\ntime.sleep(60)"
    ended = inside(image, tmp_path, code, Bounds(4, 256 * MIB, 64 * MIB))
    assert ended.how == "time"
    assert subprocess.run(["pgrep", "-f", f"^sleep {mark}"], capture_output=True).returncode == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_container_dies_with_whoever_started_it(image, number):
    code = ("from agent.smoke.execution import *\nfrom agent.smoke.places import *\n"
            f"bounds = Bounds(60, {256 * MIB}, {64 * MIB})\n"
            f"ready = launch(Place('container', {image!r}), new_name(), bounds, ('sleep', '61'), stdin=False)\n"
            "run_bounded(ready.argv, bounds, after=ready.after)\n")
    started = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    wait_until(lambda: containers() != [])
    time.sleep(1)
    started.send_signal(number)
    started.wait(10)
    wait_until(lambda: containers() == [])


def wait_until(true) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_gpu_without_a_runtime_is_explained(image):
    place = Place("container", image, gpu_by="gpus")
    ready = launch(place, new_name(), BOUNDS, ("true",), gpu="all", stdin=False)
    ended = run_bounded(ready.argv, BOUNDS, after=ready.after)
    from agent.matrix.explanation import explain_text

    assert ended.code != 0
    assert [found.rows[0] for found in explain_text(ended.err)] == ["symptom.no-nvidia-runtime"]


def test_a_job_of_several_files_runs_in_a_container(image):
    ready = launch(Place("container", image), new_name(), BOUNDS, ("python3", "-"), threads=1)
    ended = run_bounded(ready.argv, BOUNDS, env=ready.env, after=ready.after, stdin=serving_bundle())
    document = find_document(ended.out)
    assert document is not None, ended.err
    assert (document["job"], document["error"]["kind"]) == ("vllm", "no-vllm")


def test_starting_a_container_costs_little(image, tmp_path):
    began = time.monotonic()
    ended = inside(image, tmp_path, "print('{}')")
    assert ended.code == 0
    assert time.monotonic() - began < 20
    assert ended.peak_memory_bytes < GIB
