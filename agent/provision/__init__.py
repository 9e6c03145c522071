"""Plan and apply: the one part that changes a machine, through ansible."""
