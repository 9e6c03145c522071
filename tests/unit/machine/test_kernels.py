from __future__ import annotations

import pytest

from agent.machine.grub import parse_menu
from agent.machine.kernels import observe_kernels, observe_next_kernel
from agent.model.errors import Unobservable
from tests.fixtures import FakeMachine

OLD, NEW = "6.1.0-39-amd64", "6.1.0-40-amd64"
IMAGES = {f"/boot/vmlinuz-{release}": "" for release in (OLD, NEW)}
SETTINGS, ENVIRONMENT = "/etc/default/grub", "/boot/grub/grubenv"
# As update-grub of Debian 12 writes it, shortened.
MENU = f"""
function load_video {{
  insmod all_video
}}
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-2c1f' {{
\tload_video
\tlinux\t/boot/vmlinuz-{NEW} root=UUID=2c1f ro quiet
}}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-2c1f' {{
\tmenuentry 'Debian GNU/Linux, with Linux {NEW}' --class debian $menuentry_id_option 'new-2c1f' {{
\t\tlinux\t/boot/vmlinuz-{NEW} root=UUID=2c1f ro quiet
\t}}
\tmenuentry 'The one that works' --class debian $menuentry_id_option 'old-2c1f' {{
\t\tlinux\t/boot/vmlinuz-{OLD} root=UUID=2c1f ro quiet
\t}}
}}
"""


@pytest.mark.parametrize("aside", ["old", "bak", "dpkg-bak"])
def test_an_image_kept_aside_is_no_kernel(aside: str) -> None:
    machine = FakeMachine({"/boot/vmlinuz-6.1.0-40-amd64": "", f"/boot/vmlinuz-6.1.0-41-amd64.{aside}": ""})
    assert observe_kernels(machine) == ("6.1.0-40-amd64",)
    assert observe_next_kernel(machine, "6.1.0-39-amd64") == "6.1.0-40-amd64"


def test_a_machine_without_boot_goes_on_with_its_kernel() -> None:
    assert observe_next_kernel(FakeMachine({}), "6.1.0-39-amd64") == "6.1.0-39-amd64"


@pytest.mark.parametrize(("default", "following"), [
    ("", NEW), ("GRUB_DEFAULT=0  # the first", NEW), ("#GRUB_DEFAULT=1", NEW), ("GRUB_DEFAULT=saved", NEW),
    ('GRUB_DEFAULT="1>1" # pinned', OLD), ("GRUB_DEFAULT='1>0'", NEW),
    ('GRUB_DEFAULT="gnulinux-advanced-2c1f>old-2c1f"', OLD),
    ('GRUB_DEFAULT="Advanced options for Debian GNU/Linux>The one that works"', OLD),
    (f"GRUB_DEFAULT=gnulinux-advanced-2c1f>gnulinux-{OLD}-advanced-2c1f", OLD),
])
def test_the_next_kernel_is_the_one_that_grub_was_told(default: str, following: str) -> None:
    machine = FakeMachine({**IMAGES, SETTINGS: f"GRUB_TIMEOUT=5\n{default}\n", "/boot/grub/grub.cfg": MENU})
    assert observe_next_kernel(machine, OLD) == following


@pytest.mark.parametrize(("block", "following"), [
    ("saved_entry=1>1\n####", OLD), ("saved_entry=\n####", NEW), ("saved_entry=0\nnext_entry=1>1\n####", OLD),
])
def test_a_saved_entry_and_one_for_the_next_boot_alone_count(block: str, following: str) -> None:
    files = {**IMAGES, SETTINGS: "GRUB_DEFAULT=saved\n", "/boot/grub/grub.cfg": MENU, ENVIRONMENT: block}
    assert observe_next_kernel(FakeMachine(files), OLD) == following


def test_a_snippet_wins_over_the_settings() -> None:
    files = {**IMAGES, SETTINGS: "GRUB_DEFAULT=0\n", "/etc/default/grub.d/50-pin.cfg": f"GRUB_DEFAULT=x-{OLD}\n"}
    assert observe_next_kernel(FakeMachine(files), NEW) == OLD


@pytest.mark.parametrize("wanted", ["7", "1>9", "gone", "1", f"x-{OLD}1"])
def test_an_entry_that_leads_to_no_kernel_is_unknown_never_the_newest(wanted: str) -> None:
    machine = FakeMachine({**IMAGES, SETTINGS: f"GRUB_DEFAULT={wanted}\n", "/boot/grub/grub.cfg": MENU})
    with pytest.raises(Unobservable, match=f"the entry '{wanted}'"):
        observe_next_kernel(machine, OLD)


def test_half_a_menu_is_read_as_far_as_it_goes() -> None:
    assert parse_menu(MENU[:MENU.index("The one") - 20])[1].below[0].release == NEW
