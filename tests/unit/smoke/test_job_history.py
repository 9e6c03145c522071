from __future__ import annotations

import pytest

from agent.model.job import JobLine
from agent.state.history import History
from agent.state.jobs import FIRST_DAY_S, KEPT_S, JobHistory

DAY = 1_780_000_000.0


@pytest.fixture
def history(tmp_path):
    return JobHistory(History(tmp_path))


def line(started=DAY, verdict="pass", job="bandwidth", subject="GPU-1", setting="local", **figures):
    return JobLine("box", job, subject, setting, started, 1.5, verdict, figures, {"job": job})


def first_day(history, **key):
    wanted = {"job": "bandwidth", "subject": "GPU-1", "setting": "local", **key}
    return history.first_day("box", **wanted)


def test_the_first_day_is_the_median_of_its_passes(history):
    for minute, value in enumerate((100.0, 300.0, 110.0)):
        history.add(line(DAY + 60 * minute, copy_gbs=value))
    history.add(line(DAY + 2, "fail", copy_gbs=1.0))
    history.add(line(DAY + FIRST_DAY_S + 1, copy_gbs=5.0))
    assert first_day(history) == {"copy_gbs": 110.0}


def test_another_card_or_setting_has_a_first_day_of_its_own(history):
    history.add(line(copy_gbs=100.0))
    assert first_day(history, subject="GPU-2") == {}
    assert first_day(history, setting="container") == {}


def test_old_results_go_but_the_first_day_stays(history):
    history.add(line(copy_gbs=100.0))
    history.add(line(DAY + 3 * FIRST_DAY_S, copy_gbs=90.0))
    history.add(line(DAY + KEPT_S + 30 * FIRST_DAY_S, copy_gbs=80.0))
    assert [kept.figures["copy_gbs"] for kept in history.lines("box")] == [80.0, 100.0]
    assert first_day(history) == {"copy_gbs": 100.0}


def test_forgetting_begins_a_new_first_day(history):
    history.add(line(copy_gbs=100.0))
    history.forget("box", "bandwidth")
    history.add(line(DAY + 9 * FIRST_DAY_S, copy_gbs=50.0))
    assert first_day(history) == {"copy_gbs": 50.0}


def test_results_and_reports_live_in_one_file(history, tmp_path):
    history.add(line(copy_gbs=1.0))
    again = JobHistory(History(tmp_path))
    assert again.lines("box", "bandwidth")[0] == line(copy_gbs=1.0)
    assert again.lines("box", "lora") == []
    assert [path.name for path in tmp_path.glob("*.sqlite")] == ["history.sqlite"]
