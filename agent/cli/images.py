"""`firstlight images`: container images that fit this machine, asked for before they are pulled."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.cli import image_progress, options
from agent.model.errors import FirstlightError
from agent.model.verdict import ExitCode

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from agent.images.shelf import Shelf
    from agent.images.verification import Verified

ARCHITECTURES = {"linux/amd64": "amd64", "linux/arm64": "arm64"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="print the catalogue: what fits this machine, and why the rest does not")
    listed.add_argument("purpose", nargs="?", metavar="PURPOSE", help="this purpose alone: cuda, pytorch, vllm …")
    options.add_machine(listed)
    verify = actions.add_parser("verify", help="ask the registries; nothing is pulled (default: the whole catalogue)")
    verify.add_argument("--layers", action="store_true", help="also ask whether every layer is there, in its size")
    options.add_machine(verify)
    pull = actions.add_parser("pull", help="verify, then pull (default: what the profile wants)")
    pull.add_argument("--dry-run", action="store_true", help="say what would be pulled")
    pull.add_argument("--renew", action="store_true", help="take what a tag means now, not the digest first seen here")
    pull.add_argument("--tell", metavar="FILE", help="keep how far it is in this file, for a program that waits")
    pull.add_argument("--anyway", action="store_true", help="also what does not fit this machine's card or driver")
    for action in (verify, pull):
        action.add_argument("wants", nargs="*", metavar="IMAGE", help="purpose, name of the catalogue, or reference")
        action.add_argument("--credentials", metavar="DIR", help="login files of registries (default: the profile's)")
        action.add_argument("--platform", choices=tuple(ARCHITECTURES), help="default: this machine's")
    clean = actions.add_parser("clean", help="remove what we pulled and the profile no longer wants")
    clean.add_argument("--dry-run", action="store_true", help="say what would be removed")
    for action in (listed, verify, pull, clean):
        action.add_argument("--catalogue", metavar="FILE", help="use this catalogue instead of ours")
        options.add_profile(action)
        options.add_output(action)


def run(args: argparse.Namespace) -> int:
    """Do one action. Exit code of verify and pull: 0 all good, 1 something must not be pulled, 2 not known."""
    from agent.app import App

    app = App(capture=getattr(args, "machine", None), profile=args.profile)
    platform = getattr(args, "platform", None)
    shelf = app.shelf(catalogue=args.catalogue, architecture=ARCHITECTURES.get(platform or ""),
                      credentials=getattr(args, "credentials", None))
    return {"list": _list, "verify": _verify, "pull": _pull, "clean": _clean}[args.action](args, shelf)


def _print(args: argparse.Namespace, data: object, text: str) -> None:
    if args.output == "json":
        from agent.report.json import render_envelope

        text = render_envelope(data, command=f"images {args.action}")
    sys.stdout.write(text)


def _list(args: argparse.Namespace, shelf: Shelf) -> int:
    from agent.images.catalogue import to_document
    from agent.images.render import render_list
    from agent.model.errors import UsageError

    if args.purpose and args.purpose not in shelf.catalogue.purposes:
        raise UsageError(f"{args.purpose}: no such purpose", f"known: {', '.join(shelf.catalogue.purposes)}")
    images = [image for image in shelf.everything() if image.entry and args.purpose in (None, image.entry.purpose)]
    data = [{**to_document(image.entry), "fits": str(image.fit.answer), "instead": image.fit.instead,
             "why": [*image.fit.against, *image.fit.unsure]} for image in images if image.entry]
    _print(args, data, render_list(images, shelf.host))
    return ExitCode.OK


def _verify(args: argparse.Namespace, shelf: Shelf) -> int:
    from agent.images.render import render_verified

    wanted = shelf.wanted(args.wants) if args.wants else shelf.everything()
    found = shelf.verifier(layers=args.layers).verify_all(wanted)
    _print(args, [one.document() for one in found], render_verified(found))
    # of the whole catalogue only what should run here counts
    counted = [one for one, image in zip(found, wanted, strict=True) if args.wants or not image.fit.against]
    return _code(counted)


def _code(found: Sequence[Verified]) -> int:
    answers = {str(one.answer) for one in found}
    return ExitCode.FAILED if "no" in answers else ExitCode.DEGRADED if "unknown" in answers else ExitCode.OK


def _pull(args: argparse.Namespace, shelf: Shelf) -> int:
    wanted = shelf.wanted(args.wants or shelf.section.pull)
    verifier = shelf.verifier(layers=True, hold=not args.renew)
    line = image_progress.Line(Path(args.tell) if args.tell else None)
    puller = shelf.puller(verifier, line.on_progress)
    rows: list[dict[str, Any]] = []
    for verified in verifier.verify_all(wanted):
        row: dict[str, Any] = {"reference": verified.reference, "digest": verified.digest,
                               "size_bytes": verified.size_bytes, "error": "", "hint": ""}
        rows.append(row)
        unasked = verified.answer == "unknown" or bool(verified.digest)
        if verified.impossible and unasked and _is_here(shelf, puller, verified):
            row |= {"outcome": "here", "hint": f"kept as it is: {verified.says[0]}"}
            continue
        if verified.impossible or (verified.answer == "no" and not args.anyway):
            instead = f"pull this instead: {verified.instead}" if verified.instead else ""
            row |= {"outcome": "refused", "error": "; ".join(verified.says), "hint": instead}
            continue
        if not verified.digest:
            row |= {"outcome": "made here", "hint": "; ".join(verified.says)}
            continue
        try:
            row |= _pulled(args, shelf, verified, puller)
        except FirstlightError as error:
            row |= {"outcome": "failed", "error": error.message, "hint": error.hint}
        line.clear()
    from agent.images.render import render_pulled

    _print(args, rows, render_pulled(rows))
    return ExitCode.FAILED if any(row["error"] for row in rows) else ExitCode.OK


def _is_here(shelf: Shelf, puller: Any, verified: Verified) -> bool:
    """Return whether what a registry could not be asked about, or no longer has, is here anyway."""
    from agent.images.reference import parse_reference

    reference = parse_reference(verified.reference)
    return shelf.engine_runs() and bool(puller.is_here(reference.at(verified.digest or reference.digest)))


def _pulled(args: argparse.Namespace, shelf: Shelf, verified: Verified, puller: Any) -> dict[str, Any]:
    from agent.images.reference import parse_reference

    if args.dry_run:
        runs = shelf.engine_runs()  # a plan for a fresh machine counts with the engine it will have by then
        here = runs and puller.present(parse_reference(verified.reference), verified.digest)
        return {"outcome": "here" if here else "would be pulled"}
    pulled = shelf.pull(verified, puller, renew=args.renew)
    return {"outcome": "pulled" if pulled.fresh else "here", "program": pulled.program,
            "attempts": pulled.attempts, "duration_s": round(pulled.duration_s, 2)}


def _clean(args: argparse.Namespace, shelf: Shelf) -> int:
    from dataclasses import asdict

    done = shelf.clean(really=not args.dry_run)
    verb = "would be removed" if args.dry_run else "removed"
    lines = [f"{one.reference}: {verb if one.removed else 'kept'}: {one.why}\n" for one in done]
    _print(args, [asdict(one) for one in done], "".join(lines) or "Firstlight has pulled nothing here.\n")
    return ExitCode.OK
