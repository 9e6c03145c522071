from __future__ import annotations

from hypothesis import settings

# The same examples on every run and every machine; a slow machine is no failure.
settings.register_profile("firstlight", derandomize=True, deadline=None, max_examples=40, database=None)
settings.load_profile("firstlight")
