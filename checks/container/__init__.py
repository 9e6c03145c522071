"""Checks of Docker Engine and the NVIDIA Container Toolkit."""
