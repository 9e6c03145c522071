from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from agent.check import Check, Level, failed, not_applicable, passed, unknown, warned
from agent.engine import sessions
from agent.engine.pool import run_checks
from agent.machine.local import LocalMachine
from agent.machine.recorded import RecordedMachine
from agent.machine.recording import Recording
from agent.model.errors import Missing, Unobservable
from agent.model.finding import Remedy
from agent.model.profile import Profile
from agent.model.resolved import resolve
from agent.model.verdict import Verdict
from tests.fixtures import NOW, FakeMachine
from tests.processes import gone

PROFILE = resolve(Profile(name="test"), 8 << 30, "digest")


def check(observe, judge=lambda seen, profile: [passed(str(seen))], **more):
    return Check(title="t", why="w", observe=lambda machine, profile: observe(machine), judge=judge, **more)


def run(checks, machine=None, level=Level.STANDARD, **more):
    results = run_checks(checks, machine or FakeMachine(), PROFILE, level, **more)
    return {found.check: found for found in results.runs}


def only_finding(checks, name, **more):
    findings = run(checks, **more)[name].findings
    assert len(findings) == 1
    return findings[0]


GOOD = check(lambda machine: "fine")


def hang(machine):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        time.sleep(60)


def children():
    """Every living or dead child of this process."""
    try:
        done = subprocess.run(["ps", "--no-headers", "-o", "pid,stat,args", "--ppid", str(os.getpid())],
                              capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("ps is not here")
    return [line for line in done.stdout.splitlines() if "ps --no-headers" not in line]


def test_results_come_in_the_order_of_ids_whatever_ends_first():
    slow = check(lambda machine: time.sleep(0.2))
    results = run_checks({"b.x": GOOD, "a.y": slow, "a.b": GOOD}, FakeMachine(), PROFILE, Level.QUICK, jobs=2)
    assert [found.check for found in results.runs] == ["a.b", "a.y", "b.x"]


def test_a_hanging_check_is_unknown_and_the_others_go_on():
    started = time.monotonic()
    found = run({"a.hang": check(hang, timeout_s=0.3), "b.good": GOOD, "c.good": GOOD})
    assert time.monotonic() - started < 2
    finding = found["a.hang"].findings[0]
    assert (finding.verdict, finding.summary) == (Verdict.UNKNOWN, "no answer within 0.3 s")
    assert found["a.hang"].duration_s == pytest.approx(0.3, abs=0.25)
    assert found["b.good"].findings[0].verdict == found["c.good"].findings[0].verdict == Verdict.PASS
    assert children() == []


@pytest.mark.parametrize("own_session", [False, True])
def test_what_a_hanging_check_started_is_gone_afterwards(tmp_path, own_session):
    pid_file = tmp_path / "pid"

    def observe(machine):
        if os.fork() == 0:
            if own_session:
                os.setsid()
            pid_file.write_text(str(os.getpid()))
            hang(machine)
        hang(machine)

    run({"a.b": check(observe, timeout_s=0.5)})
    assert not alive(int(pid_file.read_text()))


def alive(pid):
    for _ in range(50):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return False
        except FileNotFoundError:
            return False
        time.sleep(0.01)
    return True


def test_the_command_a_late_check_waits_for_is_killed():
    mark = f"{os.getpid()}.25"
    checks = {"a.b": check(lambda machine: machine.run(["sleep", mark], timeout_s=60), timeout_s=0.3)}
    assert only_finding(checks, "a.b", machine=LocalMachine()).summary == "no answer within 0.3 s"
    assert gone(f"sleep {mark}")


def test_the_command_of_a_check_that_was_killed_is_killed_too():
    mark = f"{os.getpid()}.75"

    def observe(machine):
        if os.fork() == 0:
            time.sleep(0.3)
            os.kill(os.getppid(), signal.SIGKILL)
            os._exit(0)
        machine.run(["sleep", mark], timeout_s=60)

    finding = only_finding({"a.b": check(observe)}, "a.b", machine=LocalMachine())
    assert finding.summary == "the check was killed by signal 9"
    assert gone(f"sleep {mark}")


def crash(machine):
    return {}["absent"]


CRASHES = {
    "raises": (crash, "the check crashed: KeyError: 'absent' (" + __file__),
    "exits": (lambda machine: sys.exit(3), "the check crashed: SystemExit: 3"),
    "leaves": (lambda machine: os._exit(4), "the check ended its own process (exit code 4)"),
    "kills": (lambda machine: os.kill(os.getpid(), signal.SIGKILL), "the check was killed by signal 9"),
    "aborts": (lambda machine: os.abort(), "the check was killed by signal 6"),
    "recursion": (lambda machine: recurse(), "the check crashed: RecursionError"),
}


def recurse():
    return recurse()


@pytest.mark.parametrize("how", CRASHES)
def test_a_crash_is_unknown_with_the_reason_and_the_others_go_on(how):
    observe, reason = CRASHES[how]
    found = run({"a.bad": check(observe), "b.good": GOOD, "0.good": GOOD})
    assert found["a.bad"].findings[0].verdict == Verdict.UNKNOWN
    assert found["a.bad"].findings[0].summary.startswith(reason)
    assert found["b.good"].findings[0].verdict == found["0.good"].findings[0].verdict == Verdict.PASS
    assert children() == []


def test_a_crash_of_judge_is_unknown_too():
    finding = only_finding({"a.b": check(lambda machine: 1, lambda seen, profile: 1 / 0)}, "a.b")
    assert finding.verdict == Verdict.UNKNOWN and "ZeroDivisionError" in finding.summary


def test_a_judge_that_says_nothing_is_unknown_never_pass():
    finding = only_finding({"a.b": check(lambda machine: 1, lambda seen, profile: [])}, "a.b")
    assert finding.verdict == Verdict.UNKNOWN and "said nothing" in finding.summary


def test_something_that_is_no_outcome_is_unknown():
    finding = only_finding({"a.b": check(lambda machine: 1, lambda seen, profile: ["pass"])}, "a.b")
    assert finding.verdict == Verdict.UNKNOWN and "crashed" in finding.summary


@pytest.mark.parametrize("error", [Unobservable("/x: permission denied"), Missing("fio: command not found")])
def test_unobservable_is_unknown_never_pass(error):
    def observe(machine):
        raise error

    finding = only_finding({"a.b": check(observe, remedy=Remedy("sysctl"))}, "a.b")
    assert (finding.verdict, finding.summary) == (Verdict.UNKNOWN, error.message)
    assert finding.remedy == Remedy()


def test_a_check_that_needs_root_is_unknown_without_it_and_never_observes():
    checks = {"a.b": check(crash, needs_root=True)}
    finding = only_finding(checks, "a.b", machine=FakeMachine(privileged=False))
    assert (finding.verdict, finding.summary) == (Verdict.UNKNOWN, "needs root: run with sudo")
    assert only_finding({"a.b": check(lambda m: "ok", needs_root=True)}, "a.b").verdict == Verdict.PASS


def test_every_verdict_of_judge_arrives_and_only_the_bad_ones_carry_the_remedy():
    said = [passed("p"), warned("w"), failed("f", subject="/data", seen="1", expected="2"), unknown("u"),
            not_applicable("n"), failed("own", remedy=Remedy(steps=("turn it off",)))]
    findings = run({"a.b": check(lambda m: 0, lambda s, p: said, remedy=Remedy("sysctl"))})["a.b"].findings
    assert [finding.verdict for finding in findings] == [outcome.verdict for outcome in said]
    assert [finding.remedy.role for finding in findings] == [None, "sysctl", "sysctl", None, None, None]
    assert (findings[2].subject, findings[2].seen, findings[2].expected) == ("/data", "1", "2")
    assert findings[5].remedy.steps == ("turn it off",)


def test_a_large_answer_arrives_whole():
    large = check(lambda machine: 0, lambda seen, profile: [passed("x" * 5_000_000)])
    assert len(only_finding({"a.b": large}, "a.b").summary) == 5_000_000


def test_an_answer_of_hundreds_of_megabytes_is_unknown():
    huge = check(lambda machine: 0, lambda seen, profile: [passed("x" * (65 << 20))])
    assert only_finding({"a.b": huge}, "a.b").summary == "the check's answer is too large"


def test_an_answer_that_cannot_be_sent_is_unknown():
    odd = check(lambda machine: 0, lambda seen, profile: [passed("x", evidence=[lambda: 0])])
    found = run({"a.b": odd, "b.c": GOOD})
    assert found["a.b"].findings[0].verdict == Verdict.UNKNOWN
    assert found["b.c"].findings[0].verdict == Verdict.PASS


def test_a_check_cannot_write_to_our_terminal(capfd):
    def observe(machine):
        os.write(1, b"louder")
        os.write(2, b"loudest")
        print("loud", flush=True)
        print("loud", file=sys.stderr, flush=True)

    assert only_finding({"a.b": check(observe)}, "a.b").verdict == Verdict.PASS
    assert capfd.readouterr() == ("", "")


def test_checks_above_the_level_are_absent():
    checks = {"a.quick": GOOD, "a.standard": check(lambda m: 1, level=Level.STANDARD),
              "a.deep": check(lambda m: 1, level=Level.DEEP)}
    assert list(run(checks, level=Level.QUICK)) == ["a.quick"]
    assert list(run(checks, level=Level.STANDARD)) == ["a.quick", "a.standard"]
    assert list(run(checks, level=Level.DEEP)) == ["a.deep", "a.quick", "a.standard"]


def test_deep_checks_run_alone_after_the_others(tmp_path):
    def observe(machine):
        started = time.monotonic()
        time.sleep(0.1)
        return (started, time.monotonic())

    def judge(seen, profile):
        return [passed(json.dumps(seen))]

    checks = {f"a.deep-{i}": check(observe, judge, level=Level.DEEP) for i in range(2)}
    checks |= {f"b.light-{i}": check(observe, judge) for i in range(3)}
    found = run(checks, level=Level.DEEP, jobs=3)
    spans = {name: json.loads(one.findings[0].summary) for name, one in found.items()}
    end_of_light = max(spans[f"b.light-{i}"][1] for i in range(3))
    assert end_of_light <= spans["a.deep-0"][0] and spans["a.deep-0"][1] <= spans["a.deep-1"][0]


def test_the_budget_ends_the_run():
    checks = {"a.hang": check(hang), "b.good": GOOD}
    started = time.monotonic()
    found = run(checks, budget_s=0.3)
    assert time.monotonic() - started < 2
    assert found["a.hang"].findings[0].verdict == found["b.good"].findings[0].verdict == Verdict.UNKNOWN
    assert found["b.good"].findings[0].summary == "not run: the 0.3 s for all checks were over"


def test_the_caller_is_told_what_starts_and_what_is_done():
    told = []
    run({"a.b": GOOD, "a.c": check(crash)}, on_start=lambda name: told.append(("start", name)),
        on_done=lambda found: told.append(("done", found.check)))
    assert told == [("start", "a.b"), ("done", "a.b"), ("start", "a.c"), ("done", "a.c")]


def test_an_interrupt_ends_every_worker():
    def interrupted(name):
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run({"a.b": check(hang), "a.c": check(hang)}, jobs=2, on_start=interrupted)
    assert children() == []


def test_an_exception_of_a_callback_ends_every_worker():
    with pytest.raises(ZeroDivisionError):
        run({"a.b": GOOD, "a.c": check(hang)}, jobs=2, on_done=lambda found: 1 / 0)
    assert children() == []


def test_no_descriptor_is_left_open():
    before = len(os.listdir("/proc/self/fd"))
    run({"a.hang": check(hang, timeout_s=0.1), "a.crash": check(lambda m: os._exit(1)), "b.c": GOOD}, jobs=2)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_checks_of_a_worker_ask_the_machine_once(tmp_path):
    marks = tmp_path / "marks"
    argv = ("sh", "-c", f"echo x >> {marks}; cat {marks}")
    checks = {f"a.b{i}": check(lambda machine: machine.run(argv).out) for i in range(3)}
    found = run(checks, machine=LocalMachine())
    assert {one.findings[0].summary for one in found.values()} == {"x\n"}


def test_a_replay_of_what_was_recorded_gives_the_same_findings():
    def many(machine):
        return machine.read("/proc/meminfo").splitlines()[0], machine.run(["uname", "-a"]).out

    checks = {
        "a.read": check(many), "a.listing": check(lambda m: m.listing("/etc")),
        "a.space": check(lambda m: m.space("/")),
        "a.status": check(lambda m: m.status("/etc/passwd")), "a.absent": check(lambda m: m.read("/absent")),
        "a.code": check(lambda m: m.run(["false"])), "a.root": check(lambda m: m.privileged()),
        "a.bytes": check(lambda m: m.read_bytes("/proc/self/cmdline", limit_bytes=5)),
        "a.exists": check(lambda m: m.exists("/etc/passwd")),
        "a.no-command": check(lambda m: m.run(["absent"])),
    }
    for jobs in (1, 2):
        live = run_checks(checks, LocalMachine(), PROFILE, Level.QUICK, jobs=jobs, record=True)
        recording = Recording(NOW, "host", live.answers)
        replayed = run_checks(checks, RecordedMachine(recording), PROFILE, Level.QUICK)
        assert [one.findings for one in replayed.runs] == [one.findings for one in live.runs]


def test_what_was_not_recorded_is_unknown():
    empty = RecordedMachine(Recording(0.0, "host", {}))
    finding = only_finding({"a.b": check(lambda m: m.read("/etc/fstab"))}, "a.b", machine=empty)
    assert finding.verdict == Verdict.UNKNOWN
    assert finding.summary == "not in the recording of 1970-01-01: read /etc/fstab"


def test_a_worker_that_cannot_be_killed_is_left_behind_and_reaped_later(monkeypatch):
    started = time.monotonic()
    with monkeypatch.context() as patch:
        patch.setattr(sessions, "_signal", lambda pid, number: None)
        found = run({"a.hang": check(lambda m: time.sleep(1.5), timeout_s=0.1), "b.good": GOOD})
    assert time.monotonic() - started < 1.2
    assert found["a.hang"].findings[0].summary == "no answer within 0.1 s"
    assert found["b.good"].findings[0].verdict == Verdict.PASS
    (abandoned,) = sessions.abandoned
    os.kill(abandoned, signal.SIGKILL)
    assert not alive(abandoned)
    run({"b.good": GOOD})
    assert not sessions.abandoned and children() == []
