"""Checks of the distribution and its services."""
