"""The toolkit's packages from a repository: predicted, installed together, and kept together by apt itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.node.nodes import Node, fresh_node
from tests.node.profiles import SITE_PROFILE, TOOLKIT
from tests.node.readings import changes
from tests.node.toolkit_repository import FOLDER, publish

pytestmark = [pytest.mark.node, pytest.mark.timeout(900)]
ONLY = ("--only", "container_toolkit", "-o", "json")
SOURCE = "/etc/apt/sources.list.d/firstlight-nvidia-container-toolkit.sources"


@pytest.fixture(scope="module")
def supplied(image: str) -> Iterator[Node]:
    """A fresh node whose profile names a repository in a folder, with two versions in it."""
    with fresh_node(image) as node:
        publish(node, "1.19.0-1")
        publish(node, "1.19.1-1")
        write_profile(node, f"file://{FOLDER}/gpgkey")
        yield node


def write_profile(node: Node, key: str, **toolkit: str) -> None:
    part = {"enabled": True, "install": True, "repository": f"file://{FOLDER}", "repository_key": key} | toolkit
    node.write(SITE_PROFILE, yaml.safe_dump({"schema": 1, "name": "node", "extends": "cpu-only",
                                             "container": {"toolkit": part}}))


def versions(node: Node) -> set[str]:
    return set(node.must(["dpkg-query", "-W", "-f", "${Version} ${db:Status-Want}\n", *TOOLKIT]).splitlines())


def test_a_key_that_cannot_be_had_is_named_and_nothing_is_left(supplied: Node) -> None:
    write_profile(supplied, "file:///srv/nowhere/gpgkey")
    ran = supplied.firstlight("apply", "--yes", *ONLY)
    write_profile(supplied, f"file://{FOLDER}/gpgkey")
    assert ran.code not in (0, 2), str(ran)
    assert "/srv/nowhere/gpgkey" in ran.out + ran.err
    assert supplied.run(["test", "-e", SOURCE]).code != 0


def test_a_fresh_machine_is_predicted_and_the_second_apply_is_empty(supplied: Node) -> None:
    planned = supplied.firstlight("plan", *ONLY)
    applied = supplied.firstlight("apply", "--yes", *ONLY)
    assert applied.code == 0, str(applied)
    assert changes(planned) == changes(applied) != []
    again = supplied.firstlight("apply", "--yes", *ONLY)
    assert (again.code, changes(again)) == (0, []), str(again)


def test_the_newest_version_is_installed_four_times_and_held(supplied: Node) -> None:
    assert versions(supplied) == {"1.19.1-1 hold"}


def test_apt_itself_does_not_move_what_is_pinned(supplied: Node) -> None:
    publish(supplied, "1.20.0-1")
    supplied.sh("apt-get update -qq; apt-mark unhold -q " + " ".join(TOOLKIT))
    supplied.sh("apt-get -y -qq dist-upgrade nvidia-container-toolkit")
    assert versions(supplied) == {"1.19.1-1 install"}


def test_a_released_hold_is_predicted_and_put_back(supplied: Node) -> None:
    planned, applied = supplied.firstlight("plan", *ONLY), supplied.firstlight("apply", "--yes", *ONLY)
    assert {target for _, _, target in changes(planned)} == set(TOOLKIT)
    assert changes(planned) == changes(applied)
    assert versions(supplied) == {"1.19.1-1 hold"}


def test_a_version_that_the_profile_names_moves_all_four(supplied: Node) -> None:
    write_profile(supplied, f"file://{FOLDER}/gpgkey", version="1.20.0")
    planned, applied = supplied.firstlight("plan", *ONLY), supplied.firstlight("apply", "--yes", *ONLY)
    assert applied.code == 0, str(applied)
    assert changes(planned) == changes(applied)
    assert versions(supplied) == {"1.20.0-1 hold"}
