"""Pulling: which errors are tried again, how bytes are counted, what is read in the image that came."""

from __future__ import annotations

from typing import Any

import pytest

from agent.images.credentials import Login
from agent.images.entry_point import candidates, elf_architecture, observe_entry_point
from agent.images.pulling import Progress, Puller, Trouble, trouble_of
from agent.images.reference import parse_reference
from agent.images.registry import Layer
from agent.images.verification import Verified
from agent.matrix.verdicts import Answer
from agent.model.errors import FirstlightError

DIGEST = "sha256:" + "d" * 64
LAYER = "sha256:" + "1" * 64
WANTED = Verified("reg.io/a:1", Answer.YES, (), DIGEST, ("amd64",), (Layer(LAYER, 1000),))
AMD64 = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0" + bytes(44)
ARM64 = AMD64[:18] + b"\xb7\0" + AMD64[20:]


class FakeEngine:
    """An engine whose pulls say what is prepared, one list per attempt."""

    def __init__(self, *attempts: list[dict[str, Any]], program: bytes = AMD64, label: str = "amd64") -> None:
        self.attempts, self.program, self.label = list(attempts), program, label
        self.done: list[tuple[str, ...]] = []
        self.here = False

    def find_image(self, name: str) -> dict[str, Any] | None:
        image = {"Id": "sha256:i", "Architecture": self.label, "RepoDigests": [f"reg.io/a@{DIGEST}"],
                 "Config": {"Entrypoint": ["serve"], "Env": ["PATH=/opt/bin:/bin"]}}
        return image if self.here else None

    def pull(self, name: str, version: str, platform: str, login: str = ""):
        self.done.append(("pull", name, version, platform, login))
        reports = self.attempts.pop(0)
        self.here = not any("error" in report for report in reports)
        yield from reports

    def tag(self, image: str, name: str, tag: str) -> None:
        self.done.append(("tag", image, name, tag))

    def remove_image(self, name: str) -> None:
        self.done.append(("remove", name))

    def unstarted(self, image: str):
        from contextlib import nullcontext

        return nullcontext("box")

    def find_file(self, container: str, path: str) -> tuple[str, bytes] | None:
        return {"/opt/bin/serve": ("", b"#!/usr/bin/env python3\n"), "/usr/bin/env": ("/bin/busybox", b""),
                "/bin/busybox": ("", self.program)}.get(path)


def puller(engine: FakeEngine, limited: str = "") -> tuple[Puller, list[float], list[str]]:
    waited: list[float] = []
    said: list[str] = []
    return Puller(engine, "amd64", lambda host: Login("u", "s3cret"), lambda reference: limited,  # type: ignore[arg-type]
                  lambda reference, progress, text: said.append(text), waited.append), waited, said


@pytest.mark.parametrize(("text", "kind"), [
    ("write /var/lib/docker/tmp/x: no space left on device", Trouble.DISK),
    ("toomanyrequests: You have reached your pull rate limit.", Trouble.LIMITED),
    ("filesystem layer verification failed for digest sha256:12", Trouble.DAMAGED),
    ("unauthorized: authentication required", Trouble.DENIED),
    ("pull access denied for x, repository does not exist or may require 'docker login'", Trouble.DENIED),
    ("manifest for x:1 not found: manifest unknown: manifest unknown", Trouble.MISSING),
    ("no matching manifest for linux/arm64 in the manifest list entries", Trouble.MISSING),
    ("unexpected EOF", Trouble.NETWORK), ("net/http: TLS handshake timeout", Trouble.NETWORK),
    ("read tcp 10.0.0.1:5->10.0.0.2:443: read: connection reset by peer", Trouble.NETWORK),
    ("received unexpected HTTP status: 503 Service Unavailable", Trouble.NETWORK),
])
def test_an_engines_words_are_sorted(text: str, kind: Trouble) -> None:
    assert trouble_of(text) is kind


def test_it_is_pulled_by_digest_then_named_and_the_program_is_looked_at() -> None:
    engine = FakeEngine([{"status": "Pulling"}])
    found = puller(engine)[0].pull(WANTED)
    assert (found.fresh, found.program, found.attempts) == (True, "/bin/busybox", 1)
    assert engine.done[0][:4] == ("pull", "reg.io/a", DIGEST, "linux/amd64")
    assert engine.done[1] == ("tag", "sha256:i", "reg.io/a", "1")


