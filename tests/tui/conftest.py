"""What of the interface's tests runs only when asked for."""

from __future__ import annotations

import os

# Real keys on a real node: not yet steady.
collect_ignore = [] if "FIRSTLIGHT_LONG" in os.environ else ["test_on_a_node.py"]
