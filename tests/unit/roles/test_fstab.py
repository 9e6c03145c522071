"""fstab: one line changes, every other byte stays."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.ansible_modules

from ansible.module_utils import fstab  # isort: skip

assert tests.ansible_modules.PLAYBOOKS.is_dir()
TEXT = """# static file system information.
UUID=11-22  /      ext4   errors=remount-ro 0\t1
UUID=33-44\t/data\txfs\tdefaults\t0 0   # old disk

/swap.img none swap sw 0 0
/dev/sdb1 /mnt/a\\040b vfat
"""


def test_fields_are_decoded_and_missing_ones_get_their_defaults() -> None:
    entries = fstab.parse(TEXT)
    assert [entry.mount for entry in entries] == ["/", "/data", "none", "/mnt/a b"]
    assert entries[3] == fstab.Entry("/dev/sdb1", "/mnt/a b", "vfat", "defaults", 0, 0)
    assert entries[0].passno == 1 and entries[0].options == "errors=remount-ro"


def test_a_changed_entry_replaces_its_line_alone() -> None:
    entry = fstab.Entry("UUID=55", "/data", "xfs", "noatime,nofail")
    lines = fstab.with_entry(TEXT, entry).splitlines()
    assert lines[2] == "UUID=55 /data xfs noatime,nofail 0 0"
    assert lines[:2] + lines[3:] == TEXT.splitlines()[:2] + TEXT.splitlines()[3:]


def test_an_entry_that_is_there_changes_no_byte() -> None:
    for entry in fstab.parse(TEXT):
        assert fstab.with_entry(TEXT, entry, lambda found, one=entry: found.spec == one.spec) == TEXT


def test_a_new_entry_is_appended_also_behind_a_line_without_an_end() -> None:
    entry = fstab.Entry("UUID=9", "/mnt/c d", "xfs")
    assert fstab.with_entry("a /b ext4", entry) == "a /b ext4\nUUID=9 /mnt/c\\040d xfs defaults 0 0\n"
    assert fstab.with_entry("", entry) == "UUID=9 /mnt/c\\040d xfs defaults 0 0\n"


def test_windows_line_ends_stay() -> None:
    assert fstab.with_entry("a /b ext4\r\nc /d xfs\r\n", fstab.Entry("e", "/b", "xfs")) == (
        "e /b xfs defaults 0 0\r\nc /d xfs\r\n"
    )


_PATH = st.text("ab/ \t\\#0", min_size=1).map(lambda text: f"/{text}")


@given(_PATH, _PATH, st.sampled_from(["xfs", "ext4"]))
def test_what_is_written_is_read_back(spec: str, mount: str, fstype: str) -> None:
    entry = fstab.Entry(spec, mount, fstype, "noatime", 0, 2)
    assert fstab.parse(fstab.with_entry("# first\n", entry)) == [entry]


@pytest.mark.parametrize(("line", "error"), [
    ("UUID=12345678-0000-0000-0000-000000000000 /not/there xfs noatime 0 0", "/not/there: unreachable"),
    ("broken", "parse error at line 1"), ("none /proc proc defaults 0 0", ""),
])
def test_errors_are_told_and_warnings_are_not(tmp_path: Path, line: str, error: str) -> None:
    path = tmp_path / "fstab"
    path.write_text(line + "\n")
    try:
        errors = fstab.verify(str(path))
    except FileNotFoundError:
        pytest.skip("needs findmnt")
    assert any(error in told for told in errors) if error else errors == []
