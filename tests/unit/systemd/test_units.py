from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from agent.cli.systemd import BUSY
from agent.model.errors import UsageError
from agent.systemd.rendering import EXPORTER, FIRST_BOOT, SCHEDULES, Setting, render_first_boot, render_units, started
from agent.systemd.verification import verify
from tests.unit.golden import assert_golden

GOLDEN = Path(__file__).with_name("golden")
SETTING = Setting(Path("/bin/true"), Path("/var/lib/firstlight"))
COMMANDS = ("check", "drift", "serve", "systemd", "up")
UNPRIVILEGED_LIMIT, ROOT_LIMIT = 2.5, 6.5


@pytest.fixture
def units() -> dict[str, str]:
    return {**render_units(SETTING, COMMANDS), FIRST_BOOT: render_first_boot(SETTING)}


needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def exposure(units: dict[str, str], folder: Path) -> dict[str, float]:
    """Return what `systemd-analyze security` counts for each service: 0 closed, 10 open."""
    found = {}
    for name, text in units.items():
        if name.endswith(".service"):
            (folder / name).write_text(text)
            said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", str(folder / name)],
                                  capture_output=True, text=True, check=False, timeout=60)
            match = re.search(r"exposure level for \S+: ([\d.]+)", said.stdout)
            assert match, said.stderr
            found[name] = float(match[1])
    return found


def test_every_unit_is_what_the_golden_file_holds(units: dict[str, str]) -> None:
    text = "".join(f"===== {name}\n{text}" for name, text in sorted(units.items()))
    assert_golden(text, GOLDEN / "units.txt")


def test_no_placeholder_is_left(units: dict[str, str]) -> None:
    assert [name for name, text in units.items() if re.search(r"@[A-Z]+@", text)] == []


@needs_analyze
def test_systemd_accepts_every_unit(units: dict[str, str]) -> None:
    assert verify(units) == ()


@needs_analyze
def test_systemd_refuses_a_unit_with_an_unknown_setting(units: dict[str, str]) -> None:
    units[EXPORTER] = units[EXPORTER].replace("Restart=always", "Restart=sometimes")
    assert any("sometimes" in line for line in verify(units))


@needs_analyze
def test_services_are_as_closed_as_promised(units: dict[str, str], tmp_path: Path) -> None:
    found = exposure(units, tmp_path)
    assert found.pop(EXPORTER) <= UNPRIVILEGED_LIMIT
    found.pop(FIRST_BOOT)  # it provisions: no sandbox
    assert {name: value for name, value in found.items() if value > ROOT_LIMIT} == {}


def test_each_level_has_a_timer_that_is_jittered_and_a_service_that_spares_the_battery(units: dict[str, str]) -> None:
    for schedule in SCHEDULES:
        assert "RandomizedDelaySec=" in units[f"firstlight-check-{schedule.level}.timer"]
        assert "ConditionACPower=true" in units[f"firstlight-check-{schedule.level}.service"]


def test_only_what_loads_the_machine_waits_for_an_idle_gpu(units: dict[str, str]) -> None:
    waiting = [name for name, text in units.items() if "ExecCondition=" in text]
    assert waiting == ["firstlight-check-deep.service"]


def test_the_code_of_a_busy_gpu_is_no_success_of_the_unit_that_asks(units: dict[str, str]) -> None:
    codes = re.findall(r"^SuccessExitStatus=(.*)$", units["firstlight-check-deep.service"], re.M)
    assert {0, *map(int, codes[0].split())}.isdisjoint({BUSY})


def test_checks_see_the_machine_and_not_a_sandbox(units: dict[str, str]) -> None:
    views = re.compile(r"^(Protect\w+|Private\w+|ReadOnlyPaths|TemporaryFileSystem|DevicePolicy|RootDirectory)=", re.M)
    assert [name for name, text in units.items() if "systemd look" in text and views.search(text)] == []


def test_parts_whose_command_is_missing_are_left_out() -> None:
    names = set(render_units(SETTING, ("check",)))
    assert names == {f"firstlight-check-{schedule.level}.{kind}" for schedule in SCHEDULES
                     for kind in ("service", "timer")}


def test_the_debounce_timer_is_started_by_the_path_alone(units: dict[str, str]) -> None:
    wanted = started(units)
    assert "firstlight-drift.path" in wanted
    assert "firstlight-drift-soon.timer" not in wanted
    assert [name for name in wanted if "[Install]" not in units[name]] == []


def test_an_exporter_that_listens_to_others_is_not_limited_to_this_machine() -> None:
    opened = render_units(Setting(SETTING.program, SETTING.state, "0.0.0.0:9836"), COMMANDS)[EXPORTER]
    assert "IPAddressDeny" not in opened
    assert "IPAddressDeny=any" in render_units(SETTING, COMMANDS)[EXPORTER]


@pytest.mark.parametrize("path", ["/opt/first light/bin/firstlight", "/opt/100%/firstlight", "firstlight", "/opt/$x/f"])
def test_a_path_that_systemd_would_read_otherwise_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="cannot name"):
        render_units(Setting(Path(path), SETTING.state), COMMANDS)


def test_an_address_cannot_smuggle_words_into_the_command() -> None:
    with pytest.raises(UsageError):
        render_units(Setting(SETTING.program, SETTING.state, "1:2 --machine /etc/shadow"), COMMANDS)
