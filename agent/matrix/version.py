"""Version numbers of drivers, toolkits, wheels and kernels, compared part by part."""

from __future__ import annotations

import functools
import re

_ENDS = re.compile(r"[-+~]")


@functools.lru_cache(maxsize=4096)
def parts(text: str) -> tuple[int, ...]:
    """Return the numbers of a version: `0.6.6.post1` is (0, 6, 6, 1); raises ValueError without any."""
    found = tuple(int(number) for number in re.findall(r"\d+", _ENDS.split(text)[0]))
    if not found:
        raise ValueError(f"{text!r} is no version")
    return found


@functools.lru_cache(maxsize=4096)
def order(text: str) -> tuple[int, ...]:
    """Return the sort key of a version: `13.0` and `13` are the same."""
    numbers = list(parts(text))
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def at_least(version: str, minimum: str) -> bool:
    """Return whether `version` is `minimum` or newer."""
    return order(version) >= order(minimum)


def begins(version: str, wanted: str) -> bool:
    """Return whether `version` is one of those that `wanted` names: 2.2.1 is a 2.2; anything is a ''."""
    if not wanted:
        return True
    asked = parts(wanted)
    given = parts(version)
    return (given + (0,) * (len(asked) - len(given)))[: len(asked)] == asked


def short(version: str) -> str:
    """Return major and minor alone: 12.4.1 is 12.4."""
    return ".".join(str(number) for number in parts(version)[:2])
