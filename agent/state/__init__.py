"""What Firstlight remembers: the history of reports and runs."""
