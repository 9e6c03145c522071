"""`firstlight smoke`: run the jobs that prove the machine can work."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from agent.cli import load_options, options, terminal

if TYPE_CHECKING:
    import argparse

    from agent.app import App
    from agent.model.finding import Report
    from agent.smoke.session import JobResult
    from agent.state.jobs import JobHistory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="all of them when none is named; see --list")
    options.add_profile(parser)
    options.add_output(parser, *options.FORMATS)
    parser.add_argument("--place", choices=("auto", "container", "local"), help="default: the profile's")
    parser.add_argument("--image", metavar="REFERENCE", help="run in this image; it must be here already")
    parser.add_argument("--python", metavar="PATH", help="run by this interpreter, which has torch")
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="CPU threads of a job (default: torch's)")
    parser.add_argument("--passes", type=int, metavar="N", help="how often a slow figure is measured again")
    parser.add_argument("--allow-busy", action="store_true", help="run although somebody's work is on the GPU")
    parser.add_argument("--nsys", metavar="FOLDER", default="", help="profile local jobs with Nsight Systems into it")
    parser.add_argument("--new-baseline", action="store_true", help="forget these jobs' results: today is a first day")
    parser.add_argument("--no-save", action="store_true", help="do not keep the results")
    load_options.add_load(parser)
    parser.add_argument("--list", action="store_true", help="say what the jobs prove; runs nothing")
    parser.add_argument("--history", action="store_true", help="show the kept results; runs nothing")


def run(args: argparse.Namespace) -> int:
    """Run the jobs, or say what there is."""
    from agent.smoke.catalogue import chosen_jobs

    load = load_options.chosen_load(args)
    jobs = chosen_jobs(args.jobs or (["vllm"] if load.url else []))
    if args.list:
        return _list(args)
    from agent.app import App

    app = App(profile=args.profile)
    if args.history:
        return _history(app, args)
    from agent.cli.rendering import code_of
    from agent.smoke.running import run_jobs

    app.resolved  # noqa: B018 - errors of the profile come before anything is opened
    choices = {"place": args.place, "image": args.image, "python": args.python, "passes": args.passes}
    if args.python and not args.place:
        choices["place"] = "local"
    progress = Progress()
    history = None if args.no_save else _opened(app)
    try:
        session = app.smoke(choices, history=history, allow_busy=args.allow_busy, threads=args.threads,
                            nsys_folder=args.nsys, load=load, say=progress.say)
        if history is not None and args.new_baseline:
            for name in jobs:
                history.forget(session.hostname, name)
        report, results = run_jobs(session, jobs, on_start=progress.on_start, on_done=progress.on_done,
                                   warn=terminal.warn)
    finally:
        progress.clear()
        if history is not None:
            history.close()
            app.tell_exporter(terminal.warn)
    _print(report, results, args)
    return code_of(report, args)


class Progress(terminal.Progress):
    """The progress of checks, and beside it the last thing the job said and how long it has run."""

    def __init__(self) -> None:
        super().__init__()
        self._began, self._name = time.monotonic(), ""

    def on_start(self, check_id: str) -> None:
        """Show the job that begins."""
        self._began, self._name = time.monotonic(), check_id
        super().on_start(check_id)

    def say(self, text: str) -> None:
        """Show what the job says."""
        self._write(f"{self._name} {time.monotonic() - self._began:.0f} s: {text}")


def _opened(app: App) -> JobHistory | None:
    """Open the history; without one the jobs run all the same."""
    from agent.model.errors import StateError
    from agent.state.jobs import JobHistory

    try:
        return JobHistory(app.history())
    except StateError as error:
        terminal.warn(f"the results are not kept: {error.message}")
        return None


def _print(report: Report, results: list[tuple[str, JobResult]], args: argparse.Namespace) -> None:
    from agent.cli.rendering import print_report

    if args.output == "json":
        from agent.model.document import report_to_document
        from agent.report.json import render_envelope

        jobs = [{"job": name, "subject": result.outcome.subject, "verdict": result.outcome.verdict.value,
                 "setting": result.setting, "figures": result.figures, "document": result.document}
                for name, result in results]
        sys.stdout.write(render_envelope({**report_to_document(report), "jobs": jobs}, command="smoke"))
        return
    if args.output == "text":
        from agent.report.proven import proven_lines

        terminal.show(proven_lines(report, terminal.width()), args)
        for _, result in results:
            if table := result.document.get("table"):
                sys.stdout.write("\n".join((*table, "")) + "\n")
    print_report(report, args)


def _list(args: argparse.Namespace) -> int:
    from agent.smoke.catalogue import JOBS

    if args.output == "json":
        from agent.report.json import render_envelope

        data: dict[str, Any] = {name: {"title": job.title, "why": job.why} for name, job in JOBS.items()}
        sys.stdout.write(render_envelope(data, command="smoke"))
    else:
        from agent.smoke.render import render_list

        sys.stdout.write(render_list(JOBS, terminal.width()))
    return 0


def _history(app: App, args: argparse.Namespace) -> int:
    from agent.smoke.render import render_history
    from agent.state.jobs import JobHistory

    with app.history() as history:
        kept = JobHistory(history)
        lines = [line for name in args.jobs or [""] for line in kept.lines(app.hardware.hostname, name)]
    if args.output == "json":
        from dataclasses import asdict

        from agent.report.json import render_envelope

        sys.stdout.write(render_envelope([asdict(line) for line in lines], command="smoke"))
    else:
        sys.stdout.write(render_history(lines))
    return 0
