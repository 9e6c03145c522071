from __future__ import annotations

from pathlib import Path

from agent.model.finding import CheckRun, Finding, Report
from agent.model.verdict import Verdict
from agent.up.message import remove_message, render_message, render_waiting, write_message
from tests.unit.golden import assert_golden
from tests.unit.up.world import first_boot

GOLDEN = Path(__file__).with_name("golden")


def report(*verdicts: Verdict) -> Report:
    findings = tuple(Finding(f"area.check-{number}", verdict, f"finding {number} says something about the machine",
                             "sub\x1bject") for number, verdict in enumerate(verdicts))
    return Report("box-7", "rtx-workstation", "abc", "standard", 1_780_000_000.0, 1_780_000_009.0,
                  (CheckRun("area.check", "Title", 0.1, findings),))


def test_the_message_names_what_is_wrong_and_how_to_stop_it() -> None:
    state = first_boot(notes=("not rebooted: kernel 6.2 has no initial ramdisk",))
    text = render_message(state, [report(Verdict.PASS, Verdict.WARN, Verdict.FAIL)])
    assert_golden(text, GOLDEN / "message.txt")


def test_many_troubles_are_counted_not_listed() -> None:
    text = render_message(first_boot(), [report(*[Verdict.FAIL] * 30)])
    assert "and 22 more" in text
    assert len(text.splitlines()) < 24


def test_a_good_machine_gets_two_lines() -> None:
    assert len(render_message(first_boot(), [report(Verdict.PASS)]).split("\n")) == 5


def test_it_is_there_until_acknowledged_and_leaves_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "motd.d" / "60-firstlight"
    write_message(render_waiting("a reboot is needed", "reboot"), path)
    assert path.stat().st_mode & 0o777 == 0o644
    assert remove_message(path)
    assert not path.parent.exists()
    assert not remove_message(path)


def test_others_messages_stay(tmp_path: Path) -> None:
    path = tmp_path / "60-firstlight"
    write_message("x", path)
    (tmp_path / "cockpit").write_text("y")
    remove_message(path)
    assert (tmp_path / "cockpit").exists()
