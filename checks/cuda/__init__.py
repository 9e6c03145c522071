"""CUDA, cuDNN and frameworks on the host: what is there, what is chosen, and whether it fits driver and card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.model.finding import Remedy

if TYPE_CHECKING:
    from agent.model.resolved import ResolvedProfile

NO_GPU = "There is no NVIDIA GPU on the PCI bus."
NONE_ASKED = "No CUDA toolkit is installed, and the profile asks for none; containers and wheels bring their own."
VENDOR = ("Update the system the vendor's way (DGX Dashboard, or apt full-upgrade and fwupdmgr).",)


def repair(profile: ResolvedProfile, role: str, *steps: str) -> Remedy:
    """Return what repairs it here: the role if the profile uses it, the vendor's way, or the steps by hand."""
    if profile.profile.vendor_managed:
        return Remedy(steps=(*VENDOR, *steps))
    gpu = profile.profile.gpu
    enabled = {part.role for part in (gpu.cuda, gpu.cudnn, gpu.profilers) if part.enabled}
    return Remedy(role=role if role in enabled else None, steps=steps)
