"""Smoke: jobs that prove the machine can work."""
