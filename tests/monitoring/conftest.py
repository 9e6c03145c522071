from __future__ import annotations

from tests.nvml.fixtures import stand_in

__all__ = ["stand_in"]
