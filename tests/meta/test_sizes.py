"""Files and functions stay small. The allow-lists may only shrink."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("agent", "checks", "tui", "playbooks/library", "playbooks/module_utils")
MODULE_LINES, MEDIAN_LINES, FUNCTION_LINES, ROLE_LINES = 400, 120, 40, 60
LONG_MODULES: dict[str, int] = {}
LONG_FUNCTIONS: dict[str, int] = {}


def modules() -> list[Path]:
    """Return every Python file of the product that is not an empty package marker."""
    found = [path for folder in FOLDERS for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    return [path for path in found if len(path.read_text().splitlines()) > 5]


def function_sizes() -> dict[str, int]:
    """Return the lines of every function by `file:name`."""
    return {
        f"{path.relative_to(REPOSITORY)}:{node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def over(sizes: dict[str, int], limit: int, allowed: dict[str, int]) -> dict[str, int]:
    """Return what is longer than its limit, or shorter than an allowance that should go."""
    return {
        name: size for name, size in sizes.items()
        if size > allowed.get(name, limit) or (name in allowed and size <= limit)
    }


def test_no_module_is_longer_than_the_limit() -> None:
    sizes = {str(path.relative_to(REPOSITORY)): len(path.read_text().splitlines()) for path in modules()}
    assert over(sizes, MODULE_LINES, LONG_MODULES) == {}


def test_the_median_module_is_small() -> None:
    assert statistics.median(len(path.read_text().splitlines()) for path in modules()) <= MEDIAN_LINES


def test_no_function_is_longer_than_the_limit() -> None:
    assert over(function_sizes(), FUNCTION_LINES, LONG_FUNCTIONS) == {}


def test_allowances_name_things_that_exist() -> None:
    names = {str(path.relative_to(REPOSITORY)) for path in modules()} | set(function_sizes())
    assert {*LONG_MODULES, *LONG_FUNCTIONS} <= names


def test_a_roles_task_files_are_short() -> None:
    files = (REPOSITORY / "playbooks/roles").glob("*/tasks/*.yml")
    assert {str(path): n for path in files if (n := len(path.read_text().splitlines())) > ROLE_LINES} == {}
