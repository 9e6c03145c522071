from __future__ import annotations

import dataclasses

import pytest

from agent.matrix.combination import Combination, Told, observe_combination, system_name
from agent.matrix.judgement import judge_combination, judge_torch
from agent.model.errors import Unobservable
from agent.model.hardware import Hardware, PciGpu
from tests.fixtures import FakeMachine

GB10 = Combination((("2e12", "NVIDIA GB10"),), "aarch64", "dgx-os", "6.17.0-1008-nvidia", Told("580.95.05"), True,
                   Told("13.0.2"), Told())
ADA = Combination((("2684", "NVIDIA GeForce RTX 4090"),), "x86_64", "debian-12", "6.1.0-49-amd64", Told("535.261.03"),
                  False, Told("12.1.0"), Told("9.0.0"))


def _answers(seen: Combination) -> dict[str, str]:
    return {about: str(verdict.answer) for about, verdict in judge_combination(seen)}


def _changed(seen: Combination, **values: object) -> dict[str, str]:
    return _answers(dataclasses.replace(seen, **values))


def test_machines_as_they_are_delivered_fit() -> None:
    assert set(_answers(GB10).values()) == {"yes"}
    assert set(_answers(ADA).values()) == {"yes"}
    assert "driver 535.261.03, cuDNN 9.0.0" in _answers(ADA)


def test_a_machine_without_a_card_has_nothing_to_judge() -> None:
    assert judge_combination(dataclasses.replace(GB10, cards=())) == ()
    assert judge_torch("2.9.0", "12.8", dataclasses.replace(GB10, cards=())) == ()


def test_without_a_loaded_driver_it_is_unknown() -> None:
    assert _changed(GB10, driver=Told())["driver"] == "unknown"
    (line, verdict), *_ = judge_combination(dataclasses.replace(GB10, driver=Told(why="/sys: denied")))
    assert (line, verdict.says) == ("driver", "unknown: /sys: denied, so it cannot be judged")


def test_the_wrong_flavour_of_modules_is_a_no() -> None:
    assert _changed(GB10, open_module=False)["GB10, kernel modules"] == "no"
    assert _changed(GB10, open_module=None)["GB10, kernel modules"] == "unknown"
    volta = dataclasses.replace(ADA, cards=(("1db4", "Tesla V100-PCIE-16GB"),))
    assert _changed(volta, open_module=True)["V100, kernel modules"] == "no"
    assert _changed(volta, open_module=False)["V100, kernel modules"] == "yes"


def test_a_driver_too_old_for_the_toolkit_is_a_no() -> None:
    assert _changed(ADA, toolkit=Told("13.0.0"))["driver 535.261.03, CUDA 13.0.0"] == "no"


def test_a_toolkit_that_cannot_be_read_is_unknown_and_an_absent_one_is_not_judged() -> None:
    assert _changed(ADA, toolkit=Told(why="permission denied"))["CUDA toolkit"] == "unknown"
    assert not any("CUDA" in about for about in _changed(ADA, toolkit=Told()))
    assert _changed(ADA, cudnn=Told(why="permission denied"))["cuDNN"] == "unknown"


def test_an_unknown_card_system_driver_or_cudnn_is_unknown() -> None:
    assert _changed(ADA, cards=(("ffff", "NVIDIA Quux 9"),))["card"] == "unknown"
    assert _changed(ADA, cards=(("ffff", "NVIDIA RTX"),))["card"] == "unknown"
    assert _changed(ADA, system="plan-9")["driver 535.261.03, plan-9"] == "unknown"
    assert _changed(ADA, driver=Told("999.1"))["driver 999.1"] == "unknown"
    assert _changed(ADA, cudnn=Told("99.1.0"))["RTX 4090, cuDNN 99.1.0"] == "unknown"


def test_several_kinds_of_cards_are_judged_each_and_alike_ones_once() -> None:
    cards = (*ADA.cards, *ADA.cards, ("2204", "NVIDIA GeForce RTX 3090"))
    judged = [about for about, _ in judge_combination(dataclasses.replace(ADA, cards=cards)) if "535" in about]
    assert judged[:2] == ["RTX 3090, driver 535.261.03", "RTX 4090, driver 535.261.03"]


