"""Will this model fit: memory to serve and to tune it, on this machine."""
