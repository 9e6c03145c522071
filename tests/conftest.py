"""For every tier: a skip under CI is a failure, and what was not run is named."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

TIERS = {
    "root": "root and loop devices: sudo make test-node",
    "node": "root, Docker and debootstrap: sudo make test-node",
    "vm": "root, qemu and debootstrap: sudo make test-vm",
    "torch": "an interpreter with torch: make test-jobs",
    "vllm": "an interpreter with vLLM: make test-vllm",
}
# A shell's background job starts with Ctrl-C ignored, and so would everything the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
NOT_RUN = pytest.StashKey[Counter[str]]()


def _fail_when_skipped_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but under CI everything must run: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_when_skipped_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_when_skipped_in_ci(report)
    return report


def pytest_configure(config: pytest.Config) -> None:
    config.stash[NOT_RUN] = Counter()


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        for tier in TIERS:
            if item.get_closest_marker(tier):
                item.config.stash[NOT_RUN][tier] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if "not root" not in config.getoption("markexpr", ""):
        return
    for tier, needs in TIERS.items():
        if count := config.stash[NOT_RUN][tier]:
            terminalreporter.write_line(f"not run: {count} tests of tier {tier}, which need {needs}")


NOBODY = 65534


class AsNobody(Protocol):
    def __call__(self) -> AbstractContextManager[None]: ...


@pytest.fixture
def open_folder() -> Generator[Path, None, None]:
    """A folder that every user may enter, unlike tmp_path."""
    folder = Path(tempfile.mkdtemp(prefix="firstlight-test-"))
    folder.chmod(0o755)
    yield folder
    for closed in folder.iterdir():
        closed.chmod(0o700)
    shutil.rmtree(folder)


@pytest.fixture
def as_nobody() -> AsNobody:
    """Return a context in which we have no rights: root becomes nobody, anyone else stays."""

    @contextmanager
    def powerless() -> Generator[None, None, None]:
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)

    return powerless
