"""What is asked of the matrix: a card, a CPU architecture, an operating system, and what shall run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.matrix.version import parts
from agent.model.errors import UsageError

KINDS = ("torch", "vllm", "cuda", "cudnn", "driver", "kernel", "python", "nvfp4", "image")
_FORM = re.compile(
    r"(?P<kind>[a-z0-9]+)(?:==?(?P<version>\d+(?:\.\d+)*(?:\.post\d+)?))?(?:\+(?P<tag>cu\d+))?(?P<pypi>@pypi)?"
)


@dataclass(frozen=True, slots=True)
class Want:
    """One thing wanted: `torch==2.2+cu121`, `torch==2.10@pypi`, `vllm`, `cuda==13.0`, `driver==470`, an image.

    `version` may be a beginning (2.2) or empty (any, newest first); an image's reference stands in `version`.
    """

    kind: str
    version: str = ""
    tag: str = ""
    from_pypi: bool = False

    def __str__(self) -> str:
        """Return it as it is written on the command line."""
        if self.kind == "image":
            return self.version
        version = f"=={self.version}" if self.version else ""
        tag = f"+{self.tag}" if self.tag else ""
        return f"{self.kind}{version}{tag}{'@pypi' if self.from_pypi else ''}"


@dataclass(frozen=True, slots=True)
class Ask:
    """A question: the card by name, PCI id or compute capability; `uname -m`; debian-12 … dgx-os, empty: any."""

    card: str
    architecture: str
    system: str = ""
    wants: tuple[Want, ...] = ()


def parse_want(text: str) -> Want:
    """Return a want. Raises UsageError with the forms that exist."""
    text = text.strip()
    if "/" in text or (":" in text and not text.startswith(KINDS)):
        return Want("image", text)
    found = _FORM.fullmatch(text.lower())
    if found is None or found["kind"] not in KINDS or found["kind"] == "image":
        raise UsageError(
            f"{text}: not something the matrix knows",
            "wants: torch==2.9+cu128, torch@pypi, vllm==0.20.0, cuda==13.0, cudnn==9.10, driver==580, "
            "kernel==6.12, python==3.12, nvfp4, or an image such as nvcr.io/nvidia/pytorch:25.11-py3",
        )
    want = Want(found["kind"], found["version"] or "", found["tag"] or "", bool(found["pypi"]))
    _refuse_nonsense(text, want)
    return want


def _refuse_nonsense(text: str, want: Want) -> None:
    if (want.tag or want.from_pypi) and want.kind != "torch":
        raise UsageError(f"{text}: a build (+cu128, @pypi) belongs to torch", "for example torch==2.9+cu128")
    if want.tag and want.from_pypi:
        raise UsageError(f"{text}: PyPI has one build of torch", "leave +cu… or @pypi out")
    if want.kind in ("driver", "kernel", "python") and not want.version:
        raise UsageError(
            f"{text}: which {want.kind}?", f"for example {want.kind}==580" if want.kind == "driver" else ""
        )
    if want.kind == "driver" and parts(want.version)[0] < 100:
        raise UsageError(
            f"{text}: a driver has a branch of three digits", "for example driver==580 or driver==580.95.05"
        )


def parse_version(what: str, text: str) -> str:
    """Return a plain version number; empty is taken as it is. Raises UsageError that names what it is for."""
    if text and not re.fullmatch(r"\d+(\.\d+)*", text):
        examples = {"driver": "580 or 580.95.05", "cuda": "13.0", "cudnn": "9.10.2", "kernel": "6.12"}
        raise UsageError(f"--{what} {text}: no version number", f"for example --{what} {examples[what]}")
    return text


def parse_tag(tag: str) -> str:
    """Return the CUDA of a build tag: cu121 is 12.1. Raises UsageError."""
    digits = tag.removeprefix("cu")
    if not digits.isdigit() or len(digits) != 3:
        raise UsageError(f"{tag}: no build tag", "for example cu121 or cu130")
    return f"{digits[:2]}.{digits[2]}"
