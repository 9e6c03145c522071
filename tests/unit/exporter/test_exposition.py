"""The page: both formats, compression, negotiation; always whole, whatever is missing."""

from __future__ import annotations

import gzip
import re
import time

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from agent.exporter.exposition import OPENMETRICS, TEXT, Exposition, Instant, accepts_gzip, negotiate
from agent.exporter.facts import Facts, with_report
from agent.exporter.health import judge_health
from agent.exporter.sampler import Sampler
from agent.model.verdict import Verdict
from tests.fixtures import FakeMachine
from tests.monitoring.reports import report

EMPTY = FakeMachine(folders=("/sys/bus/pci/devices",))
PROMETHEUS = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
              "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")


def exposition(checks: int = 5) -> tuple[Exposition, Sampler]:
    sampler = Sampler(lambda: EMPTY, 30, lambda: None)
    made = Exposition(sampler)
    sampler.sample()
    made.tell(with_report(Facts(), report("box", checks=checks, verdicts={"a.b": Verdict.FAIL})))
    return made, sampler


def test_openmetrics_is_whole_and_each_family_stands_together() -> None:
    page = exposition()[0].page(OPENMETRICS).decode()
    assert page.endswith("# EOF\n")
    assert page.count("# EOF") == 1
    names = [family.name for family in parse_openmetrics(page)]
    assert len(names) == len(set(names))
    assert "firstlight_scrapes" in names


def test_plain_text_is_whole() -> None:
    page = exposition()[0].page(TEXT).decode()
    found = {sample.name for family in parse_text(page) for sample in family.samples}
    assert {"firstlight_check_verdict", "firstlight_check_age_seconds", "firstlight_scrapes_total"} <= found
    assert "# EOF" not in page


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS])
def test_compressed_it_is_the_same_page(form: str) -> None:
    made = exposition()[0]
    plain, packed = made.page(form).decode(), gzip.decompress(made.page(form, compressed=True)).decode()
    assert [line.split(" ")[0] for line in plain.splitlines()] == [line.split(" ")[0] for line in packed.splitlines()]


def test_ages_grow_between_scrapes_although_nothing_arrives() -> None:
    made = exposition()[0]

    def age() -> float:
        return next(sample.value for family in parse_text(made.page(TEXT).decode()) for sample in family.samples
                    if sample.name == "firstlight_check_age_seconds")

    first = age()
    time.sleep(0.05)
    assert age() > first


def test_an_exporter_that_knows_nothing_yet_answers() -> None:
    made = Exposition(Sampler(lambda: EMPTY, 30, lambda: None))
    assert made.page(OPENMETRICS).endswith(b"# EOF\n")


def test_new_facts_replace_the_old_page() -> None:
    made, _ = exposition()
    assert b'check="a.b",subject="",verdict="fail"' in made.page(TEXT)
    made.tell(with_report(Facts(), report("box", verdicts={"a.b": Verdict.PASS})))
    assert b'check="a.b",subject="",verdict="pass"' in made.page(TEXT)
    assert b'check="a.b",subject="",verdict="fail"' not in made.page(TEXT)


def test_a_hundred_checks_and_one_more_scrape_are_rendered_once() -> None:
    made, _ = exposition(100)
    made.page(TEXT)
    began = time.process_time()
    for _ in range(20):
        made.page(TEXT)
    assert (time.process_time() - began) / 20 < 0.02


@pytest.mark.parametrize(("accept", "form"), [
    (PROMETHEUS, OPENMETRICS), ("", TEXT), ("*/*", TEXT), ("text/plain", TEXT), ("text/html,*/*;q=0.8", TEXT),
    ("application/openmetrics-text", OPENMETRICS), ("application/openmetrics-text; version=0.0.1", OPENMETRICS),
    ("text/plain;q=0.9,application/openmetrics-text;q=0.5", TEXT), ("application/openmetrics-text;q=0", TEXT),
    ("application/openmetrics-text;q=abc", TEXT), (";;,,;q=", TEXT),
])
def test_the_format_is_negotiated(accept: str, form: str) -> None:
    assert negotiate(accept) == form


@pytest.mark.parametrize(("accept", "wanted"), [
    ("gzip", True), ("deflate, gzip;q=0.5", True), ("gzip;q=0", False), ("identity", False), ("", False),
])
def test_compression_is_negotiated(accept: str, wanted: bool) -> None:
    assert accepts_gzip(accept) is wanted


def test_health_is_honest() -> None:
    sampler = Sampler(lambda: EMPTY, 30, lambda: None)
    known = with_report(Facts(), report("box", age_s=60))
    assert not judge_health(None, sampler).well
    assert "no sample yet" in "\n".join(judge_health(known, sampler).lines)
    sampler.sample()
    assert judge_health(known, sampler).well
    assert "newest report 60 s old" in "\n".join(judge_health(known, sampler).lines)
    assert "holds no report" in "\n".join(judge_health(Facts(), sampler).lines)
    assert not judge_health(Facts(problem="disk I/O error", reports=known.reports), sampler).well


def test_a_sampler_that_stopped_is_ill(monkeypatch: pytest.MonkeyPatch) -> None:
    sampler = Sampler(lambda: EMPTY, 30, lambda: None)
    sampler.sample()
    monkeypatch.setattr("agent.exporter.sampler.time.monotonic", lambda: sampler.started + 101)
    health = judge_health(with_report(Facts(), report("box")), sampler)
    assert not health.well
    assert "no sample in time" in health.lines[2]


def renewed_age(made: Exposition) -> float:
    """Render anew and return the age of the first check on the page."""
    made.refresh()
    return float(re.findall(rb"^firstlight_check_age_seconds.* (\S+)$", made.page(TEXT), re.MULTILINE)[0])


def test_an_age_never_goes_back_however_long_rendering_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = exposition(1)
    settle = made.gather_settled

    def age(pause_s: float) -> float:
        monkeypatch.setattr(made, "gather_settled", lambda: (time.sleep(pause_s), settle())[1])
        return renewed_age(made)

    made.page(TEXT)
    seen = [age(pause_s) for pause_s in (0, 0.3, 0, 0.3, 0)]
    assert seen == sorted(seen)


def test_an_age_never_goes_back_when_the_clocks_are_read_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = exposition(1)
    apart = iter([0.0, 0.0009] * 8)  # what this_instant lets pass between its two readings

    def read() -> Instant:
        return Instant(time.time() - next(apart), time.monotonic())

    monkeypatch.setattr("agent.exporter.exposition.this_instant", read)
    made.page(TEXT)
    seen = [renewed_age(made) for _ in range(10)]
    assert seen == sorted(seen)


def test_a_clock_that_was_set_counts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = exposition(1)
    ages = []
    for ahead in (0.0, 100.0, 0.0):
        monkeypatch.setattr("agent.exporter.exposition.this_instant",
                            lambda ahead=ahead: Instant(time.time() + ahead, time.monotonic()))
        made.page(TEXT)
        ages.append(renewed_age(made))
    assert ages[1] - ages[0] == pytest.approx(100, abs=5)
    assert ages[2] == pytest.approx(ages[0], abs=5)
