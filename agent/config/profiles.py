"""From a name, a file or a machine to the one profile it must be held to."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from agent.config import files, layers
from agent.config.matching import Fit, find_best, judge_fit
from agent.config.source import KeyPath, Place, load_source
from agent.config.validation import explained, load_profile
from agent.model.errors import ProfileError
from agent.model.profile import Match, Profile

if TYPE_CHECKING:
    from pathlib import Path

    from agent.model.hardware import Hardware


@dataclass(frozen=True, slots=True)
class LoadedProfile:
    """A validated profile, where each of its values was written, its files (ancestor first) and its digest."""

    profile: Profile
    places: dict[KeyPath, Place]
    files: tuple[Path, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The profile chosen for a machine, why in one sentence, and how every candidate fits."""

    loaded: LoadedProfile
    reason: str
    fits: tuple[Fit, ...] = ()


def load(name_or_file: str) -> LoadedProfile:
    """Return a profile by name or file, exactly as it is written (no site settings). Raises ProfileError."""
    return load_merged(files.load_file(name_or_file))


def load_merged(file: Path, parent: Path | None = None) -> LoadedProfile:
    """Return the profile in a file merged over what it extends (`parent` when it names nothing)."""
    chain = layers.load_chain(file, parent)
    data, places = layers.merged(chain)
    profile = load_profile(data, places)
    _check_patterns(profile, places)
    return LoadedProfile(profile, places, tuple(source.file for source in chain), digest_of(profile))


def _check_patterns(profile: Profile, places: dict[KeyPath, Place]) -> None:
    """Raise ProfileError for a regular expression that is none."""
    lists: dict[KeyPath, list[str]] = {
        ("match", "gpu"): profile.match.gpu,
        ("system", "base", "upgrade_blacklist"): profile.system.base.upgrade_blacklist,
    }
    for path, patterns in lists.items():
        for index, pattern in enumerate(patterns):
            try:
                re.compile(pattern)
            except re.error as error:
                place = places.get((*path, index), places[()])
                raise ProfileError(
                    f"{place}: {pattern!r} is not a regular expression: {error}; "
                    "put a backslash before ( ) [ ] + * ? that stand for themselves"
                ) from error


def digest_of(profile: Profile) -> str:
    """Return 12 hex digits of the SHA-256 of the profile's canonical JSON."""
    canonical = json.dumps(profile.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def fits(hardware: Hardware) -> dict[str, Fit]:
    """Return how each profile with a `match` fits this machine, by name."""
    found: dict[str, Fit] = {}
    for name, file in files.named_files().items():
        source = load_source(file)
        if "match" not in source.data:
            continue
        try:
            match = Match.model_validate(source.data["match"])
        except ValidationError as error:
            below = {path[1:]: place for path, place in source.places.items() if path[:1] == ("match",)}
            raise ProfileError("\n".join(explained(error, below))) from error
        found[name] = judge_fit(name, match, hardware)
    return found


def choose(hardware: Hardware, name_or_file: str | None = None, *, use_site: bool = True) -> Choice:
    """Return the profile for a machine: the one named, else the site's, else the one that fits best.

    The site's file (`/etc/firstlight/profile.yml`) may name its parent by `extends`; without, it is laid over the
    profile that fits. A profile named by the caller is taken as it is. Raises ProfileError when nothing fits.
    `use_site=False`: the machine is another one (a recording), so this site's file says nothing about it.
    """
    site = files.site_file()
    with_site = use_site and files.there_is(site)
    if name_or_file is not None:
        without = f"; {site} is not used" if with_site else ""
        return Choice(load(name_or_file), f"named by --profile{without}")
    settled = load_source(site).data.get("extends") if with_site else None
    if settled is not None:
        return Choice(load_merged(site), f"{site} extends {settled}")
    candidates = fits(hardware)
    best = _best(candidates)
    chosen = files.named_files()[best.name]
    loaded = load_merged(site, chosen) if with_site else load_merged(chosen)
    over = f"; {site} is laid over it" if with_site else ""
    return Choice(
        loaded, f"{', '.join(best.reasons) or 'it fits every machine'}{over}", tuple(candidates.values())
    )


def load_best(hardware: Hardware) -> str:
    """Return the name of the profile that fits best. Raises ProfileError that says why none does."""
    return _best(fits(hardware)).name


def load_any(name_or_file: str) -> LoadedProfile:
    """Return a profile as `load` does; the site's file, when it extends nothing, is laid over the common profile."""
    file = files.load_file(name_or_file)
    bare = file == files.site_file() and "extends" not in load_source(file).data
    return load_merged(file, files.named_files()["common"] if bare else None)


def _best(candidates: dict[str, Fit]) -> Fit:
    best = find_best(candidates)
    if best is not None:
        return best
    lines = [f"  {fit.name}: {'; '.join(fit.obstacles)}" for fit in candidates.values()]
    raise ProfileError(
        "no profile fits this machine:\n" + "\n".join(lines),
        "choose one with --profile NAME, or write your own: firstlight profile init --extends NAME",
    )


def from_document(document: dict[str, Any], name: str) -> LoadedProfile:
    """Return the profile in a JSON object (a recording keeps one). Raises ProfileError that starts with `name`."""
    profile = load_profile(document, {(): Place(name, 1, 1)})
    return LoadedProfile(profile, {}, (), digest_of(profile))


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a profile file. Nothing is required: a file may inherit all it does not say."""
    found = Profile.model_json_schema(by_alias=True)
    found.pop("required", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Firstlight profile",
        **found,
    }
