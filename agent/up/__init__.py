"""The first boot: agreed once, carried through reboots and power cuts, ended with a scorecard."""
