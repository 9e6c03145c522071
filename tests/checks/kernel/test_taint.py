from __future__ import annotations

import pytest

from checks.kernel.taint import CHECK, PATH
from tests.checks.findings import CONTAINER, DENIED, only
from tests.fixtures import FakeMachine

DRIVER = 1 << 0 | 1 << 12 | 1 << 13  # proprietary, out-of-tree, unsigned: what a GPU driver does


@pytest.mark.parametrize("mask", [0, DRIVER, 1 << 9, 1 << 11])
def test_a_clean_kernel_and_a_gpu_driver_pass(mask):
    assert only(CHECK, FakeMachine({PATH: f"{mask}\n"})).verdict == "pass"


@pytest.mark.parametrize(("bit", "word"), [(4, "machine check"), (5, "memory page"), (7, "oops"), (14, "lockup")])
def test_damage_is_a_warning_in_words(bit, word):
    finding = only(CHECK, FakeMachine({PATH: f"{1 << bit | DRIVER}\n"}))
    assert finding.verdict == "warn"
    assert word in finding.summary


def test_a_container_is_not_applicable():
    assert only(CHECK, FakeMachine({PATH: "16", **CONTAINER})).verdict == "not-applicable"


def test_unobservable_is_unknown_never_pass():
    assert only(CHECK, FakeMachine(errors={PATH: DENIED})).verdict == "unknown"
