"""What the driver itself says must be done to get the GPU going again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed
from agent.model.finding import Remedy
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


NONE = 0
# nvml.h, NVML_FI_DEV_GET_GPU_RECOVERY_ACTION (field 230): name, sentence, steps
RESET = "As root: nvidia-smi --gpu-reset -i INDEX"
DRAIN = "Wait for the jobs on this GPU to end; start no new ones."
ACTIONS = {
    1: ("reset", "a reset of the GPU", (DRAIN, RESET)),
    2: ("reboot", "a reboot of the machine", (DRAIN, "Reboot.")),
    3: ("drain P2P", "an end of all traffic between GPUs", ("End the jobs that use several GPUs.", RESET)),
    4: ("drain and reset", "the jobs to end and then a reset", (DRAIN, RESET)),
    5: ("restart IMEX", "a restart of the IMEX service", ("As root: systemctl restart nvidia-imex",)),
    6: ("bus reset", "a reset over the PCI bus", (DRAIN, RESET, "If that fails: reboot.")),
    7: ("system reboot", "a reboot of the machine", (DRAIN, "Reboot.")),
}


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Fail with the driver's own advice whenever there is one."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    action = gpu.number("recovery_action")
    if not isinstance(action, int):
        return unanswered(gpu, action, "recovery advice", "this card or driver gives none")
    evidence = shown(gpu, "recovery_action")
    if action == NONE:
        return passed(f"{gpu.label}: the driver asks for nothing.", subject=gpu.subject, seen="none", expected="none",
                      evidence=evidence)
    name, wants, steps = ACTIONS.get(action, (f"action {action}", f"action {action}, which is not known here", ()))
    return failed(f"{gpu.label}: the driver asks for {wants}.", subject=gpu.subject, seen=name, expected="none",
                  evidence=evidence, remedy=Remedy(steps=steps))


CHECK = Check(
    title="Recovery action",
    why="The driver knows best what an error needs, and says so even where other tools call the GPU healthy.",
    observe=observe,
    judge=judge,
)
