"""Units and timers: rendered from templates, verified, installed, removed; and what a service tells systemd."""
