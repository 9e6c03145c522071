"""Profiles and settings: every value knows where it is written."""
