"""Writes the reference pages and the man page from the code: `python docs/reference/generate.py`."""

from __future__ import annotations

import argparse
import importlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

import checks
from agent import __version__
from agent.cli.main import ANYWHERE, COMMANDS, EXIT_INTERRUPTED, EXIT_PIPE_CLOSED
from agent.cli.options import Parser
from agent.config import profiles
from agent.engine.discovery import load_checks
from agent.exporter.metrics import METRICS
from agent.model.verdict import EXIT_MEANINGS, Verdict
from agent.resources import playbooks

HERE = Path(__file__).resolve().parent
WIDTH = "100"
NOTE = "<!-- Written by docs/reference/generate.py from the code; change the code and run it again. -->\n"
ENVIRONMENT = {
    "FIRSTLIGHT_CONFIG": "folder of the site's profile and settings, in place of /etc/firstlight",
    "FIRSTLIGHT_STATE": "folder of history and runs, in place of /var/lib/firstlight (root) or ~/.local/state",
    "FIRSTLIGHT_THEME": "colours of firstlight tui: the name of a theme that the key t shows there",
    "NO_COLOR": "set to anything: no colours",
}
CODES = {
    **EXIT_MEANINGS, EXIT_INTERRUPTED: "interrupted (Ctrl-C)",
    EXIT_PIPE_CLOSED: "nobody reads the output any more",
}


def cell(text: object) -> str:
    """Return a text as one cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def sentence(words: str) -> str:
    """Return words with a capital and a full stop, their other capitals kept."""
    return words[:1].upper() + words[1:] + "."


def table(heads: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join([*lines, *(f"| {' | '.join(map(cell, row))} |" for row in rows)]) + "\n"


def checks_page() -> str:
    """Return every check by area: what it looks at, why, what repairs it."""
    found = load_checks(checks, ())
    parts = ["# Checks\n", NOTE, f"{len(found)} checks. `firstlight explain ID` says the same about one, with what "
             "the profile expects of this machine.\n"]
    for area in sorted({name.partition(".")[0] for name in found}):
        rows = [(f"`{name}`", check.title, check.level.name.lower(), check.why, remedy(check))
                for name, check in sorted(found.items()) if name.startswith(f"{area}.")]
        parts += [f"## {area}\n", table(("id", "looks at", "level", "why", "repaired by"), rows)]
    return "\n".join(parts)


def remedy(check: Any) -> str:
    """Return what repairs a finding, in one cell."""
    words = [f"role `{check.remedy.role}`"] if check.remedy.role else []
    return " ".join([*words, *check.remedy.steps]) or "see the finding"


def metrics_page() -> str:
    """Return every metric and every alert."""
    rows = [(f"`{one.name}`", one.kind, ", ".join(one.labels), one.help) for one in METRICS.values()]
    file = playbooks() / "roles/monitoring/files/rules/firstlight-alerts.yml"
    alerts = [rule for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]
    told = [(f"`{rule['alert']}`", rule["labels"]["severity"], rule["for"], f"`{cell(rule['expr'])}`",
             rule["annotations"]["description"]) for rule in alerts]
    return "\n".join([
        "# Metrics and alerts\n", NOTE,
        "`firstlight serve` shows these. What could not be read, or does not exist on the hardware, has no series. "
        "Ages are computed at the scrape; all else when it arrives: a scrape never asks a card anything.\n",
        table(("metric", "type", "labels", "meaning"), rows), "\n## Alerts\n",
        table(("alert", "severity", "for", "when", "what to do"), told)])


def kind(schema: dict[str, Any], defs: dict[str, Any]) -> str:
    """Return the type in a schema in few words."""
    if "$ref" in schema:
        return kind(defs[schema["$ref"].rpartition("/")[2]], defs)
    if "enum" in schema or "const" in schema:
        return " or ".join(f'"{value}"' for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(kind(one, defs) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}), defs)}"
    return {"object": "mapping", "null": "nothing"}.get(str(schema.get("type")), str(schema.get("type", "any")))


def settings(schema: dict[str, Any], defs: dict[str, Any], path: str) -> Iterator[tuple[object, ...]]:
    """Yield (key, type, default, meaning) of every value below a schema."""
    for name, part in schema.get("properties", {}).items():
        inner = defs.get(part.get("$ref", "").rpartition("/")[2])
        items = defs.get(part.get("items", {}).get("$ref", "").rpartition("/")[2])
        if inner is not None and "properties" in inner:
            yield from settings(inner, defs, f"{path}{name}.")
            continue
        default = part.get("default", "")
        yield (f"`{path}{name}`", kind(part, defs), f"`{default}`" if default not in ("", None) else "",
               part.get("description", ""))
        if items is not None and "properties" in items:
            yield from settings(items, defs, f"{path}{name}[].")


def settings_page() -> str:
    """Return every value of a profile, and the environment variables."""
    schema = profiles.schema()
    return "\n".join([
        "# Settings\n", NOTE, "A profile is YAML; a key is written as its path. `firstlight profile show` shows the "
        "values of this machine and where each comes from. The JSON Schema is docs/schema/profile.json.\n",
        table(("key", "type", "default", "meaning"), list(settings(schema, schema.get("$defs", {}), ""))),
        "\n## Environment\n",
        table(("variable", "meaning"), [(f"`{name}`", text) for name, text in ENVIRONMENT.items()])])


def parser_of(name: str, summary: str) -> argparse.ArgumentParser:
    """Return the parser of a command, as the command line makes it."""
    module = importlib.import_module(f"agent.cli.{name}")
    parser = Parser(prog=f"firstlight {name}", description=sentence(summary))
    for option, meaning in zip(ANYWHERE, ("show the traceback of an error", "no colours"), strict=True):
        parser.add_argument(option, action="store_true", help=meaning)
    module.add_arguments(parser)
    return parser


def helps(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Yield (program, help page) of a parser and of those below it."""
    yield parser.prog, parser.format_help()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in dict.fromkeys(action.choices.values()):
                yield from helps(below)


