"""The variables each role is given: the profile's values under the role's prefix, and nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.model.resolved import data_of

if TYPE_CHECKING:
    from agent.model.hardware import Hardware
    from agent.model.profile import Section
    from agent.model.resolved import ResolvedProfile

GB10 = "2e12"  # PCI device id; an older pci.ids has no name for it
ROLES = ("base", "sysctl", "limits", "slice", "swap", "data_disks", "driver", "fabric_manager", "cuda", "cudnn",
         "profilers", "docker", "container_toolkit", "images", "backup", "monitoring")


def sections(resolved: ResolvedProfile) -> dict[str, Section]:
    """Return the profile section of each role, by role name."""
    profile = resolved.profile
    found = (
        profile.system.base, profile.kernel.sysctl, profile.system.limits, profile.system.slice,
        profile.system.swap, profile.storage.data_disks, profile.container.docker,
        profile.container.toolkit, profile.images, profile.system.backup, profile.gpu.driver, profile.gpu.cuda,
        profile.gpu.cudnn, profile.gpu.fabric_manager, profile.gpu.profilers, profile.system.monitoring,
    )
    return {section.role: section for section in found}


def role_variables(
    resolved: ResolvedProfile, hardware: Hardware, *, allow_disruption: bool
) -> dict[str, Any]:
    """Return the extra variables of a play: `<role>_<field>` of each section, sizes in bytes, machine facts.

    Sizes replace what the profile gives as "auto" or percent: swap_size_bytes, slice_memory_high_bytes,
    slice_memory_max_bytes (null = no limit).
    """
    variables: dict[str, Any] = {
        f"{role}_{name}": value
        for role, section in sections(resolved).items()
        for name, value in data_of(section).items()
    }
    for gone in ("swap_size", "slice_memory_high_percent", "slice_memory_max_percent"):
        del variables[gone]
    sizes = resolved.sizes
    variables["monitoring_dcgm"] &= supports_dcgm(hardware)
    variables["swap_size_bytes"] = sizes.swap_bytes
    variables["slice_memory_high_bytes"] = sizes.slice_memory_high_bytes
    variables["slice_memory_max_bytes"] = sizes.slice_memory_max_bytes
    variables |= {
        "firstlight_allow_disruption": allow_disruption,
        "firstlight_program": str(Path(sys.executable).with_name("firstlight")),
        "firstlight_credentials": os.environ.get("CREDENTIALS_DIRECTORY", ""),
        "firstlight_vendor_managed": resolved.profile.vendor_managed,
        "firstlight_architecture": hardware.architecture,
        "firstlight_distribution": hardware.distribution,
        "firstlight_version": hardware.distribution_version,
        "firstlight_codename": hardware.codename,
        "firstlight_kernel": hardware.kernel,
        "firstlight_gpus": [gpu.device_id for gpu in hardware.gpus],
        "firstlight_memory_bytes": hardware.memory_bytes,
    }
    return variables


def supports_dcgm(hardware: Hardware) -> bool:
    """Return whether DCGM supports every card: it has nothing for GPUs that share the host's memory (GB10, Jetson)."""
    from agent.machine.gpu import INTEGRATED

    shared = (gpu for gpu in hardware.gpus if INTEGRATED.search(gpu.name) or gpu.device_id == GB10)
    return bool(hardware.gpus) and not any(shared)
