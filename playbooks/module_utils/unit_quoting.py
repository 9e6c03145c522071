"""Writing words into unit files. Source: systemd.syntax(7), systemd.service(5) "Command lines"."""

from __future__ import annotations

_ESCAPED = {"\\": "\\\\", '"': '\\"', "%": "%%", "\n": "\\n", "\t": "\\t"}


def quoted(word: str, *, command: bool = False) -> str:
    """Return a word as one double-quoted word; in a command line `$` is doubled too."""
    text = "".join(_ESCAPED.get(letter, letter) for letter in word)
    return '"' + (text.replace("$", "$$") if command else text) + '"'
