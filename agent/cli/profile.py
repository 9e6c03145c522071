"""`firstlight profile`: list, show, validate, describe or write profiles."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.cli import options

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    options.add_output(actions.add_parser("list", help="every profile, and whether it fits this machine"))
    show = actions.add_parser("show", help="every value and the file and line it comes from")
    show.add_argument("which", nargs="?", metavar="NAME|FILE", help="default: the profile of this machine")
    options.add_machine(show)
    options.add_output(show)
    validate = actions.add_parser(
        "validate", help="look for faults in profile files; default: all known ones"
    )
    validate.add_argument("which", nargs="*", metavar="NAME|FILE")
    options.add_output(validate)
    actions.add_parser("schema", help="the JSON Schema of a profile file")
    init = actions.add_parser("init", help="write this machine's own profile file")
    init.add_argument(
        "--file", type=Path, help="where to (default: /etc/firstlight/profile.yml; - prints it)"
    )
    init.add_argument(
        "--extends", metavar="NAME", help="the profile to start from (default: the one that fits)"
    )
    options.add_machine(init)


def run(args: argparse.Namespace) -> int:
    """Do one action."""
    actions = {"list": _list, "show": _show, "validate": _validate, "schema": _schema, "init": _init}
    return actions[args.action](args)


def _print(args: argparse.Namespace, data: object, text: str) -> int:
    if args.output == "json":
        from agent.report.json import render_envelope

        text = render_envelope(data, command=f"profile {args.action}")
    sys.stdout.write(text)
    return 0


def _list(args: argparse.Namespace) -> int:
    from agent.app import App
    from agent.config import files, profiles

    fits = profiles.fits(App().hardware)
    rows = []
    for name, file in files.named_files().items():
        loaded, fit = profiles.load(name), fits.get(name)
        says = (
            "only extended by others"
            if fit is None
            else (
                f"fits: {', '.join(fit.reasons)}"
                if fit.fits
                else f"does not fit: {'; '.join(fit.obstacles)}"
            )
        )
        rows.append(
            {
                "name": name,
                "title": loaded.profile.title,
                "file": str(file),
                "digest": loaded.digest,
                "fits": bool(fit and fit.fits),
                "why": says,
            }
        )
    return _print(
        args, rows, "".join(f"{row['name']:16} {row['title']}\n{'':16} {row['why']}\n" for row in rows)
    )


def _show(args: argparse.Namespace) -> int:
    from agent.app import App
    from agent.config import profiles
    from agent.config.listing import render_listing, values

    app = App(capture=args.machine)
    loaded = profiles.load(args.which) if args.which else app.choice.loaded
    data = {
        "name": loaded.profile.name,
        "digest": loaded.digest,
        "files": [str(file) for file in loaded.files],
        "values": [
            {"key": item.key, "path": item.path, "value": item.value, "origin": item.origin}
            for item in values(loaded)
        ],
    }
    return _print(args, data, render_listing(loaded))


def _validate(args: argparse.Namespace) -> int:
    from agent.config import files, profiles
    from agent.model.errors import ProfileError

    site = files.site_file()
    which = args.which or [*files.named_files(), *([str(site)] if files.there_is(site) else [])]
    faults, rows = [], []
    for name in which:
        try:
            loaded = profiles.load_any(name)
        except ProfileError as error:
            faults += error.message.splitlines()
        else:
            rows.append(
                {"name": loaded.profile.name, "digest": loaded.digest, "file": str(loaded.files[-1])}
            )
    if faults:
        raise ProfileError("\n".join(dict.fromkeys(faults)))
    return _print(
        args, rows, "".join(f"{row['file']}: no faults ({row['name']}, {row['digest']})\n" for row in rows)
    )


def _schema(args: argparse.Namespace) -> int:
    import json

    from agent.config import profiles

    sys.stdout.write(json.dumps(profiles.schema(), indent=2) + "\n")
    return 0


def _init(args: argparse.Namespace) -> int:
    from agent.app import App
    from agent.config import files, profiles
    from agent.config.starter import render_starter
    from agent.state.atomic import write_atomic
    from agent.state.folder import make_folder

    app = App(capture=args.machine)
    text = render_starter(app.hardware, args.extends or profiles.load_best(app.hardware), app.used_disks())
    if args.extends:
        profiles.load(args.extends)
    if args.file == Path("-"):
        sys.stdout.write(text)
        return 0
    file = args.file or files.site_file()
    make_folder(file.parent, mode=0o755)
    write_atomic(file, text, replace=False)
    sys.stdout.write(f"{file} is written; nothing else was changed\nnext: firstlight plan\n")
    return 0
