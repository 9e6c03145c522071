"""Jobs that prove the machine can work: run, bounded, judged and remembered."""
