"""Firstlight: an NVIDIA workstation from first boot to first proven job."""

__version__ = "0.1.0"
