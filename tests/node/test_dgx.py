"""On a system whose vendor looks after the driver nothing of it is planned, and the plan says whose it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.node.dgx import dress
from tests.node.disposable import Disposable, Ran
from tests.node.nodes import fresh_node
from tests.node.profiles import SITE_PROFILE
from tests.node.readings import changes

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]
ROLES = ("driver", "fabric_manager", "cuda", "cudnn", "profilers", "container_toolkit")
ONLY = ("--only", ",".join(ROLES), "-o", "json")


@pytest.fixture(scope="module")
def spark(image: str) -> Iterator[Disposable]:
    """A node in the clothes of a DGX Spark, with a profile that wants other software than is there."""
    with fresh_node(image) as node:
        yield prepared(node)


def prepared(node: Disposable) -> Disposable:
    dress(node)
    write_profile(node, "dgx-spark")
    return node


def write_profile(node: Disposable, extends: str, *, vendor_managed: bool = True) -> None:
    node.write(SITE_PROFILE, yaml.safe_dump({
        "schema": 1, "name": "node", "extends": extends, "vendor_managed": vendor_managed,
        "gpu": {"driver": {"enabled": True, "branch": "590"}, "cuda": {"enabled": True, "toolkit": "12.9"},
                "cudnn": {"enabled": True}, "profilers": {"enabled": True}, "fabric_manager": {"needed": "always"}},
        "container": {"toolkit": {"enabled": True, "install": False, "cdi": False}}}))


def said(ran: Ran) -> dict[str, str]:
    return dict(note.split(": ", 1) for note in ran.data["notes"])


def test_the_plan_is_empty_and_says_whose_the_driver_is(spark: Disposable) -> None:
    planned = spark.firstlight("plan", *ONLY, timeout_s=3000)
    assert (planned.code, changes(planned)) == (0, []), str(planned)
    notes = said(planned)
    assert set(notes) == set(ROLES)
    assert all("DGX OS 7.5.0 (DGX Spark)" in note and "DGX Dashboard" in note for note in notes.values())


def test_a_person_reads_the_vendors_way(spark: Disposable) -> None:
    planned = spark.firstlight("plan", "--only", "driver", timeout_s=3000)
    assert "Nothing to change" in planned.out
    assert "fwupdmgr" in planned.out


def test_the_system_itself_is_believed_though_the_profile_says_otherwise(spark: Disposable) -> None:
    before = spark.sh("dpkg -l | sha256sum; ls -R /etc/apt /etc/modprobe.d /etc/profile.d")
    write_profile(spark, "rtx-workstation", vendor_managed=False)
    applied = spark.firstlight("apply", "--yes", "--only", "driver,cuda,cudnn,profilers", "-o", "json", timeout_s=3000)
    assert (applied.code, changes(applied)) == (0, []), str(applied)
    assert set(said(applied)) == {"driver", "cuda", "cudnn", "profilers"}
    assert spark.sh("dpkg -l | sha256sum; ls -R /etc/apt /etc/modprobe.d /etc/profile.d") == before
