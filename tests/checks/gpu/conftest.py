from __future__ import annotations

from tests.nvml.fixtures import nvml_library, stand_in

__all__ = ["nvml_library", "stand_in"]