def cli_page() -> str:
    """Return the help of every command."""
    parts = ["# Command line\n", NOTE, table(("command", "what it does"), [
        (f"[`firstlight {name}`](#firstlight-{name})", summary) for name, summary in COMMANDS])]
    for name, summary in COMMANDS:
        for program, page in helps(parser_of(name, summary)):
            parts.append(f"{'##' if program.count(' ') == 1 else '###'} {program}\n\n```text\n{page.rstrip()}\n```\n")
    return "\n".join(parts)


def exit_codes_page() -> str:
    """Return the exit codes and the verdicts they add up."""
    meaning = {
        Verdict.PASS: "the machine is as it must be", Verdict.WARN: "works today, will hurt later",
        Verdict.FAIL: "the machine is not as it must be",
        Verdict.UNKNOWN: "it could not be looked at, and the summary says why; never counted as pass",
        Verdict.NOT_APPLICABLE: "this hardware or this profile has no such thing",
    }
    return "\n".join([
        "# Exit codes\n", NOTE, table(("code", "meaning"), list(CODES.items())),
        "\n`-o nagios` keeps Nagios' own: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n", "## Verdicts\n",
        table(("verdict", "meaning"), [(f"`{verdict}`", text) for verdict, text in meaning.items()])])


def roff(text: str) -> str:
    """Return a text as roff shows it literally."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    escaped = "".join(letter if letter.isascii() else f"\\[u{ord(letter):04X}]" for letter in escaped)
    return re.sub(r"^([.'])", r"\\&\1", escaped, flags=re.MULTILINE)


def man_page() -> str:
    """Return firstlight(1)."""
    lines = [f'.TH FIRSTLIGHT 1 "" "Firstlight {__version__}" "User Commands"', ".SH NAME",
             roff("firstlight - take an NVIDIA workstation from first boot to first proven job"), ".SH SYNOPSIS",
             ".B firstlight", ".I COMMAND", "[OPTION ...]", ".SH COMMANDS"]
    for name, summary in COMMANDS:
        lines += [".TP", f".B {roff(name)}", roff(sentence(summary))]
    lines += [".SH OPTIONS"]
    for name, summary in COMMANDS:
        for program, page in helps(parser_of(name, summary)):
            lines += [f".SS {roff(program)}", ".nf", roff(page.rstrip()), ".fi"]
    lines += [".SH EXIT STATUS"]
    for code, meaning in CODES.items():
        lines += [".TP", f".B {code}", roff(sentence(meaning))]
    lines += [".SH ENVIRONMENT"]
    for variable, text in ENVIRONMENT.items():
        lines += [".TP", f".B {variable}", roff(sentence(text))]
    lines += [".SH FILES", ".TP", ".I /etc/firstlight/profile.yml", roff("The site's profile."), ".TP",
              ".I /var/lib/firstlight/history.sqlite", "Reports and runs.", ".TP",
              ".I /var/lib/firstlight/profile.json",
              roff("The profile as it was last resolved, with every file it came from; made anew when any differs.")]
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "checks.md": checks_page, "metrics.md": metrics_page, "settings.md": settings_page, "cli.md": cli_page,
    "exit-codes.md": exit_codes_page, "firstlight.1": man_page,
}


def pages() -> dict[str, str]:
    """Return every page by file name."""
    os.environ["COLUMNS"] = WIDTH
    return {name: make() for name, make in PAGES.items()}


if __name__ == "__main__":
    for file, text in pages().items():
        (HERE / file).write_text(text, encoding="utf-8")
