"""A fleet as lines, what is wrong first: the odd ones out, machines that did not answer or drifted, cohorts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.content import Content

from agent.fleet.cohorts import Odd
from agent.model.verdict import Verdict
from agent.report.fleet import origin_words
from agent.report.visible import visible
from agent.report.words import SYMBOL
from tui.words import STYLE, lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent.fleet.cohorts import Cohort
    from agent.fleet.look import FleetLook

NAMED, SHOWN_FACTS = 3, 60
_VERDICT = {"ok": Verdict.PASS, "alike": Verdict.PASS, "odd": Verdict.FAIL, "not alike": Verdict.FAIL,
            "drifted": Verdict.WARN, "single": Verdict.NOT_APPLICABLE}


@dataclass(frozen=True, slots=True)
class FleetLine:
    """One line of the list. `state` says what it is; `words` is all that a search looks at."""

    state: str
    who: str
    what: str
    words: str
    about: Odd | Cohort | str

    @property
    def verdict(self) -> Verdict:
        """Return the verdict whose sign and style the line has."""
        return _VERDICT.get(self.state, Verdict.UNKNOWN)

    @property
    def sign(self) -> str:
        """Return the sign."""
        return SYMBOL[self.verdict]


def fleet_lines(look: FleetLook) -> list[FleetLine]:
    """Return every line: odd ones, machines that are not ok, cohorts, machines that are."""
    found = [_odd(cohort, odd) for cohort in look.cohorts for odd in cohort.odd]
    machines = [FleetLine(state, name, said, f"{name} {state} {said}", name) for name, state, said in look.machines]
    found += [line for line in machines if line.state != "ok"]
    found += [_cohort(cohort) for cohort in look.cohorts]
    return found + [line for line in machines if line.state == "ok"]


def render_head(look: FleetLook, source: str) -> Content:
    """Return how many machines, cohorts and odd ones there are."""
    odd = sum(len(each.machines) for cohort in look.cohorts for each in cohort.odd)
    states = dict.fromkeys(state for _, state, _ in look.machines if state != "ok")
    told = [f"{odd} odd", *(f"{len(look.names(state))} {state}" for state in states)]
    verdict = Verdict.FAIL if odd else Verdict.WARN if states else Verdict.PASS
    shown = ", ".join(told) if odd or states else "all alike and as they should be"
    counted = f"{SYMBOL[verdict]} {len(look.machines)} machines in {len(look.cohorts)} cohorts: "
    return Content.assemble((counted, "bold"), (shown, STYLE[verdict]), (f"   from {visible(source)}", "$text-muted"))


def render_line(line: FleetLine, look: FleetLook) -> Content:
    """Return what is known about one line."""
    if isinstance(line.about, str):
        return lines([Content.assemble((visible(line.about), "bold"), f"  {line.state}: {visible(line.what)}"),
                      *_own(look.own.get(line.about) or ())])
    if isinstance(line.about, Odd):
        return lines(_facts(line.about))
    return lines([Content.styled(line.who, "bold"), line.what, "",
                  "Machines of one profile on one system are compared; what more than half of them have is usual."])


def _odd(cohort: Cohort, odd: Odd) -> FleetLine:
    more = f" +{len(odd.machines) - NAMED}" if len(odd.machines) > NAMED else ""
    keys = ", ".join(f"{item.area} {item.key}" for item in odd.differences)
    return FleetLine("odd", ", ".join(map(visible, odd.machines[:NAMED])) + more, visible(keys),
                     f"{' '.join(odd.machines)} odd {keys} {cohort.profile} {cohort.system}", odd)


def _cohort(cohort: Cohort) -> FleetLine:
    said = "nothing to compare with" if cohort.machines == 1 else "all alike" if not cohort.odd else (
        f"{cohort.alike} as the majority")
    state = "single" if cohort.machines == 1 else "not alike" if cohort.odd else "alike"
    name = f"{visible(cohort.profile)} on {visible(cohort.system)}"
    return FleetLine(state, name, f"{cohort.machines} machines, {said}", f"{name} cohort", cohort)


def _facts(odd: Odd) -> Iterator[Content | str]:
    one = len(odd.machines) == 1
    yield Content.styled(", ".join(map(visible, odd.machines)), "bold")
    yield Content.styled(f"{'differs' if one else 'differ alike'} from the majority of "
                         f"{'its' if one else 'their'} cohort in {len(odd.differences)} facts", "$text-muted")
    told = {(own["area"], own["key"]): own for own in odd.own}
    for item in odd.differences[:SHOWN_FACTS]:
        yield Content.assemble((f"{visible(item.area)} ", "$text-primary"), (visible(item.key), "bold"))
        yield from _sides(f"usual {item.before or 'absent'}", f"here  {item.after or 'absent'}",
                          told.get((item.area, item.key)))
    if len(odd.differences) > SHOWN_FACTS:
        yield f"… {len(odd.differences) - SHOWN_FACTS} more facts"


def _own(drifts: Sequence[Mapping[str, Any]]) -> Iterator[Content | str]:
    for drift in drifts[:SHOWN_FACTS]:
        against = (f"against the {drift['against']}", "$text-muted")
        yield Content.assemble((f"{visible(drift['key'])} ", "bold"), against)
        yield from _sides(drift["before"] or "absent", drift["after"] or "absent", drift)


def _sides(before: str, after: str, own: Mapping[str, Any] | None) -> Iterator[Content]:
    yield Content.styled(f"  - {visible(before)}", "$text-error")
    yield Content.styled(f"  + {visible(after)}", "$text-success")
    if own is not None:
        yield Content.styled(f"    {visible(origin_words(own))}", "$text-muted")
