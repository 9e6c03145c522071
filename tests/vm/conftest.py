"""What of the tier of virtual machines runs only when asked for."""

from __future__ import annotations

import os

# A first boot, power cuts, or a kernel module compiled there take half an hour to hours without hardware acceleration.
LONG = {"test_first_boot.py": "FIRSTLIGHT_LONG", "test_power_cuts.py": "FIRSTLIGHT_LONG",
        "test_driver.py": "FIRSTLIGHT_DKMS"}
collect_ignore = [name for name, variable in LONG.items() if variable not in os.environ]
