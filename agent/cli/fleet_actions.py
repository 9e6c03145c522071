"""What `firstlight fleet` does: asks, judges, shows."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import options
from agent.cli.fleet import code_of, fleet_of, progress
from agent.fleet.answers import shaped
from agent.fleet.look import Row, look_at_answers, look_at_reports, unanswered
from agent.fleet.runner import ask
from agent.model.errors import UsageError
from agent.model.verdict import ExitCode
from agent.report.fleet import render_cohorts, render_own, render_table
from agent.report.json import render_envelope

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from agent.fleet.answers import Answer
    from agent.fleet.rings import Ring, Rollout


def status(args: argparse.Namespace) -> int:
    """Show who answers, and the last report of each."""
    answers = ask(fleet_of(args), ["report", "list", "-n", "1", "-o", "json"], on_answer=progress)
    rows = [unanswered(answer) or _last(answer) for answer in answers.values()]
    return _shown(args, "fleet status", answers, rows, wrong=any(row[1] == "fail" for row in rows))


def check(args: argparse.Namespace) -> int:
    """Check every machine."""
    words = ["check", "--level", args.level, "-o", "json"]
    answers = _asked(args, words, "runs", "counts", "exit_code")
    _keep(args.to, answers)
    rows = [unanswered(answer) or _checked(answer) for answer in answers.values()]
    return _shown(args, "fleet check", answers, rows, wrong=any(row[1] == "fail" for row in rows))


def drift(args: argparse.Namespace) -> int:
    """Ask every machine for its drift and its facts, and compare those of one kind with each other."""
    from agent.drift.areas import OWN

    answers = _asked(args, ["drift", "--facts", "-o", "json"], "head", "drifts", "unseen", "facts")
    _keep(args.to, answers)
    seen = look_at_answers(answers, OWN)
    if args.output == "text":
        sys.stdout.write("".join(render_own(host, drifts) + "\n" for host, drifts in seen.own.items()))
        sys.stdout.write(render_cohorts(seen.documents()) + render_table(seen.machines))
    else:
        _print_json("fleet drift", answers, seen.machines, cohorts=seen.documents(), drifts=seen.own)
    return code_of(list(answers.values()), wrong=bool(seen.own) or any(cohort.odd for cohort in seen.cohorts))


def drift_from(args: argparse.Namespace) -> int:
    """Compare collected reports."""
    from agent.drift.areas import OWN

    seen = look_at_reports(args.source, OWN)
    drifted = seen.names("drifted")
    broken = {name: said for name, state, said in seen.machines if state == "unreadable"}
    if args.output == "text":
        sys.stdout.write(render_cohorts(seen.documents()))
        sys.stdout.writelines(f"{name}: {reason}\n" for name, reason in broken.items())
        sys.stdout.write(
            f"{len(seen.machines) - len(broken)} reports, {len(drifted)} with drifts of their own, "
            f"{len(broken)} not readable\n"
        )
    else:
        sys.stdout.write(
            render_envelope(
                {"cohorts": seen.documents(), "drifted": drifted, "unreadable": broken}, command="fleet drift"
            )
        )
    if any(cohort.odd for cohort in seen.cohorts) or drifted:
        return ExitCode.FAILED
    return ExitCode.DEGRADED if broken else ExitCode.OK


def apply(args: argparse.Namespace) -> int:
    """Apply ring by ring."""
    from agent.fleet.rings import DEFAULT, roll_out, split

    fleet, sizes = fleet_of(args), args.rings or DEFAULT
    _require_yes(args, len(fleet.hosts), len(split(fleet.hosts, sizes)))
    words = ["apply", "--yes", "-o", "json"]
    words += ["--only", ",".join(options.only(args))] if args.only else []
    words += ["--allow-disruption"] if args.allow_disruption else []
    done = roll_out(
        fleet.hosts,
        sizes,
        lambda hosts, said: ask(fleet, said, hosts=hosts, on_answer=progress),
        words,
        _said,
    )
    rows = _rollout_rows(done)
    if args.output == "json":
        rings = [{"number": ring.number, "hosts": ring.hosts, "bad": ring.bad} for ring in done.rings]
        sys.stdout.write(
            render_envelope(
                {
                    "rings": rings,
                    "unreachable": done.unreachable,
                    "waiting": done.waiting,
                    "machines": _machines(rows),
                },
                command="fleet apply",
            )
        )
    else:
        sys.stdout.write(render_table(rows))
        if done.stopped:
            sys.stdout.write(
                f"stopped after ring {done.rings[-1].number}; {len(done.waiting)} machines wait\n"
            )
    if done.stopped:
        return ExitCode.FAILED
    return ExitCode.DEGRADED if done.unreachable else ExitCode.OK


def _asked(args: argparse.Namespace, words: Sequence[str], *keys: str) -> dict[str, Answer]:
    """Return the answers; one that lacks these keys is none."""
    answers = ask(fleet_of(args), words, on_answer=progress)
    return {host: shaped(answer, *keys) for host, answer in answers.items()}


def _require_yes(args: argparse.Namespace, machines: int, rings: int) -> None:
    if args.yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "there is no terminal to ask at", "look with fleet drift first, then: fleet apply --yes"
        )
    sys.stderr.write(f"Apply on {machines} machines in {rings} rings? [y/N] ")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was applied")


def _said(ring: Ring) -> None:
    good = len(ring.hosts) - len(ring.bad)
    print(f"ring {ring.number}: {good} of {len(ring.hosts)} machines are as they should be", file=sys.stderr)


def _rollout_rows(done: Rollout) -> list[Row]:
    rows = [(host, "unreachable", problem) for host, problem in done.unreachable.items()]
    for ring in done.rings:
        for host in ring.hosts:
            if host in ring.bad:
                rows.append((host, "bad", f"ring {ring.number}: {ring.bad[host]}"))
            else:
                rows.append(
                    (host, "ok", f"ring {ring.number}: {len(ring.applied[host].data['changes'])} changes")
                )
    return rows + [(host, "waiting", "a ring before it was bad") for host in done.waiting]


def _last(answer: Answer) -> Row:
    if not answer.data:
        return (answer.host, "ok", "no report yet")
    last = answer.data[0]
    from agent.model.drift import time_text

    state = {0: "ok", 1: "fail"}.get(last["exit_code"], "degraded")
    return (
        answer.host,
        state,
        f"{last['profile']}, {last['kind']} {time_text(last['started'])}: {last['summary']}",
    )


def _checked(answer: Answer) -> Row:
    wrong = [
        finding for run in answer.data["runs"] for finding in run["findings"] if finding["verdict"] == "fail"
    ]
    state = {0: "ok", 1: "fail"}.get(answer.data["exit_code"], "degraded")
    counts = ", ".join(f"{number} {name}" for name, number in answer.data["counts"].items() if number)
    return (answer.host, state, f"{counts}{': ' + wrong[0]['summary'] if wrong else ''}")


def _keep(folder: str | None, answers: Mapping[str, Answer]) -> None:
    if folder is None:
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for host, answer in answers.items():
            if answer.envelope is not None:
                (Path(folder) / f"{host.replace('/', '_')}.json").write_text(
                    json.dumps(answer.envelope), encoding="utf-8"
                )
    except OSError as error:
        raise UsageError(f"{folder}: the answers cannot be kept: {error.strerror}") from error


def _shown(
    args: argparse.Namespace, command: str, answers: Mapping[str, Answer], rows: Sequence[Row], *, wrong: bool
) -> int:
    if args.output == "json":
        _print_json(command, answers, rows)
    else:
        sys.stdout.write(render_table(rows))
    return code_of(list(answers.values()), wrong=wrong)


def _print_json(command: str, answers: Mapping[str, Answer], rows: Sequence[Row], **more: Any) -> None:
    envelopes = {} if more else {host: answer.envelope for host, answer in answers.items() if answer.envelope}
    machines = [
        {**machine, "duration_s": round(answers[machine["host"]].duration_s, 2)}
        for machine in _machines(rows)
    ]
    sys.stdout.write(
        render_envelope(
            {"machines": machines, **more, **({"envelopes": envelopes} if envelopes else {})}, command=command
        )
    )


def _machines(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [{"host": host, "state": state, "summary": said} for host, state, said in rows]
