"""`firstlight images` on a recorded machine, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli.main import main
from tests.unit.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"


def test_the_list_of_a_machine_without_a_gpu(capture: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["images", "list", "--machine", capture, "--profile", "cpu-only"]) == 0
    assert_golden(capsys.readouterr().out, GOLDEN / "images-list.txt")


def test_the_list_as_json_keeps_what_does_not_fit_with_the_reason(
    capture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["images", "list", "cuda", "--machine", capture, "--profile", "cpu-only", "-o", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["data"]
    assert {(row["name"], row["fits"]) for row in rows} == {("cuda-13", "no"), ("cuda-12", "no")}
    assert all("needs an NVIDIA GPU" in row["why"][0] for row in rows)


@pytest.mark.parametrize(("words", "says"), [
    (["list", "cuba"], "no such purpose"), (["verify", "pytroch"], "no such purpose or image"),
    (["verify", "a b"], "no such purpose or image"), (["verify", "A/B"], "is no image reference"),
    (["list", "--catalogue", "nowhere.yaml"], "does not exist"), (["verify", "vllm"], "no image of the catalogue fits"),
])
def test_a_wrong_word_is_told_in_a_sentence(capture: str, capsys: pytest.CaptureFixture[str], words, says) -> None:
    assert main(["images", *words, "--machine", capture, "--profile", "cpu-only"]) == 3
    assert says in capsys.readouterr().err


def test_an_engine_of_another_machine_is_not_used(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert main(["images", "pull", "--profile", "cpu-only"]) == 3
    assert "this machine's engine alone" in capsys.readouterr().err
