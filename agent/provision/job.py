"""What is to be run: which roles, with which variables, from which content. Refuses what cannot be."""

from __future__ import annotations

import os
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from agent.model.errors import ProvisionError, UsageError
from agent.provision.variables import ROLES, role_variables, sections
from agent.resources import playbooks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from agent.model.hardware import Hardware
    from agent.model.resolved import ResolvedProfile

SUPPORTED = {"debian": ("12", "13"), "ubuntu": ("22.04", "24.04")}


@dataclass(frozen=True, slots=True)
class Job:
    """Roles of a profile to plan or apply. `content` holds site.yml, roles/, library/, module_utils/."""

    profile: str
    profile_digest: str
    roles: tuple[str, ...]
    variables: Mapping[str, Any]
    content: Path
    privileged: bool
    needs_root: bool = True


def prepare(resolved: ResolvedProfile, hardware: Hardware, *, only: Sequence[str] = (),
            allow_disruption: bool = False) -> Job:
    """Return the job for this machine. Raises UsageError (role) and ProvisionError (operating system)."""
    refuse_unknown_system(hardware)
    enabled = {role: bool(getattr(section, "enabled", True)) for role, section in sections(resolved).items()}
    return Job(
        profile=resolved.profile.name, profile_digest=resolved.digest, roles=choose_roles(enabled, only),
        variables=role_variables(resolved, hardware, allow_disruption=allow_disruption),
        content=playbooks(), privileged=os.geteuid() == 0,
    )


def refuse_unknown_system(hardware: Hardware) -> None:
    """Raise ProvisionError unless the distribution is one the roles are tested on."""
    if hardware.distribution_version not in SUPPORTED.get(hardware.distribution, ()):
        known = "; ".join(f"{name.capitalize()} {' or '.join(each)}" for name, each in SUPPORTED.items())
        seen = f"{hardware.distribution} {hardware.distribution_version}".strip() or "an unknown system"
        raise ProvisionError(f"this machine runs {seen}; the roles are made for {known}",
                             "firstlight check works here all the same")


def choose_roles(enabled: Mapping[str, bool], only: Sequence[str]) -> tuple[str, ...]:
    """Return the enabled roles, or those of `only`, in the order they run. Raises UsageError."""
    order = [role for role in ROLES if role in enabled] or list(enabled)
    for name in only:
        if name not in order:
            near = get_close_matches(name, order, n=2, cutoff=0.5)
            raise UsageError(f"{name}: no such role", f"did you mean {' or '.join(near)}?" if near
                             else f"the roles are {', '.join(order)}")
        if not enabled[name]:
            raise UsageError(f"role {name} is turned off in the profile", "set its `enabled: true` to use it")
    return tuple(role for role in order if enabled[role] and (not only or role in only))
