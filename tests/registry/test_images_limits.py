"""What stops a pull halfway, with a real engine: a registry's limit, a disk that is full."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.images.engine import Engine
from agent.model.errors import FirstlightError
from tests.registry.conftest import Firstlight, Stock
from tests.registry.emulation import CPU
from tests.registry.limiter import running_limiter

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]


def test_a_limit_that_passes_is_waited_for(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.images.pulling.PAUSES_S", (0.1, 0.1))
    image = stock.registry.push_image("bed/limited", "image", CPU)
    stock.registry.push_index("bed/limited", "1", {CPU: image})
    with running_limiter(stock.registry.port, 1, image.layers) as limiter:
        code, [row] = firstlight("pull", f"127.0.0.1:{limiter.port}/bed/limited:1")
    assert (code, row["outcome"], limiter.refused) == (0, "pulled", 1), row
    assert row["attempts"] == 2


def test_a_limit_that_stays_is_named_with_what_to_do(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("agent.images.pulling.PAUSES_S", (0.1,))
    stock.registry.push_index("bed/closed", "1", {CPU: stock.registry.push_image("bed/closed", "image", CPU)})
    with running_limiter(stock.registry.port, 10**6) as limiter:
        code, [row] = firstlight("pull", f"127.0.0.1:{limiter.port}/bed/closed:1")
    assert (code, row["outcome"]) == (1, "failed"), row
    assert "the registry limits how often we may pull" in row["error"]
    assert "log in" in row["hint"]
    assert not (tmp_path / "state/images.json").exists()


@contextlib.contextmanager
def small_engine(megabytes: int) -> Iterator[str]:
    """Start an engine of the test's own whose disk holds so many MB; yields its socket.

    It shares the machine's bridge and network, for the registry is there.
    """
    root = Path(tempfile.mkdtemp(prefix="fl-disk-"))
    (root / "data").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "bed", str(root / "data")], check=True)
    argv = ["dockerd", "--config-file", str(root / "none.json"), "--data-root", str(root / "data"),
            "--exec-root", str(root / "exec"), "--pidfile", str(root / "docker.pid"), "--bridge", "docker0",
            "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
            "-H", f"unix://{root}/docker.sock"]
    (root / "none.json").write_text("{}")
    with (root / "dockerd.log").open("wb") as log:
        server = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 90
        while True:
            with contextlib.suppress(FirstlightError):
                Engine(f"{root}/docker.sock").find_image("nothing")
                break
            assert server.poll() is None, (root / "dockerd.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "dockerd did not start in 90 s"
            time.sleep(0.3)
        yield f"{root}/docker.sock"
    finally:
        server.terminate()
        server.wait(60)
        subprocess.run(["umount", "--lazy", str(root / "data")], check=False)
        shutil.rmtree(root, ignore_errors=True)


def test_a_disk_that_fills_up_halfway_is_named_with_the_bytes_that_came(
    stock: Stock, engine: Engine, firstlight: Firstlight, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The room is enough when the product asks, and gone when the engine needs it."""
    stock.registry.push_image("bed/large", "1", CPU, bytes_more=40_000_000)
    with small_engine(30) as path:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        code, [row] = firstlight("pull", stock.reference("large"))
        assert (code, row["outcome"]) == (1, "failed"), row
        assert "the disk is full" in row["error"]
        assert "of 40.0 MB came" in row["error"]
        assert "firstlight images clean" in row["hint"]
        assert Engine(path).find_image(stock.reference("large")) is None
        assert "large" not in json.dumps(firstlight("clean", "--dry-run")[1])
    assert not (tmp_path / "state/images.json").exists()