def test_a_broken_connection_is_tried_again_and_then_told_with_the_bytes() -> None:
    half = {"id": "1" * 12, "status": "Downloading", "progressDetail": {"current": 500}}
    work, waited, _ = puller(FakeEngine([{"error": "unexpected EOF"}], []))
    assert work.pull(WANTED).attempts == 2
    assert waited == [5.0]
    engine = FakeEngine(*[[half, {"error": "unexpected EOF"}]] * 3)
    with pytest.raises(FirstlightError, match=r"0 kB of 1 kB came|broke off"):
        puller(engine)[0].pull(WANTED)
    assert engine.attempts == []


@pytest.mark.parametrize("text", ["no space left on device", "unauthorized", "manifest unknown", "digest mismatch"])
def test_what_does_not_pass_by_itself_is_not_tried_again(text: str) -> None:
    engine = FakeEngine([{"error": text}], [])
    with pytest.raises(FirstlightError) as caught:
        puller(engine)[0].pull(WANTED)
    assert len(engine.attempts) == 1
    assert caught.value.hint


def test_a_rate_limit_is_asked_about_at_the_registry() -> None:
    limit = [{"error": "toomanyrequests: rate limit"}]
    assert puller(FakeEngine(limit, []))[0].pull(WANTED).attempts == 2
    with pytest.raises(FirstlightError, match="wait 21600 s"):
        puller(FakeEngine(limit, []), "reg.io limits how often we may ask; it asks to wait 21600 s")[0].pull(WANTED)


def test_a_secret_in_an_engines_words_is_masked() -> None:
    with pytest.raises(FirstlightError) as caught:
        puller(FakeEngine([{"error": "denied: bad password s3cret"}]))[0].pull(WANTED)
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(("program", "label"), [(ARM64, "amd64"), (AMD64, "arm64")])
def test_an_image_for_another_cpu_is_taken_away(program: bytes, label: str) -> None:
    engine = FakeEngine([{"status": "x"}], program=program, label=label)
    with pytest.raises(FirstlightError, match="arm64"):
        puller(engine)[0].pull(WANTED)
    assert engine.done[-1] == ("remove", f"reg.io/a@{DIGEST}")


def test_what_is_here_is_left_alone() -> None:
    engine = FakeEngine()
    engine.here = True
    assert not puller(engine)[0].pull(WANTED).fresh
    assert engine.done == []


def test_one_that_is_here_and_lies_is_told_and_left() -> None:
    engine = FakeEngine(program=ARM64)
    engine.here = True
    with pytest.raises(FirstlightError, match="is here, but /bin/busybox in it is built for arm64"):
        puller(engine)[0].pull(WANTED)
    assert engine.done == []


def test_bytes_are_counted_per_layer_and_never_beyond_its_size() -> None:
    progress = Progress({"1" * 12: 1000, "2" * 12: 500})
    reports = [("1" * 12, "Downloading", 400), ("1" * 12, "Downloading", 900), ("2" * 12, "Already exists", 0),
               ("zz", "Downloading", 99), ("1" * 12, "Downloading", 5000)]
    seen = []
    for layer, status, current in reports:
        progress.take({"id": layer, "status": status, "progressDetail": {"current": current}})
        seen.append(progress.done_bytes)
    assert seen == [400, 900, 1400, 1400, 1500]
    assert progress.total_bytes == 1500


@pytest.mark.parametrize(("head", "word"), [
    (AMD64, "amd64"), (ARM64, "arm64"), (b"MZ", ""), (b"", ""), (AMD64[:10], ""),
    (AMD64[:18] + b"\x08\0" + bytes(4), "ELF machine 8 (64 bits)"),
])
def test_the_cpu_of_a_program_is_in_its_header(head: bytes, word: str) -> None:
    assert elf_architecture(head) == word


def test_programs_are_looked_for_where_the_image_would() -> None:
    config = {"Entrypoint": None, "Cmd": ["python"], "Env": ["A=1", "PATH=/x:/y"]}
    assert candidates(config)[:2] == ["/x/python", "/y/python"]
    assert candidates({"Entrypoint": ["/run.sh"], "Cmd": ["a"]})[0] == "/run.sh"
    assert candidates({})[0] == "/bin/sh"


def test_an_image_without_any_program_is_told_as_such() -> None:
    engine = FakeEngine(program=b"")
    assert observe_entry_point(engine, {"Id": "x", "Config": {}}) == ("", "")  # type: ignore[arg-type]


def test_the_name_of_a_digest_alone_is_left_without_a_tag() -> None:
    engine = FakeEngine([{"status": "x"}])
    wanted = Verified(f"reg.io/a@{DIGEST}", Answer.YES, (), DIGEST, ("amd64",), ())
    puller(engine)[0].pull(wanted)
    assert [step[0] for step in engine.done] == ["pull"]
    assert parse_reference(wanted.reference).tag == ""
