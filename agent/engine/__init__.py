"""Finds the checks and runs them where they can do no harm: apart, with a deadline."""
