"""One JSON object on stdout: `{"ok", "data", "errors", "meta"}`.

`ok` says that the command could do its work; what it found is in `data`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from agent import __version__
from agent.model.document import report_to_document

if TYPE_CHECKING:
    from agent.model.errors import FirstlightError
    from agent.model.finding import Report


def render_envelope(data: Any, **meta: Any) -> str:
    """Return the envelope of a command that did its work."""
    return _text({"ok": True, "data": data, "errors": [], "meta": _meta(meta)})


def render_error(error: FirstlightError) -> str:
    """Return the envelope of a command that could not do its work."""
    said = {"kind": type(error).__name__, "message": error.message, "hint": error.hint}
    return _text({"ok": False, "data": None, "errors": [said], "meta": _meta({})})


def render_report(report: Report) -> str:
    """Return a report as an envelope."""
    return render_envelope(report_to_document(report), command="check")


def _meta(more: dict[str, Any]) -> dict[str, Any]:
    return {"firstlight": __version__, **more}


def _text(envelope: dict[str, Any]) -> str:
    return json.dumps(envelope, indent=2, ensure_ascii=True) + "\n"
