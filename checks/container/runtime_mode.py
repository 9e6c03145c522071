"""The NVIDIA runtime works in a mode that fits what the profile wants and what is there."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.docker import find_program
from agent.machine.toolkit import CDI_FOLDERS, find_loaded_driver, observe_cdi_specs
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

CONFIG = "/etc/nvidia-container-runtime/config.toml"
RUNTIME = "nvidia-container-runtime"


class Seen(NamedTuple):
    """The runtime's mode; `error` when its settings are no TOML; `specs`: usable CDI files; `driver`: one is loaded."""

    mode: str
    error: str = ""
    specs: int = 0
    driver: bool = False


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read the runtime's settings; the CDI files only in a mode that needs them."""
    if not profile.profile.container.toolkit.enabled or find_program(machine, RUNTIME) is None:
        return None
    try:
        settings = tomllib.loads(machine.read(CONFIG))
    except Missing:
        return Seen("auto")
    except tomllib.TOMLDecodeError as error:
        return Seen("", str(error))
    part = settings.get(RUNTIME)
    mode = str(part.get("mode") or "auto") if isinstance(part, dict) else "auto"
    if mode != "cdi":
        return Seen(mode)
    usable = [spec for spec in observe_cdi_specs(machine) if not spec.error]
    return Seen(mode, specs=len(usable), driver=find_loaded_driver(machine) is not None)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """Not held in legacy mode where CDI is wanted; not in cdi mode without a specification."""
    if seen is None:
        return [not_applicable(f"The profile wants no toolkit, or {RUNTIME} is not here: see "
                               "container.toolkit-version.")]
    where = [Evidence(CONFIG, (f'mode = "{seen.mode}"',) if seen.mode else ())]
    back = Remedy(steps=(f"nvidia-ctk config --in-place --set {RUNTIME}.mode=auto", "Start the containers again."))
    if seen.error:
        return [failed(f"{CONFIG} is not valid: {seen.error}; no GPU container starts.", seen="not TOML",
                       expected="TOML", evidence=where, remedy=Remedy(steps=(f"Correct {CONFIG}.",)))]
    if seen.mode == "legacy" and profile.profile.container.toolkit.cdi:
        return [failed("The NVIDIA runtime is held in legacy mode: it knows no CDI devices, and its containers lose "
                       "their GPU at a daemon-reload.", seen="legacy", expected="auto", evidence=where, remedy=back)]
    if seen.mode == "cdi" and not seen.specs and seen.driver:
        return [failed(f"The NVIDIA runtime is held in cdi mode, but {' and '.join(CDI_FOLDERS)} hold no "
                       'specification: containers end with "unresolvable CDI devices".', seen="cdi, none",
                       expected="a CDI specification", evidence=where, remedy=Remedy("container_toolkit"))]
    return [passed(f"The NVIDIA runtime works in mode {seen.mode}.", seen=seen.mode, evidence=where)]


CHECK = Check(
    title="NVIDIA runtime mode",
    why="A mode left over from an older guide makes containers fail although driver, runtime and CDI are in order.",
    observe=observe,
    judge=judge,
)
