"""Checks of disks and filesystems."""
