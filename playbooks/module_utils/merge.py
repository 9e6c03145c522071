"""Merging wanted values into somebody else's JSON object, key by key."""

from __future__ import annotations

import json

ABSENT = object()


class NotAnObjectError(ValueError):
    """The text is not a JSON object; the message starts with line:column."""


def parse_object(text):
    """Return the object in `text`, an empty one for an empty text. Raises NotAnObjectError with line:column.

    A key given twice is an error too: which of the two is in force is not for us to guess.
    """
    if not text.strip():
        return {}
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise NotAnObjectError(f"{error.lineno}:{error.colno}: {error.msg}") from error
    if not isinstance(value, dict):
        raise NotAnObjectError(f"1:1: expected an object {{...}}, found {type(value).__name__}")
    return value


def _once(pairs):
    seen = {}
    for key, value in pairs:
        if key in seen:
            raise NotAnObjectError(f"1:1: the key {key!r} is given twice")
        seen[key] = value
    return seen


def merged(theirs, ours):
    """Return `theirs` with `ours` laid over it: scalars replaced, objects merged, lists extended.

    Keys keep their order, new ones come last; neither argument is changed.
    """
    result = dict(theirs)
    for key, value in ours.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        elif isinstance(value, list) and isinstance(result.get(key), list):
            result[key] = result[key] + [item for item in value if item not in result[key]]
        else:
            result[key] = value
    return result


def differences(before, after, path=()):
    """Return (key path, before, after) of each leaf that differs; ABSENT stands for a missing side."""
    found = []
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key, ABSENT), after.get(key, ABSENT)
        if isinstance(old, dict) and isinstance(new, dict):
            found += differences(old, new, (*path, key))
        elif isinstance(new, dict) and new and old is ABSENT:
            found += differences({}, new, (*path, key))
        elif old != new or type(old) is not type(new):
            found.append(((*path, key), old, new))
    return found


def shown(value):
    """Return a value as one line of JSON, "absent" for ABSENT."""
    return "absent" if value is ABSENT else json.dumps(value, ensure_ascii=False)


def rendered(value, like=""):
    """Return the object as JSON text, indented the way `like` (the file so far) is."""
    return json.dumps(value, indent=_indent(like), ensure_ascii=False) + "\n"


def _indent(text):
    for line in text.splitlines():
        inner = line.lstrip(" \t")
        if inner.startswith('"') and inner != line:
            space = line[: len(line) - len(inner)]
            return "\t" if "\t" in space else len(space)
    return 2
