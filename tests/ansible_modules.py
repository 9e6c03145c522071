"""Makes our module_utils importable as the modules import them, and imports our Ansible modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import ansible.module_utils

PLAYBOOKS = Path(__file__).parent.parent / "playbooks"
_SHARED = str(PLAYBOOKS / "module_utils")

if _SHARED not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(_SHARED)


def load_module(name: str) -> Any:
    """Import playbooks/library/<name>.py."""
    spec = importlib.util.spec_from_file_location(f"firstlight_{name}", PLAYBOOKS / "library" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
