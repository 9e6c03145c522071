"""The areas of the fingerprint, in the order they are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.drift.facts import (
    accounts,
    apt,
    cron,
    cuda,
    docker,
    etc,
    firmware,
    kernel,
    limits,
    mounts,
    packages,
    sysctl,
    units,
)

if TYPE_CHECKING:
    from agent.drift.area import Area

AREAS: tuple[Area, ...] = (
    *packages.AREAS,
    *apt.AREAS,
    *kernel.AREAS,
    *firmware.AREAS,
    *sysctl.AREAS,
    *limits.AREAS,
    *units.AREAS,
    *mounts.AREAS,
    *docker.AREAS,
    *cuda.AREAS,
    *accounts.AREAS,
    *cron.AREAS,
    *etc.AREAS,
)
BY_NAME = {area.name: area for area in AREAS}
OWN = frozenset(area.name for area in AREAS if area.own)
