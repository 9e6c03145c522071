"""Disks with something on them are refused by name, and not one byte of them changes."""

from __future__ import annotations

import re

import pytest

from tests.roles.data_disks.bench import Bench
from tests.roles.data_disks.layouts import LAYOUTS, Layout

pytestmark = pytest.mark.root


@pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.name for layout in LAYOUTS])
def test_a_disk_with_something_on_it_is_refused_by_name_and_unchanged(bench: Bench, layout: Layout) -> None:
    disk = bench.disk()
    layout.make(disk)
    text = bench.refused()
    assert re.search(layout.reason, text), text
    assert disk.path in text and "SERIAL0001" in text
    assert not bench.ledger.exists()
