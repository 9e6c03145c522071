"""The parts that need no ansible: events, journal, lock, job, leftovers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from agent.model.errors import ProvisionError, StateError, UsageError
from agent.model.hardware import Hardware
from agent.model.plan import Change, Outcome, Run
from agent.provision.differences import LIMIT_BYTES, difference, limited, target_of
from agent.provision.events import GO_ON, Record
from agent.provision.job import choose_roles, refuse_unknown_system
from agent.provision.journal import KEPT_RUNS, Journal, find_interrupted, load_run
from agent.provision.leftovers import remove_leftovers
from agent.provision.lock import held
from agent.provision.runner import _Pump, remove_stale
from agent.provision.stop import Stop
from agent.resources import playbooks

if TYPE_CHECKING:
    from pathlib import Path


def event(
    kind: str, task: str = "Do it", role: str = "swap", task_uuid: str = "1", **data: Any
) -> dict[str, Any]:
    return {"event": kind, "event_data": {"task": task, "role": role, "task_uuid": task_uuid, **data}}


def record(*events: dict[str, Any], privileged: bool = True) -> Record:
    found = Record(("base", "swap"), privileged)
    for each in events:
        found.take(each)
    return found


GO = event("runner_on_ok", GO_ON, "", "9", res={"msg": "Do it"})
STATS = event("playbook_on_stats", "", "")


def test_the_notes_of_a_role_are_kept_with_its_name() -> None:
    found = record(event("runner_on_ok", res={"changed": False, "notes": ["the vendor does that"]}), STATS)
    assert (found.notes, found.changes) == (["swap: the vendor does that"], [])


def test_a_failure_that_the_role_rescues_itself_is_no_failure() -> None:
    bad = event("runner_on_failed", "Try", task_uuid="0", res={"msg": "no"})
    assert record(bad, event("runner_on_ok", res={"changed": False}), STATS).failures == []


def test_only_the_task_that_ended_the_role_is_a_failure() -> None:
    tried = event("runner_on_failed", "Try", task_uuid="0", res={"msg": "mended"})
    found = record(tried, event("runner_on_failed", res={"msg": "bad"}), GO, STATS)
    assert found.failures == ["swap: Do it: bad"]


def test_a_failure_outside_any_block_is_found_by_the_statistics() -> None:
    stats = {"event": "playbook_on_stats", "event_data": {"failures": {"localhost": 1}}}
    assert record(event("runner_on_failed", res={"msg": "bad"}), stats).failure == "swap: Do it: bad"


def test_each_failed_item_of_a_loop_is_kept_and_the_summary_is_not() -> None:
    items = [event("runner_item_on_failed", res={"msg": f"disk {number} is not blank", "refused": True})
             for number in (1, 2)]
    found = record(*items, event("runner_on_failed", res={"msg": "One or more items failed"}), GO)
    assert [it.reason for it in found.refusals] == ["disk 1 is not blank", "disk 2 is not blank"]
    assert found.failures == []


def test_permission_denied_is_a_failure_for_root_and_a_refusal_for_others() -> None:
    denied = event("runner_on_failed", res={"msg": "[Errno 13] Permission denied: '/etc/shadow'"})
    assert record(denied, GO).failures
    assert record(denied, GO, privileged=False).refusals[0].reason.startswith("needs root to look")


def test_a_hidden_result_is_a_change_without_text() -> None:
    hidden = event("runner_on_ok", res={"censored": "hidden"}) | {"stdout": "changed: [localhost]"}
    assert record(hidden).changes == [Change("swap", "Do it")]


def test_long_texts_are_cut_and_say_so() -> None:
    text = limited("é" * LIMIT_BYTES)
    assert len(text.encode()) < LIMIT_BYTES + 100
    assert text.endswith(f"({LIMIT_BYTES} more bytes)")


def test_targets_and_differences_of_builtin_modules() -> None:
    apt = {"invocation": {"module_args": {"name": ["xfsprogs", "rsync"], "pkg": None}}}
    assert target_of(apt) == "xfsprogs rsync"
    assert target_of({"dest": "/etc/x", "invocation": {"module_args": {"name": "y"}}}) == "/etc/x"
    assert target_of({}) == ""
    assert difference({"before": {"mode": "0644"}, "after": {"mode": "0600"}}) == ("mode: 0644", "mode: 0600")
    assert difference([{"before": "a\n", "after": "b\n"}, {"before": "", "after": ""}]) == ("a\n", "b\n")
    assert difference({"prepared": "will install xfsprogs"}) == ("", "will install xfsprogs")
    assert difference(None) == ("", "")


def test_the_event_handler_only_enqueues_and_an_error_behind_it_stops_the_run() -> None:
    stop = Stop()

    def handle(each: Any) -> None:
        raise StateError("disk full")

    pump = _Pump(handle, stop)
    assert pump.put({"event": "x"}) is True
    with pytest.raises(StateError, match="disk full"):
        pump.finish()
    assert stop.at_once


RUN = Run("20260101T000000.000Z-apply-1", "apply", "cpu-only", ("swap",), Outcome.RUNNING,
          1_780_000_000.0, 0.0, ())


def test_a_journal_without_an_end_says_where_it_stopped_though_its_last_line_is_half(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "runs", RUN)
    journal.note("step", role="swap", task="Make the file")
    change = {"role": "swap", "task": "t", "target": "/swap.img", "before": "", "after": "4G"}
    journal.note("change", change=change)
    with (journal.folder / "journal.jsonl").open("a") as stream:
        stream.write('{"at": 1, "kind": "step", "role": "ba')
    found = find_interrupted(tmp_path / "runs")
    assert found is not None
    assert (found.role, found.task, found.run.outcome) == ("swap", "Make the file", Outcome.INTERRUPTED)
    assert [change.target for change in found.run.changes] == ["/swap.img"]
    assert "interrupted at swap: Make the file (changes made so far: 1)" in str(found)


def test_a_journal_that_never_got_its_first_line_is_interrupted_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / RUN.id
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text('{"at"')
    found = find_interrupted(tmp_path / "runs")
    assert found is not None
    assert "its first task" in str(found)


def test_a_closed_journal_is_a_summary_and_old_ones_are_forgotten(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for number in range(KEPT_RUNS + 3):
        run = Run(f"2026{number:04}", "apply", "p", (), Outcome.DONE, 1.0, 2.0, ())
        Journal(runs, run).close(run)
    folders = sorted(runs.iterdir())
    assert len(folders) == KEPT_RUNS
    assert load_run(folders[-1]).id == f"2026{KEPT_RUNS + 2:04}"
    assert [path.name for path in folders[-1].iterdir()] == ["run.json"]
    assert find_interrupted(runs) is None


def test_plans_bear_each_other_but_no_apply(tmp_path: Path) -> None:
    path = tmp_path / "runtime" / "lock"
    with (held(path, "plan", shared=True), held(path, "plan", shared=True),
          pytest.raises(StateError, match="another run is active"), held(path, "apply")):
        pass
    with held(path, "apply"):
        pass


def test_a_runtime_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runtime").symlink_to(tmp_path / "elsewhere")
    lock = tmp_path / "runtime" / "lock"
    with pytest.raises(StateError, match="belongs to somebody else"), held(lock, "plan"):
        pass


def test_roles_run_in_their_order_and_unknown_ones_get_near_names() -> None:
    enabled = {"base": True, "swap": True, "docker": True, "backup": False}
    assert choose_roles(enabled, ()) == ("base", "swap", "docker")
    assert choose_roles(enabled, ("docker", "base")) == ("base", "docker")
    with pytest.raises(UsageError) as caught:
        choose_roles(enabled, ("dokcer",))
    assert caught.value.hint == "did you mean docker?"
    with pytest.raises(UsageError, match="turned off"):
        choose_roles(enabled, ("backup",))


def system(name: str, version: str) -> Hardware:
    return Hardware("h", "x86_64", "", 1, 1, name, version, "", "", "", "", "", (), ())


def test_only_known_systems_are_provisioned() -> None:
    for name, version in (("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")):
        refuse_unknown_system(system(name, version))
    with pytest.raises(ProvisionError, match="runs fedora 41; the roles are made for Debian 12 or 13"):
        refuse_unknown_system(system("fedora", "41"))
    with pytest.raises(ProvisionError):
        refuse_unknown_system(system("debian", "11"))


def test_leftovers_are_removed_by_name_and_kind_only(tmp_path: Path) -> None:
    (tmp_path / ".firstlight-abc").write_text("half")
    (tmp_path / "sysctl.conf.firstlight-20260101T000000Z").write_text("a backup")
    (tmp_path / ".firstlight-link").symlink_to("/etc/passwd")
    (tmp_path / ".firstlight-folder").mkdir()
    assert [path.name for path in remove_leftovers((tmp_path, tmp_path / "absent"))] == [".firstlight-abc"]
    assert len(os.listdir(tmp_path)) == 3


def test_stale_private_folders_are_removed_and_links_not_followed(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    (tmp_path / "keep").mkdir()
    (tmp_path / "run-2").symlink_to(tmp_path / "keep")
    remove_stale(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["keep", "run-2"]


def test_the_shipped_play_has_a_block_for_each_role_in_order() -> None:
    import yaml

    from agent.provision.variables import ROLES

    play = yaml.safe_load((playbooks() / "site.yml").read_text())[0]
    assert [task["tags"] for task in play["tasks"]] == [[role] for role in ROLES]
    assert {task["rescue"][0]["name"] for task in play["tasks"]} == {GO_ON}
    assert [task["block"][0]["ansible.builtin.import_role"]["name"] for task in play["tasks"]] == list(ROLES)
    assert [task["when"] for task in play["tasks"]] == [f"{role}_enabled | bool" for role in ROLES]
