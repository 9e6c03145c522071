"""A profile for one machine: what roles are given and checks judge by, held as plain values.

The validated model of `agent.model.profile` is copied out of pydantic here: whoever only reads values pays for no
validator, and a profile kept from an earlier run (`agent.config.kept`) needs none.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, cast

from agent.model.units import GIB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.model.profile import Profile, Section

AnySection = TypeVar("AnySection", bound="Section")
ROLE = "role"  # the one value of a section that no profile file gives


class Part(SimpleNamespace):
    """A section of a profile, read only; its fields (and its `role`, where it has one) are attributes."""

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"a profile is not changed: {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"a profile is not changed: {name}")


class Sizes(Part):
    """Values that follow from the machine's memory, in bytes; None = not limited."""

    memory_bytes: int
    swap_bytes: int
    slice_memory_high_bytes: int | None
    slice_memory_max_bytes: int | None


class ResolvedProfile(Part):
    """What a machine must be: the profile, the sizes that follow from its memory, and the profile's digest."""

    profile: Profile
    sizes: Sizes
    digest: str


def resolve(profile: Profile, memory_bytes: int, digest: str) -> ResolvedProfile:
    """Return `profile` with the sizes this machine's memory gives. Whole MiB, so that the kernel keeps them."""
    part, size = profile.system.slice, profile.system.swap.size

    def share(percent: float | None) -> int | None:
        return None if percent is None else int(memory_bytes * percent / 100) >> 20 << 20

    sizes = Sizes(
        memory_bytes=memory_bytes,
        swap_bytes=swap_bytes(memory_bytes) if size == "auto" else size,
        slice_memory_high_bytes=share(part.memory_high_percent),
        slice_memory_max_bytes=share(part.memory_max_percent),
    )
    return ResolvedProfile(profile=held(profile), sizes=sizes, digest=digest)


def swap_bytes(memory_bytes: int) -> int:
    """Return the swap size for a memory size: ≤ 2 GiB twice, ≤ 8 GiB the same, above 4 GiB; 16 GiB from 64 GiB.

    Source: requirements (RAM ≤ 2 GB: 2×; 4–8 GB: 1×; > 8 GB: ≥ 4 GB; GB10 ships 16 GB). Whole MiB.
    """
    if memory_bytes <= 2 * GIB:
        wanted = 2 * memory_bytes
    elif memory_bytes <= 8 * GIB:
        wanted = memory_bytes
    elif memory_bytes < 60 * GIB:
        wanted = 4 * GIB
    else:
        wanted = 16 * GIB
    return wanted >> 20 << 20


def held(section: AnySection) -> AnySection:
    """Return a validated section as plain values."""
    return cast("AnySection", _held(section, section.model_dump(mode="json")))


def with_values(section: AnySection, **values: object) -> AnySection:
    """Return a section with other values for some of its fields; they are not validated."""
    return cast("AnySection", Part(**(vars(section) | values)))


def data_of(section: Section) -> dict[str, Any]:
    """Return a section's values as JSON data, without its role."""
    return {name: _data(value) for name, value in vars(section).items() if name != ROLE}


def to_document(resolved: ResolvedProfile) -> dict[str, Any]:
    """Return everything as JSON data that `from_document` reads."""
    return cast("dict[str, Any]", _written(resolved))


def from_document(document: Mapping[str, Any]) -> ResolvedProfile:
    """Return what `to_document` wrote. Raises KeyError, TypeError or AttributeError for anything else."""
    read = _read(document)
    return ResolvedProfile(profile=read.profile, sizes=Sizes(**vars(read.sizes)), digest=read.digest)


def _held(model: Any, data: Any) -> Any:
    """Return the part for a section of pydantic's and its JSON data; anything else is held as its JSON data."""
    if isinstance(model, list):
        return [_held(item, item_data) for item, item_data in zip(model, data, strict=True)]
    if not hasattr(type(model), "model_fields"):
        return data
    role = getattr(type(model), ROLE, None)
    own = {} if role is None else {ROLE: role}
    return Part(**{name: _held(item, data[name]) for name, item in model}, **own)


def _data(value: Any) -> Any:
    if isinstance(value, Part):
        return {name: _data(item) for name, item in vars(value).items() if name != ROLE}
    return [_data(item) for item in value] if isinstance(value, list) else value


def _written(value: Any) -> Any:
    """Return JSON data in which each object says whether it is a section or a mapping of the profile's."""
    if isinstance(value, Part):
        return {"section": {name: _written(item) for name, item in vars(value).items()}}
    if isinstance(value, dict):
        return {"mapping": value}
    return [_written(item) for item in value] if isinstance(value, list) else value


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        if "mapping" in value:
            return value["mapping"]
        return Part(**{name: _read(item) for name, item in value["section"].items()})
    return [_read(item) for item in value] if isinstance(value, list) else value
