"""What pydantic finds wrong with a profile, said as file:line:column, what is wrong, what to do."""

from __future__ import annotations

import typing
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from agent.model.errors import ProfileError
from agent.model.profile import Profile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

    from agent.config.source import KeyPath, Place


def load_profile(data: dict[str, Any], places: Mapping[KeyPath, Place]) -> Profile:
    """Return the validated profile. Raises ProfileError that lists every fault, in the order of the file."""
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        raise ProfileError("\n".join(explained(error, places))) from error


def explained(
    error: ValidationError, places: Mapping[KeyPath, Place], model: type[BaseModel] = Profile
) -> list[str]:
    """Return one line per faulty place of a `model`; several complaints about one value (a union) become one."""
    faults: dict[KeyPath, list[ErrorDetails]] = {}
    for detail in error.errors(include_url=False):
        faults.setdefault(_known(detail["loc"], places), []).append(detail)
    return [
        f"{places[path]}: {_sentence(path, details, model)}"
        for path, details in sorted(faults.items(), key=lambda item: places[item[0]])
    ]


def _known(loc: KeyPath, places: Mapping[KeyPath, Place]) -> KeyPath:
    """Return the longest beginning of `loc` that stands in a file."""
    path = tuple(loc)
    while path and path not in places:
        path = path[:-1]
    return path


def _sentence(path: KeyPath, details: Sequence[ErrorDetails], model: type[BaseModel]) -> str:
    detail = details[0]
    dotted = ".".join(str(part) for part in path)
    match detail["type"]:
        case "extra_forbidden":
            return f"unknown key {dotted}; {_nearest(path, model)}"
        case "missing":
            return f"key {detail['loc'][-1]!r} is missing{f' in {dotted}' if dotted else ''}; add it"
        case "model_type" | "dict_type" | "model_attributes_type":
            return f"{dotted} is {_shown(detail['input'])}; it must be a mapping of keys to values"
    wrong = " or ".join(dict.fromkeys(_complaint(detail) for detail in details))
    return f"{dotted} is {_shown(detail['input'])}; {wrong}"


def _complaint(detail: ErrorDetails) -> str:
    text = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
    text = text.replace("should be", "it must be").replace("should", "it must")
    return text[:1].lower() + text[1:]


def _shown(value: object) -> str:
    text = "empty" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def _nearest(path: KeyPath, model: type[BaseModel]) -> str:
    from difflib import get_close_matches

    known = fields_at(path[:-1], model)
    near = get_close_matches(str(path[-1]), known, n=2, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known here: {', '.join(known)}" if known else "take it out"


def fields_at(path: KeyPath, root: type[BaseModel] = Profile) -> list[str]:
    """Return the keys that a profile (or another `root`) may have below `path`; empty where there is no section."""
    model: type[BaseModel] | None = root
    for part in path:
        if model is None:
            return []
        if isinstance(part, int):
            continue
        field = next(
            (item for name, item in model.model_fields.items() if (item.alias or name) == part), None
        )
        model = _model_in(field.annotation) if field else None
    return [item.alias or name for name, item in model.model_fields.items()] if model else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)
