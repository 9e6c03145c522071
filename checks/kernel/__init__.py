"""Checks of the kernel: settings, version, log."""
