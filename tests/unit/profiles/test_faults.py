"""Everything that can be wrong with a profile file, and the sentence its author reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from agent.config import profiles
from agent.model.errors import ProfileError
from tests.conftest import AsNobody

if TYPE_CHECKING:
    from pathlib import Path

FAULTS = {
    "empty": ("", "1:1: the file is empty; begin with `name:` or `extends:`"),
    "only a comment": ("# nothing\n", "1:1: the file is empty; begin with `name:` or `extends:`"),
    "a list": ("- a\n", "1:1: a profile is a mapping of keys to values; write lines like `name: my-machine`"),
    "a word": ("hello\n", "1:1: a profile is a mapping of keys to values; write lines like `name: my-machine`"),
    "a tab": ("name: x\nkernel:\n\tsysctl: {}\n", "3:1: a tab; indent with spaces"),
    "a double key": ("name: x\ntitle: a\ntitle: b\n", "3:1: key 'title' stands twice (first in line 2); keep one"),
    "a number as key": ("name: x\n1: a\n", "2:1: key '1' is not a word; put it in quotes"),
    "yes as key": ("name: x\non: a\n", "2:1: key 'on' is not a word; put it in quotes"),
    "a temperature that fails before it warns": (
        "name: x\ngpu:\n  temperature: {warn_c: 85, fail_c: 85}\n",
        "3:29: gpu.temperature.fail_c is 85; it must be above warn_c, 85"),
    "a temperature in Fahrenheit": ("name: x\ngpu:\n  temperature:\n    warn_c: 185\n",
                                    "4:5: gpu.temperature.warn_c is 185; it must be less than or equal to 125"),
    "a temperature in words": ("name: x\ngpu:\n  temperature:\n    fail_c: hot\n",
                               "4:5: gpu.temperature.fail_c is 'hot'; it must be a valid integer, "
                               "unable to parse string as an integer"),
    "a key mistyped": ("name: x\nkernal: {}\n", "2:1: unknown key kernal; did you mean kernel?"),
    "a deep key mistyped": ("name: x\nsystem:\n  swap:\n    siez: 4G\n",
                            "4:5: unknown key system.swap.siez; did you mean size?"),
    "a key of a disk mistyped": (
        "name: x\nstorage:\n  data_disks:\n    disks:\n      - label: d\n        seriel: a\n",
        "6:9: unknown key storage.data_disks.disks.0.seriel; did you mean serial or size?"),
    "a strange key": ("name: x\nkernel: {zzz: 1}\n", "2:10: unknown key kernel.zzz; known here: sysctl"),
    "no name": ("title: a\n", "1:1: key 'name' is missing; add it"),
    "no label": ("name: x\nstorage:\n  data_disks:\n    disks:\n      - serial: a\n",
                 "5:9: key 'label' is missing in storage.data_disks.disks.0; add it"),
    "a word for a number": ("name: x\nsystem: {limits: {nofile: many}}\n",
                            "2:19: system.limits.nofile is 'many'; it must be a valid integer, unable to parse "
                            "string as an integer"),
    "a number out of range": ("name: x\nsystem: {limits: {nofile: 10}}\n",
                              "2:19: system.limits.nofile is 10; it must be greater than or equal to 1024"),
    "a list for a size": ("name: x\nsystem: {slice: {user_memory_min: [1]}}\n",
                          "2:18: system.slice.user_memory_min is [1]; [1] is not a size; write it like 16G, 512MiB "
                          "or 1048576"),
    "a section that is a word": ("name: x\nsystem: off\n",
                                 "2:1: system is False; it must be a mapping of keys to values"),
    "a section left empty": ("name: x\nsystem:\n", "2:1: system is empty; it must be a mapping of keys to values"),
    "a relative path": ("name: x\nsystem: {swap: {path: swap.img}}\n",
                        "2:17: system.swap.path is 'swap.img'; 'swap.img' must be an absolute path without '..'"),
    "a regular expression that is none": (
        "name: x\nmatch:\n  gpu: ['a(']\n",
        "3:9: 'a(' is not a regular expression: missing ), unterminated subpattern at position 1; put a backslash "
        "before ( ) [ ] + * ? that stand for themselves"),
    "an unknown parent": ("name: x\nextends: dgx-sprak\n",
                          "2:1: dgx-sprak: no profile of that name; did you mean dgx-spark?"),
    "a missing parent file": ("name: x\nextends: ./gone.yml\n", "2:1: extends names {folder}/gone.yml, which does "
                              "not exist; correct the path"),
    "a list of parents": ("name: x\nextends: [a, b]\n",
                          "2:1: extends is ['a', 'b']; it must be the name or the file of one profile"),
    "itself as parent": ("name: x\nextends: ./p.yml\n",
                         "2:1: profiles extend each other in a circle (p.yml -> p.yml); take one `extends` out"),
}


def _message(file: Path) -> str:
    with pytest.raises(ProfileError) as caught:
        profiles.load(str(file))
    return caught.value.message


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_with_its_place_and_what_to_do(fault: str, tmp_path: Path) -> None:
    text, expected = FAULTS[fault]
    file = tmp_path / "p.yml"
    file.write_text(text)
    assert _message(file) == f"{file}:{expected.format(folder=tmp_path)}"


def test_all_faults_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text("schema: 2\nnmae: x\nsystem:\n  limits: {nofile: -1}\n  sclie: {}\n")
    lines = _message(file).splitlines()
    assert [line.removeprefix(f"{file}:").split(": ")[0] for line in lines] == ["1:1", "1:1", "2:1", "4:12", "5:3"]


def test_a_fault_in_a_parent_is_told_at_the_parents_line(tmp_path: Path) -> None:
    (tmp_path / "parent.yml").write_text("name: p\n\nsystem: {limits: {nofile: 1}}\n")
    file = tmp_path / "p.yml"
    file.write_text("name: x\nextends: ./parent.yml\n")
    assert _message(file).startswith(f"{tmp_path}/parent.yml:3:19: ")


def test_two_profiles_that_extend_each_other_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text("name: a\nextends: ./b.yml\n")
    (tmp_path / "b.yml").write_text("name: b\nextends: ./a.yml\n")
    assert "in a circle (a.yml -> b.yml -> a.yml)" in _message(tmp_path / "a.yml")


@pytest.mark.parametrize("raw", [b"\x00\x01\x02", b"\x7fELF\x02\x01\x01", bytes(range(256)), b"name: \xff\n"])
def test_binary_junk_is_no_traceback(raw: bytes, tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_bytes(raw)
    assert "save" in _message(file)


@pytest.mark.parametrize("text", [
    "a: {b: [1, 2\n", "a: 'b\n", "a: *b\n", "a: !!python/object:os.system x\n", "a: b: c\n", "%YAML 9\n---\na: b\n",
    "a: &x [*x]\n", "a: &a [z,z,z,z,z,z,z,z,z]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d]\n", "a: 1\n---\nb: 2\n", "? [a]\n: b\n",
    "a: 2024-99-99\n", "<<: {a: b}\n", "a: " + "[" * 5000 + "\n",
])
def test_broken_yaml_says_where(text: str, tmp_path: Path) -> None:
    file = tmp_path / "p.yml"
    file.write_text(text)
    first = _message(file).splitlines()[0]
    assert first.startswith(f"{file}:")
    assert ";" in first


def test_a_file_that_is_none_is_told(tmp_path: Path) -> None:
    assert _message(tmp_path / "gone.yml") == f"{tmp_path}/gone.yml:1:1: does not exist; name a YAML file"
    (tmp_path / "folder.yml").mkdir()
    assert "is a directory" in _message(tmp_path / "folder.yml")
    os.mkfifo(tmp_path / "pipe.yml")
    assert "is not a file" in _message(tmp_path / "pipe.yml")
    (tmp_path / "loop.yml").symlink_to("loop.yml")
    assert "loop.yml:1:1: " in _message(tmp_path / "loop.yml")


def test_a_file_that_may_not_be_read_is_told(open_folder: Path, as_nobody: AsNobody) -> None:
    file = open_folder / "p.yml"
    file.write_text("name: x\n")
    file.chmod(0)
    with as_nobody():
        assert "Permission denied; look at its permissions" in _message(file)


def test_a_name_that_is_none_gets_the_nearest() -> None:
    with pytest.raises(ProfileError, match="did you mean rtx-workstation"):
        profiles.load("rtx-workstaton")
