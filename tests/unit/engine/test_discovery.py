from __future__ import annotations

import py_compile
import sys
import types
from pathlib import Path

import pytest

from agent.engine.discovery import find_check_modules, load_checks, load_kept, select_ids
from agent.model.errors import FirstlightError, UsageError

GOOD = """from agent.check import Check
CHECK = Check('t', 'w', observe=lambda m, p: 1, judge=lambda s, p: [])
"""
IDS = ("gpu.count", "gpu.pcie-link", "kernel.nr-open", "kernel.sysctl")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of checks on disk, not imported from anywhere else."""
    files = {
        "kernel/nr_open.py": GOOD, "kernel/sysctl.py": GOOD, "gpu/pcie_link.py": GOOD,
        "gpu/_shared.py": "VALUE = 1\n", "smoke/jobs/run.py": "raise SystemExit('a job, not a check')\n",
        "loose.py": "raise SystemExit('not in an area')\n",
    }
    root = tmp_path / "made_checks"
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for folder in [root, *(path for path in root.rglob("*") if path.is_dir())]:
        (folder / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield __import__("made_checks")
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_checks"]:
        del sys.modules[name]


def test_the_id_of_a_check_is_its_path(package):
    assert list(load_checks(package)) == ["gpu.pcie-link", "kernel.nr-open", "kernel.sysctl"]
    assert find_check_modules(package)["kernel.nr-open"] == "made_checks.kernel.nr_open"


def test_only_what_is_asked_for_is_imported(package):
    assert list(load_checks(package, ["kernel.sysctl"])) == ["kernel.sysctl"]
    assert "made_checks.kernel.nr_open" not in sys.modules


def test_a_file_without_a_check_is_an_error_that_names_it(package):
    folder = Path(package.__path__[0]) / "kernel"
    (folder / "empty.py").write_text("")
    with pytest.raises(FirstlightError, match=r"kernel/empty\.py: has no CHECK"):
        load_checks(package)


@pytest.mark.parametrize("text", ["import absent_module\n", "CHECK = (\n",
                                  "from agent.check import absent\n"])
def test_a_file_that_cannot_be_imported_is_an_error_that_names_it(package, text):
    (Path(package.__path__[0]) / "kernel" / "broken.py").write_text(text)
    with pytest.raises(FirstlightError, match=r"kernel\.broken: cannot be imported: .*"):
        load_checks(package, ["kernel.broken"])


def test_an_empty_package_has_no_checks(tmp_path):
    package = types.ModuleType("nothing")
    package.__path__ = [str(tmp_path)]
    assert load_checks(package) == {}


def test_an_area_selects_its_checks_and_order_is_kept():
    assert select_ids(IDS, ["kernel.sysctl", "gpu"]) == ("gpu.count", "gpu.pcie-link", "kernel.sysctl")
    assert select_ids(IDS, []) == IDS


@pytest.mark.parametrize(("name", "hint"), [
    ("kernel.sysctll", "kernel.sysctl"), ("gpu.pcie_link", "gpu.pcie-link"), ("kernal", "kernel"),
    ("zzz", "The areas are gpu, kernel"),
])
def test_an_unknown_name_is_an_error_that_lists_near_ones(name, hint):
    with pytest.raises(UsageError, match=f"no check or area '{name}'") as caught:
        select_ids(IDS, ["gpu", name])
    assert hint in caught.value.hint


def test_the_role_read_from_a_checks_text_is_the_one_it_declares() -> None:
    import checks

    declared = {check_id: check.remedy.role for check_id, check in load_checks(checks).items() if check.remedy.role}
    for role in sorted(set(declared.values())):
        assert sorted(load_kept(checks, [role])) == sorted(name for name, kept in declared.items() if kept == role)


def test_a_check_no_wanted_role_repairs_is_not_even_imported(package, tmp_path):
    kept = GOOD.replace("'w',", "'w',\n    remedy=Remedy(role=\"swap\"),\n   ").replace(
        "import Check\n", "import Check\nfrom agent.model.finding import Remedy\n")
    (tmp_path / "made_checks/kernel/swap.py").write_text(kept)
    (tmp_path / "made_checks/kernel/trap.py").write_text("raise SystemExit('imported')\n")
    assert list(load_kept(package, ["swap"])) == ["kernel.swap"]
    assert load_kept(package, ["sysctl"]) == {}


def test_a_check_without_its_text_is_imported_and_asked(package, tmp_path):
    kept = tmp_path / "made_checks/kernel/swap.py"
    kept.write_text(GOOD.replace("'w',", "'w', remedy=Remedy(role='swap'),").replace(
        "import Check\n", "import Check\nfrom agent.model.finding import Remedy\n"))
    py_compile.compile(str(kept), cfile=f"{kept}c")
    kept.unlink()
    assert list(load_kept(package, ["swap"])) == ["kernel.swap"]
