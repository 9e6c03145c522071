"""Something is changed behind our back: the right check finds it, nothing else does, `fix` puts it right."""

from __future__ import annotations

import pytest

from tests.node.drifts import CONTAINER, Drift
from tests.node.nodes import Node
from tests.node.readings import troubles

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]


@pytest.mark.parametrize("drift", CONTAINER, ids=lambda drift: drift.name)
def test_a_drift_is_found_by_its_check_alone_and_repaired(converged: Node, drift: Drift) -> None:
    assert troubles(converged) == {}, "the node was not clean before the drift"
    converged.sh(drift.script)
    found = troubles(converged)
    if drift.by_hand:
        converged.sh(drift.by_hand)
    else:
        fixed = converged.firstlight("fix", drift.check, "--yes", "-o", "json")
        assert fixed.code == 0, str(fixed)
    after = troubles(converged)
    assert found == {drift.check: "fail"}
    assert after == {}


def test_an_untouched_node_has_no_findings_ten_times_in_a_row(converged: Node) -> None:
    assert [troubles(converged) for _ in range(10)] == [{}] * 10
