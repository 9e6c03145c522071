from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ansible_modules import load_module

packages = load_module("packages")
ready = load_module("apt_ready")
settings = load_module("apt_settings")
backup = load_module("backup_units")
unit = load_module("unit")
from ansible.module_utils import dpkg_state, owned_files  # noqa: E402
from ansible.module_utils.unit_quoting import quoted  # noqa: E402

ROOT = Path(__file__).parents[3]
STATES = dpkg_state.parse_states("ii \tlibc6:amd64\niF \tjq\nrc \told\niHR\ttorn\nhi \theld\niW \twaiting\n")
JOB = {"name": "m", "source": "/srv/a b", "destination": "/bak/50%$", "schedule": "daily", "delete": False}


def test_unfinished_packages_are_told_apart_from_removed_and_held_ones() -> None:
    assert dpkg_state.half_done(STATES) == {
        "jq": "half-configured", "torn": "half-installed", "waiting": "triggers-awaited",
    }
    assert dpkg_state.need_reinstall(STATES) == ["torn"]


def test_only_a_package_that_nobody_wants_any_more_is_half_removed() -> None:
    assert dpkg_state.half_removed(STATES) == []
    assert dpkg_state.half_removed(dpkg_state.parse_states("rH \tleaving\npHR\tpurged\nrc \told\n")) == [
        "leaving", "purged"]


class Apt:
    """An apt-get whose installs fail until the package lists were fetched."""

    def __init__(self, *, helps: bool) -> None:
        self.params = {"cache_valid_s": 86400}
        self.helps, self.lists_are_good, self.words = helps, False, list[str]()

    def run_command(self, argv: list[str], **_: Any) -> tuple[int, str, str]:
        self.words.append(next(word for word in argv if word in ("update", "install")))
        self.lists_are_good = self.lists_are_good or (self.helps and "update" in argv)
        failed = "install" in argv and not self.lists_are_good
        return (100, "", "E: Unable to locate package fio\n") if failed else (0, "", "")

    def fail_json(self, *, msg: str) -> None:
        raise AssertionError(msg)


def test_lists_that_do_not_do_are_fetched_anew_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "lists_age_s", lambda: 60.0)
    monkeypatch.setattr(packages, "drop_empty_lists", lambda: None)
    apt = Apt(helps=True)
    packages.install(apt, ["fio"])
    assert apt.words == ["install", "update", "install"]
    with pytest.raises(AssertionError, match="`apt-get install fio` failed: E: Unable to locate package fio"):
        packages.install(Apt(helps=False), ["fio"])


def test_a_download_that_failed_is_tried_again_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "lists_age_s", lambda: 1e9)
    monkeypatch.setattr(packages, "drop_empty_lists", lambda: None)
    told = [(0, "", ""), (100, "", "E: Failed to fetch http://x  Temporary failure\n"), (0, "", "")]
    apt = Apt(helps=True)
    monkeypatch.setattr(apt, "run_command", lambda argv, **_: told.pop(0))
    packages.install(apt, ["fio"])
    assert told == []


def test_every_apt_get_of_ours_is_the_one_that_cannot_loop() -> None:
    """What apt 3.0 does while it waits to try again is shown by tests/node/test_apt_loop.py."""
    sources = {path.name: path.read_text() for part in ("library", "module_utils")
               for path in (ROOT / "playbooks" / part).glob("*.py")}
    assert [name for name, text in sources.items() if '"apt-get"' in text] == ["dpkg_state.py"]
    assert "Acquire::Retries=0" in dpkg_state.APT_GET
    play = yaml.safe_load((ROOT / "playbooks/site.yml").read_text())[0]
    assert play["environment"]["FIRSTLIGHT_APT_WAIT_S"] == "{{ base_apt_lock_timeout_s }}", "held to the profile's"
    roles = [path for path in (ROOT / "playbooks" / "roles").rglob("*.yml") if "apt:" in path.read_text()]
    assert roles == []


