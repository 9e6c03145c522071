"""The composition root: the one place that joins machine, profile, checks and history.

Everything is made when it is first asked for, so a command pays only for what it uses.
"""

from __future__ import annotations

import contextlib
import functools
import time
from typing import TYPE_CHECKING, Any

from agent.model.errors import FirstlightError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from agent.check import Check
    from agent.config.profiles import Choice
    from agent.engine.pool import Results
    from agent.exporter.facts import Facts
    from agent.exporter.serving import Service
    from agent.images.shelf import Shelf
    from agent.machine.ahead import Ahead
    from agent.machine.api import Machine
    from agent.machine.recording import Recording
    from agent.model.finding import CheckRun, Report
    from agent.model.gpu import Graphics
    from agent.model.hardware import Hardware
    from agent.model.resolved import ResolvedProfile
    from agent.smoke.session import Session
    from agent.state.history import History
    from agent.state.jobs import JobHistory
    from agent.watch import DriftWatch


class App:
    """One machine (this one, or a recording) and the profile it is held to."""

    def __init__(self, *, capture: str | None = None, profile: str | None = None) -> None:
        self.capture = capture
        self._wanted = profile
        self._ahead: Ahead | None = None

    @functools.cached_property
    def recording(self) -> Recording | None:
        """The recording that is looked at, or None for this machine. Raises FirstlightError."""
        if self.capture is None:
            return None
        from agent.machine.recording_file import load_recording

        return load_recording(self.capture)

    @functools.cached_property
    def machine(self) -> Machine:
        """The machine that is looked at."""
        from agent.machine.recorded import RecordedMachine

        if self.recording is not None:
            return RecordedMachine(self.recording)
        from agent.machine.local import LocalMachine

        return LocalMachine()

    @functools.cached_property
    def hardware(self) -> Hardware:
        """What the machine is. Raises Unobservable."""
        from agent.machine.hardware import observe_hardware

        return observe_hardware(self.machine)

    @functools.cached_property
    def described(self) -> Hardware:
        """The hardware together with what it runs in, for who shows it. Raises Unobservable."""
        from dataclasses import replace

        from agent.machine.hardware import observe_virtualization

        return replace(self.hardware, virtualization=observe_virtualization(self.machine))

    @functools.cached_property
    def graphics(self) -> Graphics:
        """What an owner says about the GPUs."""
        from agent.machine.graphics import observe_graphics

        return observe_graphics(self.machine)

    @functools.cached_property
    def choice(self) -> Choice:
        """The profile and why it was chosen. Raises ProfileError."""
        from agent.config import profiles

        if self._wanted is None and self.recording is not None and self.recording.profile:
            loaded = profiles.from_document(self.recording.profile, str(self.capture))
            return profiles.Choice(loaded, "recorded together with the machine")
        return profiles.choose(self.hardware, self._wanted, use_site=self.recording is None)

    @functools.cached_property
    def resolved(self) -> ResolvedProfile:
        """The chosen profile, sized for this machine; as it was resolved last time when nothing speaks against it."""
        if self.recording is not None:
            return self._resolve()
        from agent.config.kept import NAME, KeptProfile
        from agent.state.folder import state_folder

        kept = KeptProfile(state_folder() / NAME, _replace_file)
        found = kept.find(self.hardware, self._wanted)
        if found is not None:
            return found
        resolved = self._resolve()
        with contextlib.suppress(StateError):  # who may not write there resolves it each time
            kept.keep(resolved, self.choice.loaded.files)
        return resolved

    def _resolve(self) -> ResolvedProfile:
        from agent.model.resolved import resolve

        loaded = self.choice.loaded
        return resolve(loaded.profile, self.hardware.memory_bytes, loaded.digest)

    def used_disks(self) -> frozenset[str]:
        """Return the names of the disks that hold something mounted directly (not through LVM, RAID or LUKS)."""
        from agent.machine.mounts import observe_mounts

        sources = [mount.source.removeprefix("/dev/") for mount in observe_mounts(self.machine)]
        return frozenset(
            disk.name for disk in self.hardware.disks if any(name.startswith(disk.name) for name in sources)
        )

    def docker(self) -> str:
        """Return one phrase about Docker: its version and runtimes, or why they cannot be told."""
        from agent.machine.docker import find_dockerd, observe_info
        from agent.model.errors import Unobservable

        try:
            info = observe_info(self.machine)
        except Unobservable as error:
            try:
                installed = find_dockerd(self.machine) is not None
            except Unobservable:
                return f"not known: {error.message}"
            return f"installed, not known more: {error.message}" if installed else "not installed"
        return f"{info.version}, {info.storage_driver}, runtimes {', '.join(sorted(info.runtimes))}"

    def expected(self, check: Check[Any]) -> dict[str, Any]:
        """Return the profile's values of the role that repairs a check; empty when a person must."""
        from agent.model.resolved import data_of
        from agent.provision.variables import sections

        section = sections(self.resolved).get(check.remedy.role or "")
        return data_of(section) if section is not None else {}

    def checks(self, only: Sequence[str] = ()) -> dict[str, Check[Any]]:
        """Return the checks by id, or those that `only` names by id or area. Raises UsageError."""
        import checks
        from agent.engine.discovery import load_checks

        return load_checks(checks, only)

    @contextlib.contextmanager
    def asking_ahead(self, level: str, *, kept: bool = False) -> Iterator[None]:
        """Let this machine answer what nearly every look asks while the profile is read; `observe` collects it.

        `kept`: it looks only at what roles keep. What nobody has collected at the end is ended.
        """
        from agent.machine.ahead import Ahead, usual_commands
        from agent.machine.local import LocalMachine

        if isinstance(self.machine, LocalMachine):
            self._ahead = Ahead(usual_commands(self.machine, level, kept=kept))
        try:
            yield
        finally:
            left, self._ahead = self._ahead, None
            if left is not None:
                left.end()

    def check(
        self,
        *,
        level: str = "quick",
        only: Sequence[str] = (),
        record: bool = False,
        on_start: Callable[[str], None] | None = None,
        on_done: Callable[[CheckRun], None] | None = None,
    ) -> Report:
        """Look at the machine and return the report; nothing is written. Level: quick, standard, deep."""
        from dataclasses import replace

        report = self.observe(
            self.checks(only), level=level, on_start=on_start, on_done=on_done, record=record
        )[0]
        return replace(report, partial=bool(only))

    def observe(
        self,
        chosen: Mapping[str, Check[Any]],
        *,
        level: str,
        record: bool = False,
        on_start: Callable[[str], None] | None = None,
        on_done: Callable[[CheckRun], None] | None = None,
    ) -> tuple[Report, Results]:
        """Run the checks; return the report and the engine's results (with the answers, when recording)."""
        from agent.check import Level
        from agent.engine.pool import run_checks
        from agent.model.finding import Report

        resolved, started, begun = self.resolved, time.time(), time.monotonic()
        ahead, self._ahead = self._ahead, None
        results = run_checks(
            chosen,
            ahead.collect(self.machine) if ahead is not None else self.machine,
            resolved,
            Level[level.upper()],
            on_start=on_start,
            on_done=on_done,
            record=record,
        )
        report = Report(
            machine=self.hardware.hostname,
            profile=resolved.profile.name,
            profile_digest=resolved.digest,
            level=level,
            started=started,
            finished=started + time.monotonic() - begun,
            runs=results.runs,
        )
        return report, results

    def shelf(self, *, catalogue: str | None = None, architecture: str | None = None,
              credentials: str | None = None) -> Shelf:
        """Return what can be said and done about container images here. Raises FirstlightError."""
        from agent.images.ledger import Ledger
        from agent.images.shelf import Shelf
        from agent.state.atomic import write_atomic
        from agent.state.folder import make_folder, state_folder

        def write(file: Path, text: str) -> None:
            make_folder(file.parent)
            write_atomic(file, text, 0o600)

        ledger = Ledger(state_folder() / "images.json", write)
        return Shelf(self.machine, self.hardware, self.resolved, ledger, catalogue, architecture, credentials)

    def smoke(self, choices: Mapping[str, Any], *, history: JobHistory | None, **settings: Any) -> Session:
        """Return a session for smoke jobs: the profile's section `smoke` with the caller's choices over it.

        `settings` are the other fields of Session. Raises ProfileError for a choice that cannot be.
        """
        from agent.model.profile import Smoke
        from agent.model.resolved import data_of, held
        from agent.smoke.session import Session

        smoke = held(Smoke.model_validate(
            data_of(self.resolved.profile.smoke) | {key: value for key, value in choices.items() if value}
        ))
        return Session(self.machine, self.resolved, smoke, self.hardware.hostname, history, **settings)

    def history(self) -> History:
        """Open the history. Raises StateError."""
        from agent.state.folder import state_folder
        from agent.state.history import History

        return History(state_folder())

    def keep(self, report: Report, warn: Callable[[str], None]) -> int | None:
        """Write a report to the history; when that fails, `warn` is told once and None returned."""
        try:
            with self.history() as history:
                if history.notice:
                    warn(history.notice)
                number = history.add_report(report)
        except StateError as error:
            warn(f"the report is not kept: {error.message}")
            return None
        self.tell_exporter(warn)
        return number

    def tell_exporter(self, warn: Callable[[str], None]) -> None:
        """Let the exporter see what was kept, where one is installed; elsewhere it costs one question to the disk."""
        from agent.state.folder import state_folder
        from agent.systemd.publish import renew

        try:
            renew(state_folder())
        except StateError as error:
            warn(error.message)

    def service(self, every_s: float) -> Service:
        """Return the exporter over this machine's cards and history; of a recording, over its checks made once."""
        from agent.exporter.facts import Facts, with_report
        from agent.exporter.looking import HistoryLook
        from agent.exporter.measures import with_drift, with_smoke
        from agent.exporter.serving import Service
        from agent.machine.local import LocalMachine

        if self.recording is not None:
            facts, machine = with_report(Facts(), self.check()), self.machine
            return Service(lambda: machine, lambda: facts, every_s)
        from agent.state.folder import state_folder
        from agent.state.measured import Measured
        from agent.state.reading import Watcher

        hostname = self.machine.read("/proc/sys/kernel/hostname").strip()
        watcher = Watcher(state_folder(), hostname)
        kept = Measured(watcher)

        def measured(facts: Facts) -> Facts:
            looked = kept.open_drifts()
            if looked is not None:
                facts = with_drift(facts, *looked, ("profile", "baseline") if kept.has_baseline() else ("profile",))
            return with_smoke(facts, kept.newest_results())

        return Service(LocalMachine, HistoryLook(watcher, measured), every_s)

    @functools.cached_property
    def drift(self) -> DriftWatch:
        """What changed on this machine: against its profile, its baseline, another report."""
        from agent.watch import DriftWatch

        return DriftWatch(self)

    def record(self, *, level: str) -> Recording:
        """Return a recording of everything the checks ask this machine, unmasked, with its profile."""
        from agent.machine.recorded import RecordingMachine
        from agent.machine.recording import Recording, merge_answers

        if self.recording is not None:
            raise FirstlightError(f"{self.capture}: is a recording already", "leave --machine out")
        remembered = RecordingMachine(self.machine)
        self.__dict__["machine"] = remembered
        self.described, self.graphics  # noqa: B018 - so that the recording can tell them
        self.drift.fingerprint  # noqa: B018 - so that a recording can be looked at for drift
        _, results = self.observe(self.checks(), level=level, record=True)
        profile = self.choice.loaded.profile.model_dump(mode="json", by_alias=True)
        answers = merge_answers(remembered.answers, results.answers)
        return Recording(remembered.clock(), self.hardware.hostname, answers, profile)


def _replace_file(file: Path, text: str) -> None:
    from agent.state.atomic import write_atomic

    write_atomic(file, text, 0o600)
