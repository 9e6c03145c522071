"""NVML comes up, every call returns, every card answers; when not, the cause is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.driver import DriverState, observe_driver
from agent.machine.gpu import DRIVER_NOT_LOADED, MISMATCH, NO_LIBRARY, NO_PERMISSION, UNKNOWN, observe_cards
from agent.machine.systemd import find_container
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy
from checks.gpu import NO_GPU

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile

NOT_READY = 27


class Seen(NamedTuple):
    """The cards; when NVML did not come up also the driver's parts (None: not looked at) and the container kind."""

    cards: Cards
    driver: DriverState | None = None
    container: str = ""


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Ask NVML; look for the cause only when it fails."""
    cards = observe_cards(machine)
    if cards.view is None or not cards.view.failure:
        return Seen(cards)
    try:
        return Seen(cards, observe_driver(machine), find_container(machine))
    except Unobservable:
        return Seen(cards)


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Fail for NVML as a whole, else for each silent card; pass when everything answered."""
    view = seen.cards.view
    if view is None or (not seen.cards.pci and not view.gpus):
        return [not_applicable(NO_GPU)]
    if view.failure:
        return [_judge_failure(seen, view.failure, view.failure_code)]
    if view.hung_in or view.died_in:
        cause = f"did not return from {view.hung_in}" if view.hung_in else f"crashed in {view.died_in}"
        return [failed(f"NVML {cause}: the driver is stuck." if view.hung_in else f"NVML {cause}.", seen=cause,
                       expected="an answer", evidence=[Evidence("firstlight-nvml", (cause,))], remedy=STUCK)]
    if not view.gpus:
        return [failed("NVML comes up but shows no GPU, though there is one on the PCI bus.", seen="0 GPUs",
                       expected=f"{len(seen.cards.pci)}", remedy=LOST)]
    told = {gpu.address for gpu in view.gpus}
    silent = [card for card in seen.cards.pci if card.address not in told]
    known = f" ({silent[0].name} at {silent[0].address})" if len(silent) == 1 else ""
    lost = [_judge_lost(gpu, "" if gpu.name else known) for gpu in view.gpus if gpu.lost_code]
    return lost or [passed(f"All {len(view.gpus)} GPUs answer" + f" (driver {view.driver_version})." if
                           len(view.gpus) > 1 else f"{view.gpus[0].label} answers (driver {view.driver_version}).",
                           seen=view.driver_version)]


def _judge_lost(gpu: Gpu, known: str) -> Outcome:
    reset = gpu.lost_code != LOST_CODE
    return failed(f"{gpu.label}{known}: {gpu.lost}.", subject=gpu.subject, seen=gpu.lost, expected="an answer",
                  evidence=[Evidence(f"NVML, GPU {gpu.index}", (f"error {gpu.lost_code}",))],
                  remedy=RESET if reset else LOST)


def _judge_failure(seen: Seen, failure: str, code: int) -> Outcome:
    driver, cards = seen.driver, len(seen.cards.pci)
    there = f"{cards} NVIDIA GPU{'s are' if cards > 1 else ' is'} on the PCI bus" if cards else "A driver is loaded"
    evidence = [Evidence("NVML", (failure,))]
    if driver is not None:
        evidence.append(Evidence("driver", (
            f"loaded module: {driver.loaded or 'none'}", f"library: {driver.library_path or 'none'}",
            f"module for {driver.running_kernel}: {driver.running.path if driver.running else 'none'}",
            f"nouveau: {'loaded' if driver.nouveau else 'not loaded'}", f"nodes: {' '.join(driver.nodes) or 'none'}")))
    if code == NO_PERMISSION:
        return unknown(f"{there}, but this user may not ask: {failure}.", evidence=evidence,
                       remedy=Remedy(steps=("Run as root, or give the user access to /dev/nvidia*.",)))
    if code == NOT_READY:
        return unknown(f"{there}, and not ready yet: {failure}.", evidence=evidence,
                       remedy=Remedy(steps=("Wait a minute and check again.",)))
    cause, steps = find_cause(driver, code, seen.container)
    return failed(f"{there}, but {cause or failure}.", seen=failure, expected="NVML comes up", evidence=evidence,
                  remedy=Remedy(steps=steps))


def find_cause(driver: DriverState | None, code: int, container: str) -> tuple[str, tuple[str, ...]]:
    """Return the cause as a clause (empty when it is only NVML's own text) and what to do."""
    if container and code in (NO_LIBRARY, DRIVER_NOT_LOADED, UNKNOWN):
        return ((f"this {container} container lost its device files (NVML error {code})" if code == UNKNOWN else
                 f"this {container} container was started without it"),
                ("Start the container again with --gpus all.",
                 "If it loses the GPU after systemctl daemon-reload: use CDI, or nvidia-ctk system "
                 "create-dev-char-symlinks on the host."))
    if driver is None:
        return "", GENERAL
    if code == MISMATCH:
        return (f"the loaded driver is {driver.loaded or 'unknown'} and its library is {driver.library or 'another'}",
                ("Wait for running jobs to end.", "Reboot: it loads the driver that belongs to the library."))
    if driver.nouveau and not driver.loaded:
        return "nouveau holds it", ("Block nouveau and rebuild the initramfs (role driver), then reboot.",)
    if not driver.running and not driver.library_path:
        return "no NVIDIA driver is installed", ("Install the driver of this system, then reboot.",)
    if code == NO_LIBRARY:
        return ("the driver's library libnvidia-ml.so.1 is not installed",
                ("Install the libraries of the driver version that is loaded.",))
    if not driver.running:
        return (f"there is no driver module for the running kernel {driver.running_kernel}",
                (f"Install linux-headers-{driver.running_kernel} and rebuild: dkms autoinstall",
                 "Then: modprobe nvidia"))
    if not driver.loaded:
        return ("the driver module is not loaded",
                ("As root: modprobe nvidia", "If that fails, its reason is at the end of: journalctl -k",
                 "\"Key was rejected by service\" means that Secure Boot does not know the module's key."))
    return "", GENERAL


LOST_CODE = 15
GENERAL = ("Look for the reason: journalctl -k | grep -E 'NVRM|Xid'", "Reboot.")
STUCK = Remedy(steps=("See what the driver said last: journalctl -k | grep -E 'NVRM|Xid'",
                      "If persistence mode is off, switch it on: starting many GPUs takes long.",
                      "Reboot; if the machine does not come down by itself, use its power button."))
LOST = Remedy(steps=("See its last Xid: journalctl -k | grep Xid (79: fallen off the bus).",
                     "Shut down, take the power away for a minute, start again.",
                     "If it happens again: reseat the card and its power cables, then return it."))
RESET = Remedy(steps=("Wait for the jobs on this GPU to end.", "As root: nvidia-smi --gpu-reset -i INDEX, or reboot."))
CHECK = Check(
    title="NVML and every GPU answer",
    why="A stuck driver or a lost card hangs every job that touches it, and most tools that would tell.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=GENERAL),
)