def test_lists_that_a_power_cut_left_empty_are_removed_and_no_others(tmp_path: Path) -> None:
    for name, content in {"debian_main_Packages": "", "debian_sid_Packages.lz4": "x", "lock": ""}.items():
        (tmp_path / name).write_text(content)
    packages.drop_empty_lists(str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["debian_sid_Packages.lz4", "lock"]
    packages.drop_empty_lists(str(tmp_path / "absent"))


class Dpkg:
    """A machine with one package in `state`, which the steps `finishes` ("a then b") bring to its end."""

    def __init__(self, state: str, finishes: str) -> None:
        self.state, self.finishes, self.ran = state, finishes, list[str]()

    def run_command(self, argv: list[str], **_: Any) -> tuple[int, str, str]:
        if argv[0] == "dpkg-query":
            return 0, f"{self.state}\tfio\n", ""
        word = next(word for word in argv if word in ("--configure", "install", "update"))
        self.ran.append(" ".join([word, *(["fio"] if argv[-1] == "fio" else [])]))
        if self.ran[-self.finishes.count(" then ") - 1:] == self.finishes.split(" then "):
            self.state = "ii "
        return (0, "", "") if self.state == "ii " or word == "update" else (100, "", "E: no archive for fio\n")

    def fail_json(self, *, msg: str) -> None:
        raise AssertionError(msg)


@pytest.mark.parametrize(("state", "finishes", "ran"), [
    ("iF ", "--configure", ["--configure"]),
    ("iHR", "install fio", ["--configure", "install fio"]),
    ("iU ", "install", ["--configure", "install"]),
    ("iHR", "update then install fio", ["--configure", "install fio", "update", "install fio"]),
])
def test_what_dpkg_cannot_finish_apt_does(state: str, finishes: str, ran: list[str]) -> None:
    dpkg = Dpkg(state, finishes)
    ready.repair(dpkg)
    assert dpkg.ran == ran


def test_what_nobody_can_finish_is_named_with_the_reason() -> None:
    with pytest.raises(AssertionError, match="could finish fio: E: no archive for fio"):
        ready.repair(Dpkg("iHR", "never"))


def test_removed_and_unknown_packages_are_missing_held_ones_are_not() -> None:
    assert packages.missing(["libc6", "old", "held", "new"], STATES) == {"old": "only its settings", "new": "absent"}


def test_package_lists_that_do_not_exist_are_endlessly_old(tmp_path: Path) -> None:
    assert packages.lists_age_s(f"{tmp_path}/absent") == float("inf")
    assert packages.lists_age_s(str(tmp_path)) == float("inf")
    (tmp_path / "mirror_Packages").write_text("")
    assert packages.lists_age_s(str(tmp_path)) < 60


def test_the_holder_of_a_lock_is_found_without_taking_it(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("")
    assert dpkg_state.lock_holder(str(lock)) == 0
    code = "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.lockf(f,fcntl.LOCK_EX); print('held',flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert dpkg_state.lock_holder(str(lock)) == child.pid
        assert dpkg_state.holders((str(lock),))[0].endswith(f"(process {child.pid})")
        child.communicate("\n")
    with lock.open("w") as stream:
        fcntl.lockf(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_lock_that_does_not_exist_is_held_by_nobody(tmp_path: Path) -> None:
    assert dpkg_state.holders((f"{tmp_path}/lock",)) == []


def test_a_journal_of_dpkg_means_it_was_killed(tmp_path: Path) -> None:
    assert not dpkg_state.interrupted(str(tmp_path))
    assert not dpkg_state.interrupted(f"{tmp_path}/absent")
    (tmp_path / "0001").write_text("")
    assert dpkg_state.interrupted(str(tmp_path))


def test_the_blacklist_adds_to_the_distributions_own() -> None:
    text = settings.render(600, ["nvidia-", "cuda-"])
    assert 'DPkg::Lock::Timeout "600";' in text
    assert 'Unattended-Upgrade::Package-Blacklist {\n  "nvidia-";\n  "cuda-";\n};' in text
    assert "#clear" not in text


@pytest.mark.parametrize("entry", ['a"; Evil "1', "", "a\nb", "(unclosed"])
def test_an_entry_that_would_break_apt_is_refused(entry: str) -> None:
    assert settings.entry_error(entry)
    assert not settings.entry_error("linux-image-.*")


def test_words_in_unit_files_are_quoted() -> None:
    assert quoted('a "b" 50%\\') == '"a \\"b\\" 50%%\\\\"'
    assert quoted("$HOME", command=True) == '"$$HOME"'


def test_a_backup_copies_only_when_both_disks_are_there_and_the_source_holds_something() -> None:
    text = backup.service_text(JOB)
    assert 'RequiresMountsFor="/srv/a b" "/bak/50%%$"\n' in text
    assert "AssertDirectoryNotEmpty=/srv/a b\n" in text
    assert 'ExecStart=/usr/bin/rsync -a --partial -- "/srv/a b/" "/bak/50%%$$/"\n' in text
    assert "--delete" in backup.service_text(JOB | {"delete": True})


@pytest.mark.parametrize(
    ("source", "destination"),
    [("/a", "/a"), ("/a", "/a/b"), ("/a/b", "/a"), ("/", "/b"), ("a", "/b"), ("/a", "/b\nExecStart=/bin/sh")],
)
def test_a_backup_into_itself_or_off_the_paths_is_refused(source: str, destination: str) -> None:
    assert backup.job_error(JOB | {"source": source, "destination": destination})
    assert not backup.job_error(JOB | {"source": "/a", "destination": "/ab"})


def test_a_summary_shows_settings_and_not_comments() -> None:
    assert owned_files.summary(None) == "absent"
    assert owned_files.summary("# x\n") == "empty"
    assert owned_files.summary('// x\n[Slice]\nA=1\n  B "2";\n') == 'A=1; B "2"'


def test_files_that_are_as_wanted_are_no_change() -> None:
    assert owned_files.planned({"/a": "x", "/b": None}, {"/a": "x", "/b": None}) == []
    assert owned_files.planned({"/a": "x"}, {"/a": None}) == [{"target": "/a", "before": "x", "after": "absent"}]


def steps(seen: dict[str, str], **wanted: Any) -> list[str]:
    params = {"name": "x.service", "state": None, "enabled": None, "daemon_reload": None} | wanted
    return [verb for verb, _ in unit.plan_changes(params, seen)]


def test_a_unit_that_does_not_exist_yet_is_predicted() -> None:
    assert steps({"LoadState": "not-found", "ActiveState": "inactive", "UnitFileState": ""},
                 state="started", enabled=True) == ["enable", "start"]


def test_a_unit_that_is_as_wanted_needs_nothing() -> None:
    seen = {"ActiveState": "active", "UnitFileState": "enabled", "NeedDaemonReload": "no"}
    assert steps(seen, state="started", enabled=True, daemon_reload=False) == []


def test_older_unit_files_in_force_are_reloaded_only_when_the_caller_cares() -> None:
    seen = {"ActiveState": "active", "UnitFileState": "static", "NeedDaemonReload": "yes"}
    assert steps(seen, daemon_reload=False, enabled=True) == ["daemon-reload"]
    assert steps(seen) == []
    assert steps(seen, daemon_reload=True, state="restarted") == ["daemon-reload", "restart"]


def test_running_as_a_plain_user_leaves_unreadable_locks_out(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("")
    lock.chmod(0)
    if os.geteuid() == 0:
        lock.chmod(0o600)  # root reads everything; then the lock is simply free
    assert dpkg_state.holders((str(lock),)) == []
