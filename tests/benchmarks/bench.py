"""`make bench`: what Firstlight costs, beside Python itself, pytest-testinfra and ansible on the same machine.

Medians; ours and the peer's runs alternate. The apply is measured on a disposable node and is left out, by name,
where there is no root or no Docker.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.measure import measured, medians

HERE = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
RUNS = int(os.environ.get("FIRSTLIGHT_BENCH_RUNS", "7"))
Figures = dict[str, float]


def alternating(*commands: list[str]) -> list[Figures]:
    """Run the commands in turn RUNS times and return the medians of each."""
    collected: list[list[Figures]] = [[] for _ in commands]
    for _ in range(RUNS):
        for runs, command in zip(collected, commands, strict=True):
            runs.append(measured(command))
    return [medians(runs) for runs in collected]


def row(name: str, figures: Figures, note: str = "") -> None:
    """Print one line of the table."""
    print(f"| {name} | {figures['wall_s']:.3f} | {figures['cpu_s']:.3f} | {figures['peak_mb']:.1f} | {note} |")


def start_up() -> None:
    """Compare the lightest commands with a bare interpreter."""
    firstlight = str(BIN / "firstlight")
    bare, version, helped = alternating([sys.executable, "-c", "pass"], [firstlight, "--version"],
                                        [firstlight, "--help"])
    row("`python3 -c pass`", bare)
    for name, figures in (("--version", version), ("--help", helped)):
        row(f"`firstlight {name}`", figures, f"{figures['cpu_s'] / bare['cpu_s']:.1f}x python (goal 5x)")


def checks() -> None:
    """Compare a quick check with pytest-testinfra asserting the same facts."""
    command = [str(BIN / "firstlight"), "check", "--level", "quick", "--no-save", "-o", "json"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    count = len(json.loads(listed)["data"]["runs"])
    with tempfile.TemporaryDirectory() as folder:
        facts = shutil.copy(HERE / "peer_facts.py", Path(folder) / "test_facts.py")
        peer = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, "-c", os.devnull,
                "--hosts=local://", str(facts)]
        told = subprocess.run([*peer, "--collect-only"], capture_output=True, text=True, check=True, cwd=folder).stdout
        assertions = sum("::" in line for line in told.splitlines())
        ours, theirs = alternating(command, peer)
    for name, figures, number in (("`firstlight check --level quick`", ours, count),
                                  ("pytest-testinfra, the same facts", theirs, assertions)):
        row(name, figures, f"{number} checks, {figures['cpu_s'] / number * 1000:.1f} ms CPU and "
                           f"{figures['wall_s'] / number * 1000:.1f} ms wall each")


def floor_play(module: str, count: int) -> str:
    """Return a play of `count` tasks that change nothing."""
    task = {"debug": "ansible.builtin.debug: {msg: x}", "file": "ansible.builtin.file: {path: /tmp, state: directory}"}
    body = "".join(f"    - {task[module]}\n" for _ in range(count))
    return "- hosts: localhost\n  gather_facts: false\n  connection: local\n" + ("  tasks:\n" + body if count else "")


def apply() -> None:
    """Compare an apply that changes nothing, on a converged node, with ansible doing nothing as often."""
    from tests.node.nodes import fresh_node, kept_host_values, product_image, running_engine
    from tests.node.profiles import NODE, prepare

    runs = str(min(RUNS, 5))
    with tempfile.TemporaryDirectory() as folder, running_engine(), kept_host_values(), \
            product_image("bookworm", Path(folder)) as image, fresh_node(image) as node:
        prepare(node, NODE)
        first = node.firstlight("apply", "--yes", "-o", "json")
        assert first.code == 0, str(first)
        again = node.firstlight("apply", "--yes", "-o", "json")
        tasks = sum("] " in line and line.startswith("doing:") for line in again.err.splitlines()) or \
            sum("/" in line and "]" in line for line in again.err.splitlines())
        node.write("/opt/measure.py", (HERE / "measure.py").read_text())

        def inside(*words: str) -> Figures:
            found: Figures = json.loads(node.must(["python3", "/opt/measure.py", runs, *words], timeout_s=900))
            return found

        row("no-op `firstlight apply`, all roles", inside("/opt/firstlight/bin/firstlight", "apply", "--yes"),
            f"{tasks} tasks (goal 20 s wall)")
        for module, count in (("debug", 0), ("debug", tasks), ("file", tasks)):
            node.write("/opt/floor.yml", floor_play(module, count))
            row(f"ansible-playbook, {f'{count} {module} tasks' if count else 'an empty play'}",
                inside("/opt/firstlight/bin/ansible-playbook", "-i", "localhost,", "/opt/floor.yml"))


def main() -> None:
    """Print the table."""
    print(f"{platform.platform()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, "
          f"load {os.getloadavg()[0]:.1f}; medians of {RUNS}\n")
    print("| | wall s | CPU s | peak MB | |\n|---|---|---|---|---|")
    start_up()
    checks()
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        print("\nnot measured: the no-op apply, which needs root and Docker for a disposable node")
    else:
        apply()


if __name__ == "__main__":
    main()
