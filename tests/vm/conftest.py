"""What of the tier of virtual machines runs only when asked for."""

from __future__ import annotations

import os

# Each takes half an hour and more without hardware acceleration.
collect_ignore = [] if "FIRSTLIGHT_LONG" in os.environ else ["test_first_boot.py", "test_power_cuts.py"]
