"""Something is changed behind our back: the right check finds it, nothing else does, `fix` puts it right."""

from __future__ import annotations

import pytest

from tests.node.drifts import CONTAINER, Drift
from tests.node.nodes import Node
from tests.node.readings import troubles, without_the_blinded

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]


def make_clean(node: Node) -> None:
    """See that the drift before, whose own test says so, does not spoil this one."""
    if troubles(node):
        node.firstlight("apply", "--yes", "-o", "json")
        assert troubles(node) == {}, "an earlier drift could not be repaired, not even by a whole apply"


@pytest.mark.parametrize("drift", CONTAINER, ids=lambda drift: drift.name)
def test_a_drift_is_found_by_its_check_alone_and_repaired(converged: Node, drift: Drift) -> None:
    make_clean(converged)
    converged.sh(drift.script)
    found = troubles(converged)
    if drift.by_hand:
        converged.sh(drift.by_hand)
    else:
        fixed = converged.firstlight("fix", drift.check, "--yes", "-o", "json")
        assert fixed.code == 0, str(fixed)
    after = troubles(converged)
    assert without_the_blinded(found, drift) == {drift.check: "fail"}
    assert after == {}


def test_an_untouched_node_has_no_findings_ten_times_in_a_row(converged: Node) -> None:
    assert [troubles(converged) for _ in range(10)] == [{}] * 10
