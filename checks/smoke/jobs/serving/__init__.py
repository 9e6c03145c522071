"""Smoke job `vllm`: serves models of our own and measures how they are served; runs alone with nothing installed."""
