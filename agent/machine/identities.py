"""Finds what identifies a machine or its people in a recording: serials, machine id, host and login names."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    Answers = dict[str, dict[str, Any]]

_SERIAL_FILE = re.compile(
    r"read '?/sys/(?:block/[^/]+/(?:device/)?(?:serial|wwid)"
    r"|class/dmi/id/(?:product_serial|product_uuid|board_serial|chassis_serial|chassis_asset_tag))'?$")
_SERIAL_PAGE = re.compile(r"read '?/sys/block/[^/]+/device/vpd_pg80'?$")
_SERIAL_FIELD = re.compile(
    r"""(?:"(?:serial|serial_number|SerialNumber|sn|wwn)"\s*:\s*(?:\{"v":\s*)?"(?:naa\.|eui\.|0x)?|ID_SERIAL_SHORT="?
        |Serial\ [Nn]umber:\s*)([\w-]{6,})""", re.VERBOSE)
_GPU_UUID = re.compile(r"\b(?:GPU|MIG)-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b")
_SERIAL_LENGTH = 6
_PASSWD_FIELDS = 7

# Names that say nothing about their owner; replacing them would damage paths and package names.
_GENERIC = frozenset((
    "root", "admin", "administrator", "user", "users", "ubuntu", "debian", "docker", "nvidia", "gpu", "ai",
    "data", "home", "lab", "guest", "test", "localhost", "host", "server", "node", "vm", "worker", "main",
    "default", "none", "spark", "dgx", "workstation", "desktop", "linux", "backup", "www",
))
_LOGIN_IDS = range(1000, 65534)
_NAMED_AFTER_PEOPLE = frozenset({"home", "sudoers.d", "crontabs"})  # folders whose files bear logins


def find_identities(document: dict[str, Any]) -> dict[str, str]:
    """Return the stand-in of every identity in a recording's JSON object: `SN1xxxx`, `host-1`, `user-1`."""
    answers: Answers = document["answers"]
    ordinary = _ordinary_words(answers)
    people = [account for account in _accounts(answers) if account.number in _LOGIN_IDS]
    found: dict[str, str] = {}
    for kind, names in (
        ("SN", _serials(answers)),
        ("machine-", iter([_text(answers, "/etc/machine-id")])),
        ("host-", _hostnames(answers, str(document["hostname"]))),
        ("user-", (account.login for account in people)),
        ("person-", (account.full_name for account in people if " " in account.full_name)),
    ):
        new = {name for name in names if name and name not in found and name.lower() not in ordinary}
        found |= {name: _stand_in(kind, number, len(name)) for number, name in enumerate(sorted(new), 1)}
    return found


def _stand_in(kind: str, number: int, length: int) -> str:
    """Return a text as long as the original where that can be, so that columns and lengths stay true."""
    return f"{kind}{number}".ljust(length, "x")


def _text(answers: Answers, path: str) -> str:
    return str(answers.get(f"read {path}", {}).get("text", "")).strip()


def _texts(answer: dict[str, Any]) -> str:
    return "\n".join(str(answer[key]) for key in ("text", "out") if key in answer)


def _serials(answers: Answers) -> Iterator[str]:
    candidates: list[str] = []
    for question, answer in answers.items():
        if _SERIAL_FILE.match(question):
            candidates.append(re.sub(r"^(?:naa\.|eui\.|0x)", "", _texts(answer).strip("\0 \n")))
        elif _SERIAL_PAGE.match(question):
            page = base64.b64decode(answer.get("base64", "")) or str(answer.get("text", "")).encode()
            candidates.append(page[4:].decode("latin-1").strip("\0 \n"))
        else:
            candidates += _SERIAL_FIELD.findall(_texts(answer))
            candidates += _GPU_UUID.findall(_texts(answer))
    for serial in candidates:
        if len(serial) >= _SERIAL_LENGTH and re.search(r"[1-9]", serial):
            yield serial


def _hostnames(answers: Answers, named: str) -> Iterator[str]:
    for name in (named, _text(answers, "/etc/hostname"), _text(answers, "/proc/sys/kernel/hostname")):
        yield name
        yield name.partition(".")[0]


class _Account(NamedTuple):
    login: str
    number: int
    full_name: str


def _accounts(answers: Answers) -> Iterator[_Account]:
    """Yield every account of the user database."""
    for question, answer in answers.items():
        if question == "read /etc/passwd" or question.startswith("run getent passwd"):
            for line in _texts(answer).splitlines():
                fields = line.split(":")
                if len(fields) == _PASSWD_FIELDS and fields[2].isdigit():
                    yield _Account(fields[0], int(fields[2]), fields[4].partition(",")[0].strip())


def _ordinary_words(answers: Answers) -> set[str]:
    """Return words that mean something else on this machine: system accounts, groups, release, path parts."""
    words = set(_GENERIC)
    words |= {account.login for account in _accounts(answers) if account.number not in _LOGIN_IDS}
    for line in _text(answers, "/etc/group").splitlines():
        name, *rest = line.split(":")
        if len(rest) > 1 and rest[1].isdigit() and int(rest[1]) not in _LOGIN_IDS:
            words.add(name.lower())
    words |= {word.lower() for word in re.findall(r"\w+", _text(answers, "/etc/os-release"))}
    for question in answers:
        parts = question.lower().split("/")[1:]
        words |= {part for before, part in zip(["", *parts], parts, strict=False) if before not in _NAMED_AFTER_PEOPLE}
    return words
