"""The interpreter with torch that the jobs are tried with: FIRSTLIGHT_TORCH, else the one `make test-jobs` makes."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MADE = REPOSITORY / ".build/torch/bin/python"


def torch_python() -> str:
    """Return the interpreter; skips the test without one."""
    given = os.environ.get("FIRSTLIGHT_TORCH") or (str(MADE) if MADE.exists() else "")
    if not given:
        pytest.skip("needs an interpreter with torch: make test-jobs")
    return given


def injected(job: str, *words: str, timeout_s: float = 110) -> list[dict[str, Any]]:
    """Return what tests/smoke/faults.py prints for a job and its faults, or for healthy seeds."""
    done = subprocess.run([torch_python(), str(REPOSITORY / "tests/smoke/faults.py"), job, *words],
                          capture_output=True, text=True, timeout=timeout_s, check=True,
                          env={**os.environ, "OMP_NUM_THREADS": "1"})
    return [json.loads(line) for line in done.stdout.splitlines()]


def ran(script: str, *words: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the document of a job that is run as a user would."""
    with (REPOSITORY / "checks/smoke/jobs" / script).open() as given:
        done = subprocess.run([torch_python(), "-", *words], stdin=given, capture_output=True, text=True, timeout=300,
                              check=False, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return done.returncode, json.loads(done.stdout.splitlines()[-1])