def test_a_loaded_module_was_built_and_a_planned_one_may_not_be() -> None:
    loaded = dataclasses.replace(ADA, driver=Told("550.163.01"), kernel="6.17.13")
    assert not any("kernel 6.17" in about for about in _answers(loaded))
    assert _changed(loaded, asked=True)["driver 550.163.01, kernel 6.17.13"] == "no"
    assert _changed(loaded, asked=True, driver=Told("545.23.06"))["driver 545.23.06, kernel 6.17.13"] == "unknown"


@pytest.mark.parametrize(("version", "cuda", "seen", "answers"), [
    ("2.9.1+cu128", "12.8", ADA, {"yes"}),
    ("2.11.0+cu130", "13.0", ADA, {"yes", "no"}),  # code for the card, and a driver too old
    ("2.10.0", None, GB10, {"no"}),
    ("2.15.0+cu132", "13.2", GB10, {"yes"}),
    ("2.9.0a0+145a3a7bda.nv25.10", "13.0", GB10, {"unknown", "yes"}),
    ("2.6.0+cu124", "12.4", GB10, {"no", "yes"}),
])
def test_an_installed_torch_is_judged(version: str, cuda: str | None, seen: Combination, answers: set[str]) -> None:
    assert {str(verdict.answer) for _, verdict in judge_torch(version, cuda, seen)} == answers


HARDWARE = Hardware("box", "x86_64", "CPU", 2, 1 << 34, "debian", "12", "bookworm", "6.1.0-49-amd64", "", "none", "",
                    (PciGpu("0000:01:00.0", "2684", "NVIDIA GeForce RTX 4090"),), ())
HEADER = "#define CUDNN_MAJOR 9\n#define CUDNN_MINOR 10\n#define CUDNN_PATCHLEVEL 2\n"
FILES = {
    "/sys/module/nvidia/version": "580.95.05\n",
    "/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05\n",
    "/usr/local/cuda/version.json": '{"cuda": {"name": "CUDA SDK", "version": "13.0.2"}}',
    "/usr/include/x86_64-linux-gnu/cudnn_version_v9.h": HEADER,
}


def test_a_combination_is_read_from_the_machine() -> None:
    seen = observe_combination(FakeMachine(FILES), HARDWARE)
    assert (seen.driver, seen.open_module) == (Told("580.95.05"), False)
    assert (seen.toolkit, seen.cudnn) == (Told("13.0.2"), Told("9.10.2"))
    assert (seen.system, seen.cards) == ("debian-12", (("2684", "NVIDIA GeForce RTX 4090"),))


def test_what_is_not_there_and_what_cannot_be_seen_are_two_things() -> None:
    nothing = observe_combination(FakeMachine(), HARDWARE)
    assert (nothing.driver, nothing.toolkit, nothing.cudnn, nothing.open_module) == (Told(), Told(), Told(), None)
    denied = observe_combination(FakeMachine(errors=dict.fromkeys(FILES, Unobservable("denied"))), HARDWARE)
    assert (denied.driver, denied.toolkit, denied.cudnn) == (Told(why="denied"),) * 3


@pytest.mark.parametrize("content", ["", "{", "[]", '{"cuda": {}}', '{"cuda": {"version": "new"}}'])
def test_a_version_file_that_names_no_version_is_unknown(content: str) -> None:
    seen = observe_combination(FakeMachine(FILES | {"/usr/local/cuda/version.json": content}), HARDWARE)
    assert seen.toolkit.version == ""
    assert seen.toolkit.why or not content


def test_a_module_that_calls_itself_strangely_is_unknown() -> None:
    seen = observe_combination(FakeMachine(FILES | {"/sys/module/nvidia/version": "custom\n"}), HARDWARE)
    assert seen.driver == Told(why="the loaded module calls itself 'custom'")


def test_the_vendors_system_is_called_by_its_name() -> None:
    assert system_name(HARDWARE) == "debian-12"
    assert system_name(dataclasses.replace(HARDWARE, vendor_os="dgx-os")) == "dgx-os"
