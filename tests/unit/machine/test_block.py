from __future__ import annotations

import pytest

from agent.machine.block import identity, is_virtual, matching, observe_disks, plain_wwn
from agent.model.errors import Unobservable
from agent.model.profile import DataDisk
from tests.fixtures import FakeMachine

FILES: dict[str, str | bytes] = {
    "/sys/block/sda/size": "2048\n",
    "/sys/block/sda/dev": "8:0\n",
    "/sys/block/sda/device/vpd_pg80": b"\0\x80\0\x06 ABC  ",
    "/sys/block/sda/device/wwid": "naa.5000C5\n",
    "/sys/block/nvme0n1/size": "4096\n",
    "/sys/block/nvme0n1/dev": "259:0\n",
    "/sys/block/nvme0n1/device/serial": "S6XN  \n",
    "/sys/block/nvme0n1/wwid": "eui.0025\n",
    "/sys/block/loop7/size": "0\n",
    "/sys/block/loop7/dev": "7:7\n",
    "/run/udev/data/b259:0": "E:ID_SERIAL_SHORT=S6XN\nE:ID_WWN=eui.0025\nE:ID_MODEL=x\n",
}


def disk(**changed: object) -> DataDisk:
    return DataDisk.model_validate({"label": "data", **changed})


def test_serials_and_wwns_come_from_sysfs_and_udev_each_once():
    nvme, sda = observe_disks(FakeMachine(FILES))
    assert (nvme.serials, nvme.wwns, nvme.size_bytes) == (("S6XN",), ("0025",), 4096 * 512)
    assert (sda.serials, sda.wwns, sda.path) == (("ABC",), ("5000c5",), "/dev/sda")


def test_a_device_without_media_is_no_disk():
    assert "loop7" not in {found.name for found in observe_disks(FakeMachine(FILES))}


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (disk(serial="ABC"), ["sda"]),
        (disk(wwn="0x5000C5"), ["sda"]),
        (disk(serial="S6XN", wwn="eui.0025"), ["nvme0n1"]),
        (disk(serial="S6XN", wwn="5000c5"), []),
        (disk(serial="ABC", size=1), []),
        (disk(serial="abc"), []),
    ],
)
def test_a_disk_matches_by_everything_that_is_given(wanted, names):
    assert [found.name for found in matching(observe_disks(FakeMachine(FILES)), wanted)] == names


def test_a_wwn_is_compared_without_prefix_and_in_small_letters():
    assert {plain_wwn(text) for text in ("0x5000C5", "naa.5000c5", "wwn-0x5000c5", " 5000C5 ")} == {"5000c5"}


def test_a_disk_is_named_as_a_person_knows_it():
    assert identity(disk(serial="ABC", wwn="0x1")) == "serial ABC"
    assert identity(disk(wwn="0x1")) == "WWN 0x1"


@pytest.mark.parametrize(("name", "vendor", "virtual"), [
    ("vda", "", True), ("sda", "QEMU", True), ("sda", "ATA", False), ("sda", "Msft", True),
])
def test_a_hypervisors_disk_is_virtual(name, vendor, virtual):
    files = {f"/sys/block/{name}/device/vendor": vendor, f"/sys/block/{name}/device/model": "Disk"}
    assert is_virtual(FakeMachine(files), name) is virtual


def test_an_unreadable_sysfs_is_told():
    with pytest.raises(Unobservable):
        observe_disks(FakeMachine(errors={"/sys/block": Unobservable("denied")}))
