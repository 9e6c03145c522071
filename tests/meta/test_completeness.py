"""Every part has what belongs to it: a check its test, a role its argument specification and its play."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from agent.model.resolved import ResolvedProfile  # noqa: F401 - the model must be importable on its own
from agent.provision.variables import ROLES

REPOSITORY = Path(__file__).resolve().parents[2]
CHECKS = sorted(path for path in (REPOSITORY / "checks").glob("*/*.py") if path.name != "__init__.py")


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.fixture(scope="module")
def imported_by_tests() -> set[str]:
    return set().union(*(_imported(path) for path in (REPOSITORY / "tests/checks").rglob("test_*.py")))


@pytest.mark.parametrize("check", CHECKS, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_every_check_is_imported_by_a_test(check: Path, imported_by_tests: set[str]) -> None:
    assert f"checks.{check.parent.name}.{check.stem}" in imported_by_tests


def test_there_are_at_least_thirty_checks() -> None:
    assert len(CHECKS) >= 30


@pytest.mark.parametrize("role", ROLES)
def test_every_role_describes_its_arguments(role: str) -> None:
    specification = REPOSITORY / "playbooks/roles" / role / "meta/argument_specs.yml"
    options = yaml.safe_load(specification.read_text())["argument_specs"]["main"]["options"]
    assert options
    assert all(name.startswith((*(f"{other}_" for other in ROLES), "firstlight_")) for name in options)


def test_the_play_names_every_role_in_order() -> None:
    play = yaml.safe_load((REPOSITORY / "playbooks/site.yml").read_text())[0]
    named = [task["ansible.builtin.import_role"]["name"] for block in play["tasks"] for task in block["block"]
             if "ansible.builtin.import_role" in task]
    assert named == list(ROLES)
    assert [block["tags"] for block in play["tasks"]] == [[role] for role in ROLES]


def test_no_role_folder_is_left_out_of_the_play() -> None:
    assert {path.name for path in (REPOSITORY / "playbooks/roles").iterdir() if path.is_dir()} == set(ROLES)


@pytest.mark.parametrize("role", ROLES)
def test_every_role_is_named_by_a_check_that_it_repairs(role: str) -> None:
    assert any(f'"{role}"' in path.read_text() for path in CHECKS), f"nothing looks whether {role} still holds"
