"""A disk is the one device that carries the serial or WWN; the places it is read from, and what refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

import tests.ansible_modules

from ansible.module_utils import blockdev, disk_content, disk_ledger  # isort: skip

assert tests.ansible_modules.PLAYBOOKS.is_dir()
UUID = "0b6b1b6e-6a0b-4f39-9a55-0123456789ab"


def disk(name: str, serial: str = "", wwn: str = "", size: int = 1000) -> blockdev.Disk:
    return blockdev.Disk(name, f"/dev/{name}", "8:0", size, (serial,) * bool(serial), (wwn,) * bool(wwn))


def sysfs(root: Path, name: str, attributes: dict[str, str | bytes]) -> None:
    for attribute, value in ({"size": "2048", "dev": "8:0"} | attributes).items():
        path = root / "block" / name / attribute
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value if isinstance(value, bytes) else f"{value}\n".encode())


def test_serial_and_wwn_are_read_where_each_kind_of_disk_has_them(tmp_path: Path) -> None:
    sysfs(tmp_path, "vdb", {"serial": "VIRTIO1"})
    sysfs(tmp_path, "nvme0n1", {"device/serial": "S6XNNS0W123456      ", "wwid": "eui.0025385B21404321"})
    sysfs(tmp_path, "sdc", {"device/vpd_pg80": b"\0\x80\0\x09  WD-1234", "device/wwid": "naa.50014EE2B5C0FFEE"})
    sysfs(tmp_path, "loop0", {"size": "0"})
    sysfs(tmp_path, "nvme0c0n1", {"hidden": "1", "device/serial": "S6XNNS0W123456"})
    found = {one.name: one for one in blockdev.observe_disks(blockdev.Host(sys=str(tmp_path)))}
    assert set(found) == {"vdb", "nvme0n1", "sdc"}
    assert found["vdb"].serials == ("VIRTIO1",) and found["vdb"].size_bytes == 1 << 20
    assert (found["nvme0n1"].serials, found["nvme0n1"].wwns) == (("S6XNNS0W123456",), ("0025385b21404321",))
    assert (found["sdc"].serials, found["sdc"].wwns) == (("WD-1234",), ("50014ee2b5c0ffee",))


def test_no_sysfs_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(blockdev.Unknown):
        blockdev.observe_disks(blockdev.Host(sys=str(tmp_path / "none")))


def test_a_wwn_is_the_same_in_every_spelling() -> None:
    for spelling in ("naa.50014EE2B5C0FFEE", "0x50014ee2b5c0ffee", "wwn-0x50014ee2b5c0ffee"):
        assert blockdev.plain_wwn(spelling) == "50014ee2b5c0ffee"


def test_serial_wwn_and_size_must_all_fit() -> None:
    disks = [disk("sda", "A", "aa"), disk("sdb", "B", "bb")]
    assert blockdev.identify(disks, "B", "", None).name == "sdb"
    assert blockdev.identify(disks, "", "naa.AA", 1000).name == "sda"
    with pytest.raises(blockdev.Refused, match=r"no disk with serial A and WWN bb"):
        blockdev.identify(disks, "A", "bb", None)
    with pytest.raises(blockdev.Refused, match=r"the profile says 999 bytes"):
        blockdev.identify(disks, "A", "", 999)
    with pytest.raises(blockdev.Refused, match="needs its serial or its WWN"):
        blockdev.identify(disks, "", "", 1000)
    with pytest.raises(blockdev.Refused, match="no disk with serial a"):
        blockdev.identify(disks, "a", "", None)


def test_namespaces_of_one_serial_are_told_apart_by_size_or_wwn_only() -> None:
    disks = [disk("nvme0n1", "N", "e1", 1000), disk("nvme0n2", "N", "e2", 2000)]
    with pytest.raises(blockdev.Refused, match=r"2 disks carry serial N: .*nvme0n1.*nvme0n2"):
        blockdev.identify(disks, "N", "", None)
    assert blockdev.identify(disks, "N", "", 2000).name == "nvme0n2"
    assert blockdev.identify(disks, "N", "e1", None).name == "nvme0n1"


def test_the_sample_of_a_large_disk_covers_both_ends_and_the_copies() -> None:
    size = (4 << 40) + 12 * 512
    regions = list(disk_content.regions(size))

    def covered(offset: int) -> bool:
        return any(start <= offset < start + length for start, length in regions)

    assert all(covered(offset) for offset in range(0, 16 << 20, 4096))
    assert all(covered(size - 1 - offset) for offset in range(0, 16 << 20, 4096))
    assert covered(size // 2) and covered(size // 4 + 8192) and covered(64 << 20) and covered(256 << 30)
    assert sum(length for _, length in regions) < 300 << 20
    assert min(regions)[0] == 0 and all(start + length <= size for start, length in regions)


def test_a_small_disk_is_read_whole() -> None:
    regions = list(disk_content.regions((300 << 20) + 512))
    assert sum(length for _, length in regions) == (300 << 20) + 512
    assert regions[-1] == (300 << 20, 512)


def test_a_ledger_entry_is_for_its_own_disk_only() -> None:
    mine = disk("sda", "A", "aa")
    entry = disk_ledger.entry_for(mine, "u", "data", "ready")
    assert entry.on(mine) and entry.on(disk("sdz", "A", "aa"))
    assert not entry.on(disk("sda", "B", "bb")) and not entry.on(disk("sda", "A", "aa", 999))
    assert not disk_ledger.entry_for(disk("sda"), "u", "data", "ready").on(disk("sda"))


def test_a_ledger_written_is_read_back(tmp_path: Path) -> None:
    path = str(tmp_path / "deep" / "disks.json")
    assert disk_ledger.load(path) == {}
    entries = {UUID: disk_ledger.entry_for(disk("sda", "A"), UUID, "data", "making")}
    disk_ledger.write(path, entries)
    assert disk_ledger.load(path) == entries and Path(path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ['{"schema": 1}', "[]", '{"schema": 1, "disks": {"u": {"uuid": "v"}}}', "{",
                                  '{"schema": 1, "disks": {"u": {"uuid": "u", "label": "l", "size_bytes": 1, '
                                  '"state": "odd"}}}', "\x00",
                                  f'{{"schema": 1, "disks": {{"{UUID}": {{"uuid": "{UUID}", "label": "l", '
                                  '"size_bytes": 1, "state": "making", "serials": null}}}'])
def test_a_ledger_that_is_not_one_refuses_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "disks.json"
    path.write_text(text)
    with pytest.raises(blockdev.Refused, match=r"disks\.json:1:\d"):
        disk_ledger.load(str(path))


@pytest.mark.parametrize(("answer", "reason"), [
    ('{"smart_status": {"passed": false}}', "failing"), ('{"smart_status": {"passed": true}}', ""), ("[]", ""),
    ("", ""),
])
def test_a_disk_that_says_it_fails_is_refused(monkeypatch: pytest.MonkeyPatch, answer: str, reason: str) -> None:
    class Answering(blockdev.Host):
        def run(self, *argv: str, timeout_s: float = 60) -> tuple[int, str, str]:
            return 8, answer, ""

    monkeypatch.setattr(disk_content.shutil, "which", lambda name, path: f"/usr/sbin/{name}")
    said = disk_content.guard_health(Answering(), disk("sda"), -1)
    assert reason in said and bool(said) == bool(reason)
