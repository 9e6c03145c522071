"""`images pull` through a real engine: what is right comes and is remembered, what is wrong never does."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from agent.images.engine import Engine
from tests.registry.conftest import Firstlight, Stock
from tests.registry.emulation import CPU, KERNEL_NAMES, OTHER
from tests.registry.proxy import running_proxy

pytestmark = [pytest.mark.node, pytest.mark.timeout(300)]
CPUS = {CPU: OTHER, OTHER: CPU}


def ledger(tmp_path: Path) -> list[str]:
    file = tmp_path / "state/images.json"
    return [item["reference"] for item in json.loads(file.read_text())["images"]] if file.exists() else []


def ran(reference: str, platform: str) -> str:
    """Return what an image's program says: the CPU it runs on."""
    argv = ["docker", "run", "--rm", "--network=none", "--pull=never", f"--platform={platform}", reference]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_the_images_of_this_cpu_come_run_and_are_remembered(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, tmp_path: Path, cpu: str
) -> None:
    for name in ("multi", f"only-{cpu}"):
        code, [row] = firstlight("pull", stock.reference(name))
        assert (code, row["outcome"], row["program"]) == (0, "pulled", "/bin/sh"), row
        found = clean_engine.find_image(stock.reference(name))
        assert found
        assert found["Architecture"] == cpu
        assert ran(stock.reference(name), f"linux/{cpu}") == KERNEL_NAMES[cpu]
    downloads = stock.registry.downloads()
    assert set(stock.multi[cpu].layers) <= downloads
    assert set(stock.multi[CPUS[cpu]].layers) & downloads == set()
    assert ledger(tmp_path) == [stock.reference("multi"), stock.reference(f"only-{cpu}")]


def test_what_is_here_is_not_pulled_again(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, cpu: str
) -> None:
    assert firstlight("pull", stock.reference("multi"), "--dry-run")[1][0]["outcome"] == "would be pulled"
    assert clean_engine.find_image(stock.reference("multi")) is None
    firstlight("pull", stock.reference("multi"))
    stock.registry.downloads()
    assert firstlight("pull", stock.reference("multi"))[1][0]["outcome"] == "here"
    assert firstlight("pull", stock.reference("multi"), "--dry-run")[1][0]["outcome"] == "here"
    assert stock.registry.downloads() == set()


def test_the_other_cpu_is_pulled_on_demand(stock: Stock, clean_engine: Engine, firstlight: Firstlight) -> None:
    code, [row] = firstlight("pull", stock.reference("multi"), "--platform", f"linux/{OTHER}")
    found = clean_engine.find_image(stock.reference("multi"))
    assert (code, row["outcome"], found and found["Architecture"]) == (0, "pulled", OTHER)
    assert stock.registry.downloads() & set(stock.multi[CPU].layers) == set()


@pytest.mark.parametrize(("name", "says"), [
    ("only-{other}", "not for {cpu}"), ("nowhere", "no such image"), ("torn", "is missing there"),
    ("truncated-{cpu}", "has 100 bytes instead of"),
])
def test_a_wrong_image_is_refused_and_no_layer_of_it_is_downloaded(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, tmp_path: Path, cpu: str, name: str, says: str
) -> None:
    words = {"cpu": cpu, "other": CPUS[cpu]}
    reference = stock.reference(name.format(**words))
    stock.registry.downloads()
    code, [row] = firstlight("pull", reference)
    assert (code, row["outcome"]) == (1, "refused")
    assert says.format(**words) in row["error"]
    assert stock.registry.downloads() & (stock.refused_layers | set(stock.only[CPUS[cpu]].layers)) == set()
    assert clean_engine.find_image(reference) is None
    assert ledger(tmp_path) == []


def test_a_damaged_layer_is_named_and_nothing_stays(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, tmp_path: Path, cpu: str
) -> None:
    code, [row] = firstlight("pull", stock.reference(f"damaged-{cpu}"))
    assert (code, row["outcome"]) == (1, "failed")
    assert "what the registry sent is damaged" in row["error"]
    assert clean_engine.find_image(stock.reference(f"damaged-{cpu}")) is None
    assert ledger(tmp_path) == []


def test_an_image_whose_label_lies_is_taken_away_again(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, tmp_path: Path, cpu: str
) -> None:
    name = stock.reference(f"liar-{cpu}")
    code, [row] = firstlight("pull", name)
    assert (code, row["outcome"]) == (1, "failed")
    assert f"/bin/sh in it is built for {CPUS[cpu]}" in row["error"]
    assert clean_engine.find_image(f"{name[:-2]}@{stock.liar[cpu].digest}") is None
    assert ledger(tmp_path) == []


