from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent import __version__
from agent.cli import main as module
from agent.cli.main import COMMANDS, main
from agent.model.errors import ProvisionError
from tests.unit.golden import assert_golden

GOLDEN = Path(__file__).parent / "golden"
HEAVY = ("textual", "docker", "ansible_runner", "prometheus_client", "pydantic", "rich", "yaml", "argparse", "sqlite3")
ROOT = Path(__file__).parents[3]


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    code = f"import sys, agent.cli.main; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("words", [("--version",), ("--help",), ("detect", "--help"), ("check", "--help")])
def test_asking_for_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    heavy = tuple(name for name in HEAVY if name != "argparse")
    code = (f"import sys\nfrom agent.cli.main import main\n"
            f"try:\n    main({list(words)!r})\nexcept SystemExit:\n    pass\n"
            f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == "[]\n"


def test_every_command_has_a_file() -> None:
    for name, summary in COMMANDS:
        assert (ROOT / "agent" / "cli" / f"{name}.py").is_file(), name
        assert len(summary) < 66
        assert not summary.endswith(".")


def test_the_help_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert_golden(capsys.readouterr().out, GOLDEN / "help.txt")


@pytest.mark.parametrize("name", ["detect", "check", "explain", "profile", "report", "capture", "doctor"])
def test_the_help_page_of_a_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert_golden(capsys.readouterr().out, GOLDEN / f"help-{name}.txt")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert (main(["--version"]), capsys.readouterr().out) == (0, f"firstlight {__version__}\n")


def test_nothing_asked_is_answered_with_help_and_an_error_code() -> None:
    assert main([]) == 3


ERRORS = (
    ["chek"], ["frobnicate"], ["--verbose"], ["check", "--lvel", "quick"], ["check", "--level", "fast"],
    ["check", "-o", "xml"], ["check", "--watch", "0"], ["check", "--profile", "rtx"], ["check", "--machine", "no.json"],
    ["detect", "--machine", "junk.json"], ["explain", "kernel.sysct", "--profile", "cpu-only"],
    ["profile"], ["profile", "shwo"], ["profile", "show", "dgx-sprak"], ["profile", "validate", "bad.yml"],
    ["report", "show", "7"], ["report", "diff"], ["report", "show", "junk.json"], ["report", "show", "gone.json"],
    ["report", "accept", "x"],
)


def test_the_errors_people_make(apart: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (apart / "junk.json").write_text('{\n  "a": nope\n}\n')
    (apart / "bad.yml").write_text("name: x\nkernal: {}\nsystem: {limits: {nofile: 1}}\n")
    page = []
    for words in ERRORS:
        code = main(words)
        output = capsys.readouterr()
        page.append(f"$ firstlight {' '.join(words)}\n{output.out}{output.err}[{code}]\n")
    text = "\n".join(page).replace(str(apart), "…")
    assert_golden(text, GOLDEN / "errors.txt")


def test_an_error_is_json_for_who_asked_for_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", "show", "dgx-sprak", "-o", "json"]) == 3
    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["data"], said["errors"][0]["kind"]) == (False, None, "ProfileError")


def _failing(error: BaseException):
    def run(words: list[str]) -> int:
        raise error
    return run


def test_an_interrupt_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "_dispatch", _failing(KeyboardInterrupt()))
    assert main(["check"]) == 130
    assert capsys.readouterr().err == "firstlight: interrupted\n"


def test_a_traceback_comes_with_debug_only(monkeypatch: pytest.MonkeyPatch,
                                           capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "_dispatch", _failing(ProvisionError("it broke", "mend it")))
    assert main(["apply"]) == 3
    assert capsys.readouterr().err == "firstlight: it broke\n  mend it\n"
    assert main(["apply", "--debug"]) == 3
    assert "Traceback" in capsys.readouterr().err


def test_a_fault_of_ours_is_two_lines_and_exit_code_3() -> None:
    code = ("import sys\nfrom agent.cli import main as module\n"
            "def broken(words): raise ZeroDivisionError('x')\nmodule._dispatch = broken\n"
            "sys.exit(module.main())")
    done = subprocess.run([sys.executable, "-c", code, "check"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 3
    assert done.stderr.startswith("firstlight: unforeseen ZeroDivisionError: x at ")
    assert done.stderr.count("\n") == 2


def test_a_reader_who_leaves_early_is_no_error() -> None:
    code = "import sys\nfrom agent.cli.main import main\nsys.exit(main(['profile', 'schema']))"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stderr=pipe, cwd=ROOT) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.close()
        said = run.stderr.read()
    assert (run.returncode, said) == (141, b"")


def test_a_full_disk_is_told_with_exit_code_3() -> None:
    code = "import sys\nfrom agent.cli.main import main\nsys.exit(main())"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code, "profile", "schema"], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT)
    assert done.returncode == 3
    assert "No space left on device" in done.stderr


def test_options_for_everything_may_stand_before_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--no-color", "profile", "validate", "cpu-only"]) == 0
    assert "no faults" in capsys.readouterr().out
