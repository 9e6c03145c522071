"""One look for drift: what differs from the baseline, and what the checks say against the profile.

What is needed only where something differs is imported there: most looks find nothing and should cost nothing.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from agent.model.drift import Difference, Drift, time_text
from agent.model.errors import Unobservable
from agent.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from agent.drift.logs import Logs, Span
    from agent.machine.api import Machine
    from agent.model.drift import Fingerprint, KeptDrift
    from agent.model.finding import Finding, Report

Known = dict[tuple[str, str, str], "KeptDrift"]


class Look:
    """What one look knows: the machine, the fingerprint taken now, what was known before, our own runs.

    `last_look`: time of the look before this one, 0 = none. The logs are read only when something differs.
    """

    def __init__(
        self,
        machine: Machine,
        now: Fingerprint,
        *,
        known: Known,
        last_look: float,
        runs: Callable[[], Sequence[Span]],
        ignore: Sequence[str] = (),
    ) -> None:
        self.machine, self.now, self.known = machine, now, known
        self.last_look, self.ignore = last_look, tuple(ignore)
        self._runs = runs

    @functools.cached_property
    def logs(self) -> Logs:
        """What the machine's logs tell."""
        from agent.drift.logs import observe_logs

        return observe_logs(self.machine)

    @functools.cached_property
    def runs(self) -> Sequence[Span]:
        """Our own applies since the last look."""
        return self._runs()

    def against(
        self, before: Fingerprint, name: str, left_out: frozenset[str] = frozenset()
    ) -> tuple[list[Drift], dict[str, str]]:
        """Return the drifts from another fingerprint of this machine (or of one like it), and what is unseen."""
        from agent.drift.areas import OWN
        from agent.drift.comparison import compare
        from agent.drift.timing import explain

        other = before.machine != self.now.machine
        found, unseen = compare(
            before, self.now, ignore=self.ignore, left_out=left_out | (OWN if other else frozenset())
        )
        drifts = []
        for item in found:
            kept = self._kept((name, item.area, item.key), item.after)
            if kept is not None:
                drifts.append(kept.drift)
                continue
            earliest = 0.0 if other else max(before.taken, self.last_look if name == "baseline" else 0.0)
            earliest = earliest if earliest <= self.now.taken else 0.0
            changed, cause = explain(self.machine, item, earliest, self.logs, self.runs)
            drifts.append(Drift(name, item.area, item.key, item.before, item.after, changed, earliest, cause))
        return drifts, unseen

    def against_profile(self, report: Report) -> tuple[list[Drift], dict[str, str]]:
        """Return what is not as the profile says as drifts, and what could not be looked at.

        A warning counts when a role would change something about it; what the rules ignore does not count.
        """
        unseen = {
            finding.check: finding.summary
            for finding in report.findings
            if finding.verdict is Verdict.UNKNOWN
        }
        wrong = (
            finding
            for finding in report.findings
            if finding.verdict is Verdict.FAIL or (finding.verdict is Verdict.WARN and finding.remedy.role)
        )
        return [self._from_finding(finding) for finding in wrong if not self._ignored(finding)], unseen

    def _ignored(self, finding: Finding) -> bool:
        if not self.ignore:
            return False
        from agent.drift.comparison import ignored

        return ignored("check", _key(finding), self.ignore)

    def _from_finding(self, finding: Finding) -> Drift:
        key = _key(finding)
        kept = self._kept(("profile", "check", key), finding.seen)
        if kept is not None:
            return kept.drift
        from agent.drift.timing import cause_at

        changed = self._file_time(finding)
        cause = cause_at(changed, self.last_look, self.now.taken, self.logs, self.runs)
        return Drift(
            "profile",
            "check",
            key,
            finding.expected,
            finding.seen,
            changed,
            self.last_look,
            cause,
            finding.remedy.role or "",
            finding.summary,
        )

    def _file_time(self, finding: Finding) -> float | None:
        """Return when the file changed that shows the finding, if it changed since the last look."""
        for evidence in finding.evidence:
            path = evidence.source.partition(":")[0]
            if path.startswith("/") and not path.startswith(("/proc/", "/sys/")):
                try:
                    changed = self.machine.status(path).mtime
                except Unobservable:
                    continue
                if 0 < self.last_look <= changed:
                    return changed
        return None

    def _kept(self, identity: tuple[str, str, str], after: str) -> KeptDrift | None:
        kept = self.known.get(identity)
        return kept if kept is not None and kept.drift.after == after else None

    def put_back(self, kept: KeptDrift) -> str:
        """Return what put a drift back that is gone now, with the time, as far as anything tells."""
        from agent.drift.timing import explain

        item = Difference(kept.drift.area, kept.drift.key, kept.drift.after, kept.drift.before)
        changed, cause = explain(self.machine, item, self.last_look, self.logs, self.runs)
        at = f"{time_text(changed)} " if changed else ""
        return (
            f"{at}by {cause.removeprefix('perhaps ')}"
            if cause
            else f"{at}by hand or by a program that logs nothing"
        )


def _key(finding: Finding) -> str:
    return f"{finding.check} {finding.subject}".strip()


def ended(
    known: Mapping[tuple[str, str, str], KeptDrift],
    drifts: Sequence[Drift],
    against: Sequence[str],
    unseen: Mapping[str, str],
) -> list[KeptDrift]:
    """Return the known drifts that are gone: looked for now, and not there."""
    still = {drift.identity for drift in drifts}
    return [
        kept
        for identity, kept in known.items()
        if identity not in still
        and kept.drift.against in against
        and kept.drift.area not in unseen
        and kept.drift.key.partition(" ")[0] not in unseen
    ]
