"""The tests of test_dgx.py on arm64, the processor of a DGX Spark. Set FIRSTLIGHT_ARM64=1 to emulate one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.arm64 import arm64_node
from tests.node.disposable import Disposable
from tests.node.test_dgx import (  # noqa: F401 - collected here with the fixture below
    prepared,
    test_a_person_reads_the_vendors_way,
    test_the_plan_is_empty_and_says_whose_the_driver_is,
    test_the_system_itself_is_believed_though_the_profile_says_otherwise,
)

pytestmark = [pytest.mark.node, pytest.mark.timeout(5400)]


@pytest.fixture(scope="module")
def spark(wheel_folder: Path) -> Iterator[Disposable]:
    """An arm64 node in the clothes of a DGX Spark."""
    with arm64_node(wheel_folder) as node:
        assert node.must(["uname", "-m"]).strip() == "aarch64"
        yield prepared(node)
