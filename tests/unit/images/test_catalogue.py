"""The catalogue: what it says is valid, agrees with the matrix, and its faults are told by line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.images.catalogue import Catalogue, load_catalogue
from agent.images.reference import parse_reference
from agent.matrix.containers import find_cuda, find_image
from agent.matrix.subject import find_subject
from agent.matrix.tables import Matrix
from agent.model.errors import ProfileError, UsageError
from agent.resources import images

MATRIX = Matrix()
ENTRIES = load_catalogue().images
PURPOSES = {"cuda", "pytorch", "vllm", "tensorrt-llm", "sglang", "ollama", "llama-factory", "job"}


def write(folder: Path, text: str) -> Path:
    file = folder / "catalogue.yaml"
    file.write_text("schema: 1\nimages:\n" + text)
    return file


GOOD = "  - {name: a, purpose: cuda, reference: a/b:1, source: [X], date: '2026'}\n"


def test_every_purpose_of_the_product_is_there() -> None:
    assert set(load_catalogue().purposes) == PURPOSES


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_cites_sources_that_the_matrix_knows(entry) -> None:
    known = {row.id for row in MATRIX.table("sources")}
    cited = {*entry.source, *(source for failure in entry.failures for source in failure.source)}
    assert cited <= known


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_an_entry_does_not_contradict_the_matrix(entry) -> None:
    row = find_image(entry.reference, MATRIX)
    if row is None:
        assert entry.purpose in ("tensorrt-llm", "job", "sglang"), "an image of which the matrix knows nothing"
        return
    tag = parse_reference(entry.reference).tag
    cuda = find_cuda(row, tag)
    assert not row.architectures or set(entry.architectures) == set(row.architectures)
    assert not (cuda and entry.holds.cuda) or entry.holds.cuda.startswith(cuda) or cuda.startswith(entry.holds.cuda)
    assert entry.holds.torch in (None, row.torch)
    assert row.vllm in ("", entry.holds.vllm)
    assert entry.min_driver in (None, row.driver)
    assert row.bundled_driver in ("", entry.holds.driver)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_capabilities_are_those_of_cards_there_are(entry) -> None:
    named = {word for part in (*entry.wrong, *entry.failures) for word in part.capability} | set(entry.only)
    assert all(find_subject(word, MATRIX).rows for word in named)


def test_our_own_image_has_its_build_context() -> None:
    assert [(images() / entry.build / "Dockerfile").is_file() for entry in ENTRIES if entry.build] == [True]


@pytest.mark.parametrize(("text", "says"), [
    ("  - {name: a}\n", ":3:5: key 'purpose' is missing in images.0"),
    (GOOD.replace("purpose:", "purpos:"), "did you mean purpose?"),
    (GOOD.replace("cuda", "cudda"), ":3:15: images.0.purpose is 'cudda'"),
    (GOOD + GOOD, ":4:6: the name a stands twice"),
    (GOOD.replace("name: a", "name: cuda"), "cuda is the name of a purpose"),
    (GOOD.replace("a/b:1", "A/B:1"), ":3:30: 'A/B:1' is no image reference"),
    (GOOD.replace("date", "wrong: [{why: w, instead: nobody}], date"), "no image is called nobody"),
    (GOOD.replace("date", "digest: sha256:12, date"), "images.0.digest is 'sha256:12'"),
    (GOOD.replace("date", "architectures: [x86_64], date"), "images.0.architectures.0 is 'x86_64'"),
    ("  - {name: a\n", "expected"),
])
def test_a_fault_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ProfileError) as caught:
        load_catalogue(write(tmp_path, text))
    assert caught.value.message.startswith(f"{tmp_path}/catalogue.yaml:")
    assert says in caught.value.message


def test_a_good_file_is_taken(tmp_path: Path) -> None:
    assert isinstance(load_catalogue(write(tmp_path, GOOD)), Catalogue)


DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(("text", "host", "repository", "tag", "digest", "shown"), [
    ("debian", "docker.io", "library/debian", "latest", "", "debian:latest"),
    ("vllm/vllm-openai:v0.20.0", "docker.io", "vllm/vllm-openai", "v0.20.0", "", "vllm/vllm-openai:v0.20.0"),
    ("nvcr.io/nvidia/cuda:13", "nvcr.io", "nvidia/cuda", "13", "", "nvcr.io/nvidia/cuda:13"),
    ("127.0.0.1:5000/a:1", "127.0.0.1:5000", "a", "1", "", "127.0.0.1:5000/a:1"),
    ("localhost/a", "localhost", "a", "latest", "", "localhost/a:latest"),
    ("index.docker.io/a/b", "docker.io", "a/b", "latest", "", "a/b:latest"),
    (f"a/b@{DIGEST}", "docker.io", "a/b", "", DIGEST, f"a/b@{DIGEST}"),
    (f"a/b:1@{DIGEST}", "docker.io", "a/b", "1", DIGEST, f"a/b:1@{DIGEST}"),
])
def test_a_reference_is_read_as_docker_reads_it(text, host, repository, tag, digest, shown) -> None:
    found = parse_reference(text)
    assert (found.host, found.repository, found.tag, found.digest, str(found)) == (host, repository, tag, digest, shown)
    assert parse_reference(str(found)) == found


@pytest.mark.parametrize("text", ["", "A/b", "a/b:", "a b", "a/b@sha256:12", "-x", "--help", "a//b", "../x", "a/b:-t"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_reference(text)
