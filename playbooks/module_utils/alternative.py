"""A link that update-alternatives keeps, or that nobody keeps: which of several things is used by default."""

from __future__ import annotations

import os

from ansible.module_utils.debs import AptError
from ansible.module_utils.engine import run


def link_change(path, wanted):
    """Return the change that points `path` to `wanted`, None when it does or when a real folder is in its place."""
    if os.path.realpath(path) == os.path.realpath(wanted) and os.path.islink(path):
        return None
    if os.path.exists(path) and not os.path.islink(path):
        return None
    return {"target": path, "before": os.path.realpath(path) if os.path.islink(path) else "absent", "after": wanted}


def choose(path, wanted):
    """Point `path` to `wanted`, through update-alternatives where it keeps the link. Raises AptError."""
    if link_change(path, wanted) is None:
        return
    code, out, err = run("update-alternatives", "--set", os.path.basename(path), wanted)
    if code == 0 and link_change(path, wanted) is None:
        return
    if os.path.islink(path) and os.readlink(path).startswith("/etc/alternatives/"):
        raise AptError(f"update-alternatives --set {os.path.basename(path)} {wanted}: {(out + err).strip()}")
    if os.path.islink(path):
        os.unlink(path)
    os.symlink(wanted, path)
