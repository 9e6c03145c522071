"""An image with a first boot prepared in it, and the wait for the end of that first boot."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable

from tests.node.profiles import MACHINE, prepare
from tests.vm.machines import VirtualMachine

MESSAGE, STATE, UNIT = "/etc/motd.d/60-firstlight", "/var/lib/firstlight/up.json", "firstlight-firstboot.service"
DONE = f"test -e {MESSAGE} -a ! -e {STATE} -a ! -e /etc/systemd/system/{UNIT}"
ENDED = "level standard"  # in the headline of the scorecard
MISSING = ("fio", "nvme-cli", "rsync", "smartmontools")  # so that there is something for the apply to install
# Stands for a package that asks for a reboot: at every boot, until the machine has been shut down in good order.
WISH = """[Unit]
ConditionPathExists=/var/lib/bed-wants-reboot
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=touch /run/reboot-required
ExecStop=rm /var/lib/bed-wants-reboot
[Install]
WantedBy=multi-user.target
"""
# Tells the console when Docker stops.
WATCH = """[Unit]
After=docker.service
PartOf=docker.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=true
ExecStop=sh -c 'echo bed: docker has to stop >/dev/console'
[Install]
WantedBy=docker.service
"""


def make_image(machine: VirtualMachine) -> None:
    """Leave a machine as an image would and switch it off: profile, product, first boot prepared, a reboot wanted."""
    prepare(machine, MACHINE)
    machine.sh("mkdir -p /backup; echo 'tmpfs /backup tmpfs defaults 0 0' >>/etc/fstab; mount /backup")
    machine.sh(f"dpkg --purge --force-depends {' '.join(MISSING)} >/dev/null")
    # dpkg tells the console what it is doing, so that a test can wait for it
    machine.write("/etc/dpkg/dpkg.cfg.d/bed", "status-logger=cat >/dev/console\n")
    machine.write("/etc/systemd/system/bed-wish.service", WISH)
    machine.write("/etc/systemd/system/bed-watch.service", WATCH)
    machine.sh("touch /var/lib/bed-wants-reboot; systemctl -q enable bed-wish.service bed-watch.service")
    ran = machine.firstlight("up", "--at-boot", "--allow-reboot")
    assert ran.code == 0, str(ran)
    machine.power_off()


def wait_for(machine: VirtualMachine, seen: Callable[[VirtualMachine, str], bool], since: int, timeout_s: float,
             poll_s: float = 0.2) -> None:
    """Wait until `seen(machine, console)` of what the console has said after its first `since` characters."""
    deadline = time.monotonic() + timeout_s
    while not seen(machine, machine.console()[since:]):
        assert time.monotonic() < deadline, f"not seen in {timeout_s} s:\n{machine.console()[since:][-6000:]}"
        time.sleep(poll_s)


def says(pattern: str) -> Callable[[VirtualMachine, str], bool]:
    """Return a question to `wait_for`: has the console said this (a regular expression, dot matches a new line)?"""
    wanted = re.compile(pattern, re.DOTALL)
    return lambda machine, told: wanted.search(told) is not None


def wait_until_done(machine: VirtualMachine, since: int, timeout_s: float = 7200) -> None:
    """Wait until the first boot has ended, through its reboots; the console is asked first, it costs nothing."""
    wait_for(machine, says(ENDED), since, timeout_s, poll_s=2)

    def ended(machine: VirtualMachine, told: str) -> bool:
        try:
            return machine.run(["sh", "-c", DONE], timeout_s=60).code == 0
        except subprocess.TimeoutExpired:
            return False

    wait_for(machine, ended, since, 900, poll_s=2)