def test_one_whose_label_lies_and_that_somebody_else_brought_is_told_and_left(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, cpu: str
) -> None:
    name = stock.reference(f"liar-{cpu}")
    subprocess.run(["docker", "pull", "--quiet", "--platform", f"linux/{cpu}", name], check=True, capture_output=True)
    code, [row] = firstlight("pull", name)
    assert (code, row["outcome"]) == (1, "failed")
    assert f"is here, but /bin/sh in it is built for {CPUS[cpu]}" in row["error"]
    assert clean_engine.find_image(name) is not None


def test_a_slow_connection_takes_its_time_and_succeeds(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, cpu: str
) -> None:
    stock.registry.push_image("bed/slow", "1", cpu, bytes_more=600_000)
    with running_proxy(stock.registry.port, rate=200_000) as proxy:
        begun = time.monotonic()
        code, [row] = firstlight("pull", f"127.0.0.1:{proxy.port}/bed/slow:1")
        assert (code, row["outcome"], row["attempts"]) == (0, "pulled", 1), row
        assert time.monotonic() - begun > 2


def test_who_waits_for_a_slow_pull_is_told_the_bytes(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, tmp_path: Path, cpu: str
) -> None:
    stock.registry.push_image("bed/told", "1", cpu, bytes_more=600_000)
    told: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            if (tmp_path / "far").exists():
                told.add((tmp_path / "far").read_text())

    looker = threading.Thread(target=look)
    looker.start()
    with running_proxy(stock.registry.port, rate=200_000) as proxy:
        reference = f"127.0.0.1:{proxy.port}/bed/told:1"
        code, _ = firstlight("pull", reference, "--tell", str(tmp_path / "far"))
    over.set()
    looker.join()
    told.discard("")  # looked at between truncating and writing
    assert code == 0
    assert len(told) > 1
    assert all(re.fullmatch(rf"{reference}: [\d.]+ [kMG]?B of [\d.]+ [kMG]?B", line) for line in told), told


def test_a_dying_connection_is_resumed_not_begun_again(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, cpu: str
) -> None:
    image = stock.registry.push_image("bed/dying", "1", cpu, bytes_more=4_000_000)
    with running_proxy(stock.registry.port, dies_after=3_000_000, deaths=1) as proxy:
        code, [row] = firstlight("pull", f"127.0.0.1:{proxy.port}/bed/dying:1")
        assert (code, row["outcome"], proxy.died) == (0, "pulled", 1), row
        assert proxy.passed_bytes < image.size_bytes * 1.2


def test_a_connection_that_never_holds_ends_with_the_reason_and_the_bytes(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.images.pulling.PAUSES_S", ())  # the engine's own five attempts take 75 s
    stock.registry.push_image("bed/hopeless", "1", CPU, bytes_more=4_000_000)
    with running_proxy(stock.registry.port, dies_after=100_000, deaths=10**6) as proxy:
        code, [row] = firstlight("pull", f"127.0.0.1:{proxy.port}/bed/hopeless:1")
    assert (code, row["outcome"]) == (1, "failed")
    assert "the pull broke off" in row["error"]
    assert "look at the network" in row["hint"]
    assert ledger(tmp_path) == []


def test_only_what_we_pulled_is_ever_cleaned(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight, tmp_path: Path
) -> None:
    ours, theirs = stock.reference("multi"), stock.reference(f"only-{CPU}")
    for _ in clean_engine.pull(theirs[:-2], "1", f"linux/{CPU}"):
        pass
    firstlight("pull", ours)
    assert firstlight("pull", theirs)[1][0]["outcome"] == "here"
    assert [one["removed"] for one in firstlight("clean", "--dry-run")[1]] == [True]
    assert clean_engine.find_image(ours)
    firstlight("clean")
    assert clean_engine.find_image(ours) is None
    assert clean_engine.find_image(theirs)
    assert ledger(tmp_path) == []


def test_an_image_that_a_container_uses_is_kept(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight
) -> None:
    firstlight("pull", stock.reference("multi"))
    with clean_engine.unstarted(stock.reference("multi")):
        [kept] = firstlight("clean")[1]
    assert not kept["removed"]
    assert "containers use it" in kept["why"]


def test_what_is_here_stays_good_while_the_registry_is_away(
    stock: Stock, clean_engine: Engine, firstlight: Firstlight
) -> None:
    with running_proxy(stock.registry.port) as proxy:
        name = f"127.0.0.1:{proxy.port}/bed/multi:1"
        assert firstlight("pull", name)[1][0]["outcome"] == "pulled"
    for words in ((), ("--dry-run",)):
        code, [row] = firstlight("pull", name, *words)
        assert (code, row["outcome"]) == (0, "here"), row
        assert "does not answer" in row["hint"]
    assert firstlight("pull", name.replace("multi", "other"))[0] == 1
