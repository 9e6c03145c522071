"""A first boot on a node (it has no kernel of its own, so it never reboots), in one go and interrupted."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import yaml

from tests.node.nodes import Node, fresh_node
from tests.node.profiles import NODE, SITE_PROFILE, prepare
from tests.node.readings import changes

pytestmark = [pytest.mark.node, pytest.mark.timeout(2400)]
MESSAGE, STATE, UNIT = "/etc/motd.d/60-firstlight", "/var/lib/firstlight/up.json", "firstlight-firstboot.service"
UP = "[b]in/firstlight up"


@pytest.fixture
def fresh(image: str) -> Iterator[Node]:
    """A node of the test's own."""
    with fresh_node(image) as node:
        prepare(node, NODE)
        yield node


def exists(node: Node, path: str) -> bool:
    """Return whether a path is there."""
    return node.run(["test", "-e", path]).code == 0


def wait_for(node: Node, text: str, timeout_s: float = 120) -> None:
    """Wait until the log of the first boot says something."""
    deadline = time.monotonic() + timeout_s
    while text not in node.sh("cat /root/up.log 2>/dev/null || true"):
        assert time.monotonic() < deadline, node.read("/root/up.log")
        time.sleep(0.3)


def begin(node: Node) -> None:
    """Start a first boot without waiting for it."""
    node.sh("rm -f /root/up.log; setsid /opt/firstlight/bin/firstlight up --yes >/root/up.log 2>&1 </dev/null &")


def assert_ready(node: Node) -> None:
    """The machine is what its profile says, and nothing but the message is left of the first boot."""
    planned = node.firstlight("plan", "-o", "json")
    assert (planned.code, changes(planned)) == (0, []), str(planned)
    assert exists(node, MESSAGE)
    assert not exists(node, STATE)
    assert node.sh("find /etc/systemd -name '*firstboot*'") == ""


def test_one_command_ends_with_a_scorecard_and_a_wanted_reboot_that_would_not_come_back_is_refused(fresh: Node) -> None:
    fresh.sh("touch /run/reboot-required")
    ran = fresh.firstlight("up", "--yes", "--allow-reboot")
    assert ran.code in (1, 2), str(ran)
    assert "no reboot: kernel" in ran.err
    assert "note: not rebooted: kernel" in ran.out
    assert "level standard" in ran.out
    assert_ready(fresh)
    message = fresh.read(MESSAGE)
    assert "not rebooted" in message
    assert "smoke jobs" in message
    assert "up" in [entry["kind"] for entry in fresh.firstlight("report", "list", "-o", "json").data]
    assert fresh.firstlight("up", "--acknowledge").code == 0
    assert not exists(fresh, "/etc/motd.d")


def test_ctrl_c_then_kill_then_an_apt_lock_and_the_next_start_goes_on(fresh: Node) -> None:
    begin(fresh)
    wait_for(fresh, "applying:")
    fresh.must(["pkill", "-INT", "-o", "-f", UP])
    wait_for(fresh, "goes on from here")
    assert exists(fresh, STATE)
    assert not exists(fresh, f"/etc/systemd/system/{UNIT}"), "who stops it does not want it at the next boot"

    begin(fresh)
    wait_for(fresh, "next is apply")
    wait_for(fresh, "applying: [3")
    assert exists(fresh, f"/etc/systemd/system/multi-user.target.wants/{UNIT}"), "a power cut now goes on at boot"
    fresh.must(["pkill", "-9", "-o", "-f", UP])

    holder = fresh.launch(["/opt/firstlight/bin/python", "-c", "import fcntl, time\n"
                           "held = open('/var/lib/dpkg/lock-frontend', 'w'); fcntl.lockf(held, fcntl.LOCK_EX); "
                           "time.sleep(15)"])
    ran = fresh.firstlight("up", "--yes")
    holder.wait(60)
    assert ran.code in (0, 1, 2), str(ran)
    assert "next is apply" in ran.err
    assert_ready(fresh)


TROUBLES = (
    ("no network",
     "ip -4 route show default >/root/route; ip link set eth0 down",
     "ip link set eth0 up; ip route replace $(cat /root/route)",
     "Install the basic packages: `apt-get"),
    ("apt's lock held for longer than it waits",
     "setsid /opt/firstlight/bin/python -c 'import fcntl, time; "
     'held = open("/var/lib/dpkg/lock-frontend", "w"); fcntl.lockf(held, fcntl.LOCK_EX); time.sleep(3600)\' '
     ">/dev/null 2>&1 & sleep 1",
     "pkill -f lock-[f]rontend",
     "apt is still in use after 5 s by /opt/firstlight/bin/python"),
    ("no room for packages",
     "mount -t tmpfs -o size=64k tmpfs /var/cache/apt/archives",
     "umount /var/cache/apt/archives",
     "Install the basic packages: `apt-get"),
    ("no room for what must be remembered",
     "mount -t tmpfs -o size=256k tmpfs /mnt; cp -a /var/lib/firstlight/up.json /mnt; "
     "mount --bind /mnt /var/lib/firstlight; dd if=/dev/zero of=/var/lib/firstlight/full 2>/dev/null || true",
     "umount /var/lib/firstlight /mnt",
     "No space left on device"),
)


def test_without_network_under_a_lock_and_on_full_disks_it_says_why_and_the_next_start_goes_on(fresh: Node) -> None:
    """Five starts; the first four fail, each for its own reason."""
    profile = yaml.safe_load(fresh.read(SITE_PROFILE))
    profile["system"]["base"]["apt_lock_timeout_s"] = 5
    fresh.write(SITE_PROFILE, yaml.safe_dump(profile))
    fresh.sh("dpkg -r --force-depends fio >/dev/null 2>&1 || true; apt-get clean; rm -rf /var/lib/apt/lists/*")
    for name, trouble, relief, reason in TROUBLES:
        fresh.sh(trouble)
        ran = fresh.firstlight("up", "--yes")
        assert ran.code == 3, f"{name}: {ran}"
        assert reason in ran.err, f"{name}: {ran}"
        fresh.sh(relief)
        assert exists(fresh, STATE), name
    ran = fresh.firstlight("up", "--yes")
    assert ran.code in (0, 1, 2), str(ran)
    assert "next is apply" in ran.err
    assert_ready(fresh)
