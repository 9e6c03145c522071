"""The other end of the pipe: `python -m agent.desk.worker REQUEST` does one thing and tells it as JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agent.app import App
from agent.check import Level
from agent.machine.kernels import REBOOT_MARKER
from agent.model.errors import FirstlightError, Unobservable

if TYPE_CHECKING:
    from collections.abc import Callable

    Say = Callable[..., None]


def main(text: str) -> int:
    """Do what the JSON object asks: `{"do": look|check|plan|drift|accept|smoke|fleet, "capture", "profile", …}`."""
    out = os.dup(1)
    os.dup2(2, 1)

    def say(**values: Any) -> None:
        line = memoryview(json.dumps(values).encode() + b"\n")
        while line:
            line = line[os.write(out, line):]

    request = json.loads(text)
    app = App(capture=request.get("capture"), profile=request.get("profile"))
    try:
        jobs = {"look": _look, "check": _check, "plan": _plan, "drift": _drift, "accept": _accept,
                "smoke": _smoke, "fleet": _fleet}
        jobs[request["do"]](app, request, say)
    except FirstlightError as error:
        say(event="error", message=error.message, hint=error.hint)
        return 3
    except BrokenPipeError:
        return 141
    except KeyboardInterrupt:
        return 130
    return 0


def _look(app: App, request: dict[str, Any], say: Say) -> None:
    """Tell the card and the profile; what cannot be had is told as a problem and hides nothing else."""
    found: dict[str, Any] = {"privileged": app.machine.privileged() if app.recording is None else False}
    problems = []
    for part in (_card, _profile, _memory, _limits, _roles, *((_timers, _first_boot) if app.recording is None else ())):
        try:
            found |= part(app)
        except FirstlightError as error:
            problems.append(error.message)
    found["checks"] = [
        {"id": name, "title": check.title, "why": check.why, "level": check.level.name.lower(),
         "role": check.remedy.role or ""}
        for name, check in sorted(app.checks().items())
    ]
    from agent.smoke.catalogue import JOBS

    found["jobs"] = [{"id": name, "title": job.title, "why": job.why, "level": "smoke"} for name, job in JOBS.items()]
    found.setdefault("hostname", app.recording.hostname if app.recording else os.uname().nodename)
    say(event="look", look=found | {"problem": "; ".join(problems)})


def _card(app: App) -> dict[str, Any]:
    from agent.report.card import card_rows

    try:
        choice = app.choice
    except FirstlightError:
        choice = None
    rows = card_rows(app.described, app.graphics, app.docker(), choice)
    return {"hostname": app.hardware.hostname, "rows": rows, "unified": app.graphics.unified,
            "memory_bytes": app.hardware.memory_bytes}


def _profile(app: App) -> dict[str, Any]:
    from agent.config.listing import values

    loaded = app.choice.loaded
    listed = [{"key": value.key, "value": json.dumps(value.value, ensure_ascii=False), "origin": value.origin}
              for value in values(loaded)]
    return {"profile": loaded.profile.name, "digest": loaded.digest, "reason": app.choice.reason,
            "values": listed}


def _roles(app: App) -> dict[str, Any]:
    """Tell the roles that an apply of everything goes through."""
    from agent.provision.variables import sections

    return {"roles": [role for role, section in sections(app.resolved).items() if getattr(section, "enabled", True)]}


def _memory(app: App) -> dict[str, Any]:
    from agent.desk.feed import available_bytes
    from agent.machine.gpu import held_bytes

    gpus = app.graphics.view.gpus if app.graphics.view else ()
    held = [held_bytes(gpu) for gpu in gpus]
    return {"gpu_held_bytes": None if None in held or not held else sum(filter(None, held)),
            "available_bytes": available_bytes(app.machine)}


def _limits(app: App) -> dict[str, Any]:
    from agent.smoke.speed import limits_of

    gpus = app.graphics.view.gpus if app.graphics.view else ()
    return {"limits": [(gpu.subject, *limit) for gpu in gpus for limit in limits_of(gpu.name)]}


def _timers(app: App) -> dict[str, Any]:
    from agent.systemd.installation import ours
    from agent.systemd.status import observe_status

    names = [name for name in ours() if name.endswith(".timer")]
    return {"timers": [(unit.name.removeprefix("firstlight-").removesuffix(".timer"), unit.next or unit.active)
                       for unit in observe_status(app.machine, names)]}


def _first_boot(app: App) -> dict[str, Any]:
    """Tell where a first boot stands that is not over, and whether the machine asks for a reboot."""
    from agent.state.folder import state_folder
    from agent.up.gate import reboot_wanted
    from agent.up.state import Stage, StateFile

    begun = StateFile(state_folder()).find() if app.machine.privileged() else None
    wanted = app.machine.exists(REBOOT_MARKER)
    with contextlib.suppress(Unobservable):  # a container has no kernel of its own
        wanted = wanted or reboot_wanted(app.machine)
    going = begun is not None and begun.stage is not Stage.DONE
    return {"reboot_wanted": wanted, "first_boot": begun.stage.value if begun is not None and going else ""}


def _check(app: App, request: dict[str, Any], say: Say) -> None:
    """Tell each check as it starts and ends, then the whole report; keep it when asked to."""
    from agent.model.document import report_to_document

    level, only = request["level"], request["only"]
    chosen = [name for name, check in app.checks(only).items() if check.level <= Level[level.upper()]]
    say(event="begin", total=len(chosen))
    report = app.check(level=level, only=only, on_start=lambda name: say(event="start", check=name),
                       on_done=lambda run: say(event="done", check=run.check))
    if request.get("keep") and app.recording is None:
        app.keep(report, lambda text: say(event="say", text=text))
    say(event="report", report=report_to_document(report))


def _plan(app: App, request: dict[str, Any], say: Say) -> None:
    """Tell each step of a plan, then the plan."""
    from agent.provision.job import prepare
    from agent.provision.plan import plan

    job = prepare(app.resolved, app.hardware, only=request["roles"],
                  allow_disruption=bool(request.get("allow_disruption")))
    made = plan(job, on_step=lambda step: say(event="step", **asdict(step)),
                say=lambda text: say(event="say", text=text))
    say(event="plan", plan=asdict(made))


def _drift(app: App, request: dict[str, Any], say: Say) -> None:
    """Tell what drifted from the profile and the baseline; what is found on this machine is kept."""
    from agent.model.drift import time_text
    from agent.watch import BASELINE, PROFILE

    seen = app.drift.look(against=(PROFILE, BASELINE), save=app.recording is None,
                          warn=lambda text: say(event="say", text=text))
    if app.recording is None:
        app.tell_exporter(lambda text: say(event="say", text=text))
    base = seen.baseline
    told = f"accepted {time_text(base.accepted)} by {base.by}: {base.reason}" if base is not None else ""
    say(event="drift", drift={"drifts": [asdict(drift) for drift in seen.drifts], "baseline": told,
                              "unseen": list(seen.unseen.items()), "taken": seen.fingerprint.taken})


def _accept(app: App, request: dict[str, Any], say: Say) -> None:
    """Make the machine as it is now its baseline."""
    app.drift.accept(request["reason"], request["who"])
    app.tell_exporter(lambda text: say(event="say", text=text))
    say(event="accept")


def _smoke(app: App, request: dict[str, Any], say: Say) -> None:
    """Run smoke jobs; tell each as it starts, speaks and ends, then the report. Results are kept."""
    from agent.model.document import report_to_document
    from agent.smoke.catalogue import chosen_jobs
    from agent.smoke.running import run_jobs
    from agent.state.jobs import JobHistory

    jobs = chosen_jobs(request["jobs"])
    history = JobHistory(app.history())
    try:
        session = app.smoke({}, history=history, say=lambda text: say(event="say", text=text))
        say(event="begin", total=len(jobs))
        report, _ = run_jobs(session, jobs, on_start=lambda name: say(event="start", check=name),
                             on_done=lambda run: say(event="done", check=run.check),
                             warn=lambda text: say(event="say", text=text))
    finally:
        history.close()
        app.tell_exporter(lambda text: say(event="say", text=text))
    say(event="smoke", report=report_to_document(report))


def _fleet(app: App, request: dict[str, Any], say: Say) -> None:
    """Tell each machine's answer as it comes, then how they compare; collected reports are only read."""
    from agent.desk.fleet import look_at

    seen = look_at(request["source"], lambda host, done, total: say(event="answer", host=host, done=done, total=total))
    say(event="fleet", fleet={"machines": seen.machines, "cohorts": seen.documents(), "own": seen.own})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
