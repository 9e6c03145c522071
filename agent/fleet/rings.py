"""Rings: a few machines first, then more; the next ring only after a good one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.fleet.answers import Answer, Reach
from agent.model.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

DEFAULT = "1,10%,50%"


@dataclass(frozen=True, slots=True)
class Ring:
    """One ring that was done: what each machine answered to apply, then to the look after it."""

    number: int
    hosts: tuple[str, ...]
    applied: Mapping[str, Answer]
    verified: Mapping[str, Answer]

    @property
    def bad(self) -> dict[str, str]:
        """Why each machine is not as it should be: all answered at the start, so one that is lost since is bad."""
        found = {}
        for host in self.hosts:
            told, after = self.applied[host], self.verified.get(host)
            if told.reach is Reach.UNREACHABLE:
                found[host] = f"lost during the apply: {told.problem}"
            elif told.reach is not Reach.ANSWERED:
                found[host] = told.problem
            elif told.code != 0:
                found[host] = f"apply {told.data.get('outcome')}: {_why(told)}"
            elif after is not None and after.reach is Reach.ANSWERED and after.data.get("drifts"):
                found[host] = f"not as its profile says after the apply: {after.data['drifts'][0]['summary']}"
            elif after is None or after.reach is not Reach.ANSWERED:
                found[host] = f"did not answer after the apply: {after.problem if after else 'not asked'}"
        return found


@dataclass(frozen=True, slots=True)
class Rollout:
    """Everything a rollout did.

    `unreachable`: machines that did not answer at the start; `waiting`: those after a bad ring.
    """

    rings: tuple[Ring, ...]
    unreachable: Mapping[str, str]
    waiting: tuple[str, ...] = field(default=())

    @property
    def stopped(self) -> bool:
        """Whether a bad ring ended it."""
        return bool(self.rings and self.rings[-1].bad)


def split(hosts: Sequence[str], sizes: str) -> list[tuple[str, ...]]:
    """Return the hosts in rings of these sizes: `1,10%,50%`, as Ansible's serial; the last size is repeated.

    Raises UsageError for a size that is none.
    """
    wanted = []
    for word in (part.strip() for part in sizes.split(",")):
        match = re.fullmatch(r"(\d+)(%?)", word)
        if match is None or int(match[1]) == 0:
            raise UsageError(
                f"--rings {sizes}: {word!r} is no size", "write counts and percents, as 1,10%,50%"
            )
        wanted.append(max(1, len(hosts) * int(match[1]) // 100) if match[2] else int(match[1]))
    rings: list[tuple[str, ...]] = []
    start = 0
    while start < len(hosts):
        size = wanted[min(len(rings), len(wanted) - 1)]
        rings.append(tuple(hosts[start : start + size]))
        start += size
    return rings


def roll_out(
    hosts: Sequence[str],
    sizes: str,
    ask: Callable[[Sequence[str], Sequence[str]], dict[str, Answer]],
    words: Sequence[str],
    on_ring: Callable[[Ring], None] = lambda ring: None,
) -> Rollout:
    """Apply ring by ring and stop after the first bad one. `ask(hosts, words)` puts a question to machines.

    Rings are made of the machines that answer at the start, so that the first ring is never an empty one.
    """
    split(hosts, sizes)
    at_start = ask(hosts, ["--version"])
    away = {host: answer.problem for host, answer in at_start.items() if answer.reach is Reach.UNREACHABLE}
    there = [host for host in hosts if host not in away]
    done: list[Ring] = []
    for number, members in enumerate(split(there, sizes), start=1):
        applied = ask(members, words)
        good = [host for host in members if applied[host].reach is Reach.ANSWERED and applied[host].code == 0]
        verified = ask(good, ["drift", "--against", "profile", "-o", "json"]) if good else {}
        ring = Ring(number, members, applied, verified)
        done.append(ring)
        on_ring(ring)
        if ring.bad:
            break
    reached = {host for ring in done for host in ring.hosts}
    return Rollout(tuple(done), away, tuple(host for host in there if host not in reached))


def _why(answer: Answer) -> str:
    data = answer.data or {}
    refused = [str(each.get("reason")) for each in data.get("refusals") or ()]
    return str(data.get("failure") or "; ".join(refused) or f"exit code {answer.code}")
