"""The image catalogue: what to run for which purpose, on which CPU architecture and card.

Entries that are wrong for a machine are kept: they say why, and what to run instead.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.config.source import KeyPath, load_source
from agent.config.validation import explained
from agent.images.reference import parse_reference
from agent.model.errors import ProfileError, UsageError
from agent.resources import images

Architecture = Literal["amd64", "arm64"]
Purpose = Literal["cuda", "pytorch", "vllm", "tensorrt-llm", "sglang", "ollama", "llama-factory", "job"]
Word = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
Version = Annotated[str, Field(pattern=r"^\d+(\.\d+)*[0-9a-z.+]*$")]
Capability = Annotated[str, Field(pattern=r"^\d+\.\d$")]
DIGEST = r"^sha256:[0-9a-f]{64}$"


class Part(BaseModel):
    """A part of the catalogue. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Holds(Part):
    """Versions inside the image; `driver` is the one bundled with its CUDA and is not the minimum."""

    cuda: Version | None = None
    driver: Version | None = None
    torch: Version | None = None
    vllm: Version | None = None


class Wrong(Part):
    """Where the image is wrong although it exists: every condition given must hold. `instead` names an entry."""

    architecture: list[Architecture] = []
    capability: list[Capability] = []
    why: str
    instead: Word | None = None


class Failure(Part):
    """A failure others have met. `capability` empty: on any card."""

    what: str
    capability: list[Capability] = []
    source: list[str] = Field(min_length=1)


class Entry(Part):
    """One image. `architectures` empty: no source says. `only`: the cards it is made for; empty: any.

    `build` names the folder of an image that is made here instead of pulled.
    """

    name: Word
    purpose: Purpose
    reference: str
    digest: str = Field(default="", pattern=rf"{DIGEST}|^$")
    architectures: list[Architecture] = []
    gpu: bool = True
    only: list[Capability] = []
    holds: Holds = Holds()
    min_driver: Version | None = Field(default=None, description="empty: what its CUDA asks for")
    wrong: list[Wrong] = []
    failures: list[Failure] = []
    build: str = ""
    note: str = ""
    source: list[str] = Field(min_length=1)
    date: str = Field(pattern=r"^\d{4}(-\d{2}){0,2}$")


class Catalogue(Part):
    """All entries; within a purpose the first that fits a machine is the one to run."""

    schema_version: Literal[1] = Field(alias="schema")
    images: list[Entry]

    def find(self, name: str) -> Entry | None:
        """Return the entry of a name."""
        return next((entry for entry in self.images if entry.name == name), None)

    def of(self, purpose: str) -> list[Entry]:
        """Return the entries of a purpose, best first."""
        return [entry for entry in self.images if entry.purpose == purpose]

    @property
    def purposes(self) -> tuple[str, ...]:
        """The purposes there are, in the order of the file."""
        return tuple(dict.fromkeys(entry.purpose for entry in self.images))


def load_catalogue(file: Path | None = None) -> Catalogue:
    """Return the shipped catalogue, or the one in a file. Raises ProfileError with file:line:column."""
    return _load(file or images() / "catalogue.yaml")


@functools.cache
def _load(file: Path) -> Catalogue:
    source = load_source(file)
    try:
        found = Catalogue.model_validate(source.data)
    except ValidationError as error:
        raise ProfileError("\n".join(explained(error, source.places, Catalogue))) from error
    faults = [f"{source.places[path]}: {text}" for path, text in _faults(found)]
    if faults:
        raise ProfileError("\n".join(faults))
    return found


def _faults(catalogue: Catalogue) -> list[tuple[KeyPath, str]]:
    """Return what one entry alone cannot show: names that stand twice, replacements that do not exist."""
    names = [entry.name for entry in catalogue.images]
    found: list[tuple[KeyPath, str]] = []
    for index, entry in enumerate(catalogue.images):
        here: KeyPath = ("images", index)
        if entry.name in names[:index]:
            found.append(((*here, "name"), f"the name {entry.name} stands twice; rename one"))
        if entry.name in catalogue.purposes:
            found.append(((*here, "name"), f"{entry.name} is the name of a purpose; call the image otherwise"))
        try:
            parse_reference(entry.reference)
        except UsageError as error:
            found.append(((*here, "reference"), error.message))
        found += [
            ((*here, "wrong", at, "instead"), f"no image is called {wrong.instead}; name one of this file")
            for at, wrong in enumerate(entry.wrong) if wrong.instead and wrong.instead not in names
        ]
    return found


def to_document(entry: Entry) -> dict[str, Any]:
    """Return an entry as JSON, without what is empty."""
    return entry.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
