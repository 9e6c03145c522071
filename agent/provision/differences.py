"""From a module's result to what a person reads: the thing changed, and its text before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_BYTES = 8192


def limited(value: object, limit_bytes: int = LIMIT_BYTES) -> str:
    """Return a text of at most about `limit_bytes`, saying how much was left out."""
    text = "" if value is None else str(value)
    raw = text.encode(errors="replace")
    if len(raw) <= limit_bytes:
        return text
    return raw[:limit_bytes].decode(errors="ignore") + f"\n… ({len(raw) - limit_bytes} more bytes)"


def target_of(result: Mapping[str, Any]) -> str:
    """Return the file, package, unit or user a builtin module's result is about; empty when unsaid."""
    arguments = (result.get("invocation") or {}).get("module_args") or {}
    for source in (result, arguments):
        for key in ("dest", "path", "name", "pkg", "package"):
            value = source.get(key)
            if isinstance(value, str) and value:
                return limited(value, 512)
            if isinstance(value, list) and value:
                return limited(" ".join(str(item) for item in value), 512)
    return limited(result.get("_ansible_item_label") or "", 512)


def difference(diff: object) -> tuple[str, str]:
    """Return the texts before and after of ansible's `diff`, which is a mapping or a list of mappings."""
    parts = diff if isinstance(diff, list) else [diff]
    before, after = [], []
    for part in parts:
        if isinstance(part, dict):
            before.append(_text(part.get("before")))
            after.append(_text(part.get("after", part.get("prepared"))))
    return tuple(limited("\n".join(text for text in side if text)) for side in (before, after))  # type: ignore[return-value]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {item}" for key, item in value.items())
    return "" if value is None else str(value)
