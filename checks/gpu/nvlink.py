"""The NVLinks that should be up are up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.model.finding import Remedy
from agent.model.gpu import Unread
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


LINKS = 18
# Boards whose links are soldered to switches or each other. PCIe cards without a bridge show links that are down.
SXM = re.compile(r"SXM|HBM3|\bH200$|\bB[23]00\b|\bGB[23]00\b")


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """On SXM boards every link must be up; on cards the bridged ones must be alike on equal cards."""
    gpus = seen.view.gpus if seen.view else ()
    most = {name: max(_count(gpu)[0] for gpu in gpus if gpu.name == name) for name in {gpu.name for gpu in gpus}}
    return each_gpu(seen, lambda gpu: [_judge(gpu, most[gpu.name], alone=len(gpus) < 2)])


def _count(gpu: Gpu) -> tuple[int, int]:
    """Return how many links are up, and how many there are."""
    states = [gpu.number(f"nvlink_{link}") for link in range(LINKS)]
    told = [state for state in states if isinstance(state, int)]
    return sum(told), len(told)


def _judge(gpu: Gpu, most: int, *, alone: bool) -> Outcome:
    up, links = _count(gpu)
    silent = next((state for link in range(LINKS) if isinstance(state := gpu.number(f"nvlink_{link}"), Unread)), None)
    if silent is not None:
        return unanswered(gpu, silent, "state of NVLink")
    if not links:
        return not_applicable(f"{gpu.label}: it has no NVLink.", subject=gpu.subject)
    evidence = shown(gpu, *(f"nvlink_{link}" for link in range(links)))
    if up == links:
        return passed(f"{gpu.label}: all {links} NVLinks are up.", subject=gpu.subject, seen=str(up),
                      expected=str(links), evidence=evidence)
    if alone:
        return not_applicable(f"{gpu.label}: no second GPU to link with.", subject=gpu.subject)
    if SXM.search(gpu.name):
        return failed(f"{gpu.label}: {links - up} of its {links} NVLinks are down.", subject=gpu.subject, seen=str(up),
                      expected=str(links), evidence=evidence)
    if up < most:
        return warned(f"{gpu.label}: {up} NVLinks are up, {most} on another card of its kind.", subject=gpu.subject,
                      seen=str(up), expected=str(most), evidence=evidence)
    if not up:
        return not_applicable(f"{gpu.label}: no NVLink bridge is fitted.", subject=gpu.subject)
    return passed(f"{gpu.label}: {up} NVLinks are up, as on the other cards of its kind.", subject=gpu.subject,
                  seen=str(up), expected=str(most), evidence=evidence)


CHECK = Check(
    title="NVLink",
    why="With a link down, jobs on several GPUs hang at the start or crawl over PCIe.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("On machines with NVSwitch: systemctl status nvidia-fabricmanager; its version must be the "
                         "driver's.", "See the kernel log for SXid and Xid 74: journalctl -k | grep -i xid",
                         "With a bridge: shut down and reseat it.", "If a link stays down: return the board.")),
)
