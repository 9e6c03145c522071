"""Stand-ins for the tests of the runner: sessions, GPUs, and interpreters that print prepared documents."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from agent.machine.gpu import Cards
from agent.model.gpu import Gpu, GpuView
from agent.model.hardware import PciGpu
from agent.model.profile import Profile
from agent.model.resolved import resolve
from agent.model.units import GIB
from agent.smoke.session import Session
from agent.state.history import History
from agent.state.jobs import JobHistory
from tests.fixtures import FakeMachine

UUID = "GPU-11111111-2222-3333-4444-555555555555"
OTHER = "GPU-99999999-2222-3333-4444-555555555555"


def gpu(name: str = "NVIDIA H200", uuid: str = UUID, index: int = 0, **readings: Any) -> Gpu:
    """Return a free GPU; readings given replace its own."""
    free = {"compute_processes": [], "graphics_processes": []}
    return Gpu(index, uuid, name, f"0000:0{index}:00.0", {**free, **readings})


def cards(*gpus: Gpu) -> Cards:
    """Return cards on the bus and in NVML's view."""
    return Cards(tuple(PciGpu(g.address, "2335", g.name) for g in gpus), GpuView("580.95.05", "13.0", gpus))


def session(*gpus: Gpu, machine: FakeMachine | None = None, folder: Path | None = None, **smoke: Any) -> Session:
    """Return a session on a fake machine with these GPUs; `folder` keeps a history."""
    resolved = resolve(Profile.model_validate({"name": "test", "smoke": smoke}), 32 * GIB, "digest")
    history = JobHistory(History(folder)) if folder else None
    made = Session(machine or FakeMachine(), resolved, resolved.profile.smoke, "box", history)
    made.__dict__["cards"] = cards(*gpus) if gpus else Cards((), None)
    return made


def document(*bad: str, job: str = "lora", device: str = "NVIDIA H200", **figures: float) -> dict[str, Any]:
    """Return what a job prints: three criteria, those named not holding."""
    rows = [{"id": name, "ok": name not in bad, "seen": 1, "limit": "2"} for name in ("finite", "captured", "causal")]
    return {"job": job, "device": {"name": device, "torch": "2.13.0"}, "checks": rows, "figures": figures,
            "settings": {"size": "small", "seed": 3}}


def interpreter(folder: Path, *answers: dict[str, Any] | str, code: int = 0) -> str:
    """Return an interpreter that gives the answers in turn (the last for ever): a document, or a text on stderr."""
    folder.mkdir(exist_ok=True)
    for number, answer in enumerate(answers):
        (folder / f"answer{number}").write_text(json.dumps(answer) if isinstance(answer, dict) else answer)
    program = folder / "python"
    program.write_text(
        f"#!{sys.executable}\n"
        "import json, os, pathlib, sys\n"
        f"here = pathlib.Path({str(folder)!r})\n"
        "count = here / 'count'\n"
        "n = int(count.read_text()) if count.exists() else 0\n"
        "count.write_text(str(n + 1))\n"
        f"text = (here / f'answer{{min(n, {len(answers) - 1})}}').read_text()\n"
        "seen = {'words': sys.argv[1:], 'visible': os.environ.get('CUDA_VISIBLE_DEVICES')}\n"
        "seen['script'] = len(sys.stdin.read())\n"
        "(here / f'seen{n}').write_text(json.dumps(seen))\n"
        "print('a banner'); print(text, file=sys.stdout if text.startswith('{') else sys.stderr)\n"
        f"sys.exit({code})\n")
    program.chmod(0o755)
    return str(program)


def asked(program: str, number: int = 0) -> dict[str, Any]:
    """Return what an interpreter was given at its n-th call."""
    return dict(json.loads((Path(program).parent / f"seen{number}").read_text()))


def calls(program: str) -> int:
    """Return how often an interpreter was called."""
    return int((Path(program).parent / "count").read_text())
