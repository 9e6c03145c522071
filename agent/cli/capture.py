"""`firstlight capture`: record this machine in a file, to be looked at elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import options

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--to", type=Path, metavar="FILE", help="default: firstlight-capture.json in this folder"
    )
    parser.add_argument(
        "--unmasked",
        action="store_true",
        help="leave secrets, serial numbers, addresses and names as they are",
    )
    options.add_level(parser)
    options.add_profile(parser)


def run(args: argparse.Namespace) -> int:
    """Write the recording."""
    from agent.app import App
    from agent.machine.masking import mask_secrets
    from agent.machine.recording_file import save_recording

    file = args.to or Path("firstlight-capture.json")
    recording = App(profile=args.profile).record(level=args.level)
    save_recording(recording if args.unmasked else mask_secrets(recording), file)
    what = "unmasked: do not give it to others" if args.unmasked else "secrets and identities are masked"
    sys.stdout.write(
        f"{file}: {len(recording.answers)} answers, {what}\n"
        f"look at it anywhere: firstlight check --machine {file}\n"
    )
    return 0
