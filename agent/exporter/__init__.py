"""Prometheus metrics over the last reports and the sampler. A scrape never measures and never waits."""
