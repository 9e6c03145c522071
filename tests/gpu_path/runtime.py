#!/usr/bin/python3
"""Stands in for nvidia-container-runtime: gives a container NVML and /dev/nvidiactl as the real one would.

Its settings (the mode, where CDI files are, what to inject) stand in settings.json beside it.
"""

import json
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEVICE = {"path": "/dev/nvidiactl", "type": "c", "major": 195, "minor": 255, "fileMode": 0o666, "uid": 0, "gid": 0}
RULE = {"allow": True, "type": "c", "major": 195, "access": "rw"}


def inject(config, settings):
    """Add library, profile, device and its rule to an OCI configuration."""
    for source, target in settings["mounts"].items():
        config["mounts"].append({"type": "bind", "source": source, "destination": target,
                                 "options": ["rbind", "ro", "nosuid", "nodev"]})
    config["process"]["env"].append(f"FIRSTLIGHT_NVML_PROFILE={settings['profile']}")
    config["linux"].setdefault("devices", []).append(DEVICE)
    config["linux"]["resources"].setdefault("devices", []).append(RULE)


def main():
    """Change the bundle of a container that asks for a GPU, then become runc."""
    argv, settings = sys.argv[1:], json.loads((HERE / "settings.json").read_text())
    if "create" in argv and "--bundle" in argv:
        file = Path(argv[argv.index("--bundle") + 1]) / "config.json"
        config = json.loads(file.read_text())
        asked = any(line.startswith("NVIDIA_VISIBLE_DEVICES=") for line in config["process"]["env"])
        if asked and settings["mode"] == "cdi" and not any(Path(settings["cdi"]).glob("*.yaml")):
            log = argv[argv.index("--log") + 1]
            why = "failed to inject CDI devices: unresolvable CDI devices nvidia.com/gpu=all"
            Path(log).write_text(json.dumps({"level": "error", "msg": why, "time": "2026-01-01T00:00:00Z"}) + "\n")
            sys.exit(1)
        if asked:
            inject(config, settings)
            file.write_text(json.dumps(config))
    os.execvp("runc", ["runc", *argv])  # noqa: S606


main()
