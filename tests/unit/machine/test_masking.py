from __future__ import annotations

import json

import pytest

import checks
from agent.check import Level
from agent.engine.discovery import load_checks
from agent.engine.pool import run_checks
from agent.machine.api import Completed
from agent.machine.hardware import observe_hardware
from agent.machine.local import LocalMachine
from agent.machine.masking import mask_secrets, without_secrets
from agent.machine.recorded import RecordedMachine, RecordingMachine
from agent.machine.recording import Content, Recording
from agent.machine.recording_file import recording_to_json
from agent.model.profile import Profile
from agent.model.resolved import resolve

ACCOUNTS = "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000:Alice Liddell,,,:/home/alice:/bin/bash\n"
PAGE = b"\x00\x80\x00\x10" + b"  WD-WX12A3456789"[:16]


def recording(files=None, outputs=None, hostname="mad-hatter", profile=None):
    answers = {("read", path): Content(text if isinstance(text, bytes) else text.encode())
               for path, text in (files or {}).items()}
    answers |= {("run", *argv): Completed(argv, 0, out, "") for argv, out in (outputs or {}).items()}
    return Recording(1.0, hostname, answers, profile or {})


def text_of(masked):
    return json.dumps(recording_to_json(masked))


SECRETS = [
    "password=hunter2hunter2", "PASSWORD: hunter2hunter2", '"registry_token": "hunter2hunter2"',
    "NGC_API_KEY=hunter2hunter2", "apikey = 'hunter2hunter2'", "SECRET_KEY=hunter2hunter2",
    "Authorization: Bearer hunter2hunter2", "client_secret=hunter2hunter2",
    "vllm serve --api-key hunter2hunter2",
    "nvapi-hunter2hunter2", "hf_hunter2hunter2", "ghp_hunter2hunter2", "github_pat_hunter2hunter2",
    "https://bob:hunter2hunter2@proxy.example:3128/x", '{"auths": {"nvcr.io": {"auth": "aHunter2hunter2="}}}',
    "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2hunter2\n-----END OPENSSH PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nhunter2hunter2 (cut off", "alice:$6$salt$hunter2hunter2:19000:0:99999:7:::",
    '{\\"token\\": \\"hunter2hunter2\\"}',
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_masked(secret):
    masked = without_secrets(f"before\n{secret}\nafter")
    assert "unter2" not in masked
    assert "MASKED" in masked and masked.startswith("before\n")


HARMLESS = [
    "passwd: files systemd", "password requisite pam_pwquality.so retry=3", "PasswordAuthentication no",
    "repository_key: https://nvidia.github.io/libnvidia-container/gpgkey", "ssl_key=/etc/ssl/private/x.pem",
    "vm.swappiness = 10", "tokens: 12",
    "[signed-by=/usr/share/keyrings/x.gpg] https://example.org/ubuntu noble",
    "ii  nvidia-utils-580  580.95.05-0ubuntu0.24.04.1", "/dev/sda1 / ext4 rw 0 0", "cuDNN 9.10.2.21",
    "gpgkey=file:///x",
    "00:11:22 up 3 days", "nofile 1000000",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays_as_it_is(text):
    original = recording({"/etc/x": text})
    assert mask_secrets(original).answers == original.answers


def test_a_serial_is_the_same_stand_in_everywhere():
    masked = mask_secrets(recording(
        {"/sys/block/nvme0n1/device/serial": "S5GXNX0T123456\n",
         "/sys/block/nvme0n1/wwid": "eui.0025385b21404321\n"},
        {("nvme", "id-ctrl", "-o", "json", "/dev/nvme0n1"): '{"sn" : "S5GXNX0T123456      "}',
         ("smartctl", "/dev/disk/by-id/nvme-Samsung_SSD_S5GXNX0T123456"): "Serial Number:    S5GXNX0T123456"},
        profile={"disks": [{"serial": "S5GXNX0T123456", "wwn": "eui.0025385b21404321"}]}))
    assert "S5GXNX0T123456" not in text_of(masked) and "0025385b21404321" not in text_of(masked)
    serial = masked.answers["read", "/sys/block/nvme0n1/device/serial"].data.decode().strip()
    wwn = masked.answers["read", "/sys/block/nvme0n1/wwid"].data.decode().strip()
    assert len(serial) == len("S5GXNX0T123456")
    assert masked.profile["disks"] == [{"serial": serial, "wwn": wwn}]
    assert ("run", "smartctl", f"/dev/disk/by-id/nvme-Samsung_SSD_{serial}") in masked.answers


def test_the_serial_in_a_binary_page_keeps_its_length():
    original = recording({"/sys/block/sda/device/vpd_pg80": PAGE},
                         {("lsblk",): "sda WD-WX12A3456789"[:-1]})
    data = mask_secrets(original).answers["read", "/sys/block/sda/device/vpd_pg80"].data
    assert len(data) == len(PAGE) and data[:4] == PAGE[:4] and b"WX12A" not in data


def test_host_and_people_get_stand_ins():
    masked = mask_secrets(recording(
        {"/etc/passwd": ACCOUNTS, "/etc/hosts": "127.0.1.1 mad-hatter.example.org mad-hatter\n",
         "/home/alice/.docker/config.json": "{}", "/etc/group": "docker:x:999:alice\n"},
        {("id", "-nG", "alice"): "alice docker"}))
    assert "alice" not in text_of(masked).lower() and "mad-hatter" not in text_of(masked)
    assert masked.hostname == "host-1xxxx"
    login = next(q[3] for q in masked.answers if q[:3] == ("run", "id", "-nG"))
    assert masked.answers["read", "/etc/group"].data.decode() == f"docker:x:999:{login}\n"
    assert ("read", f"/home/{login}/.docker/config.json") in masked.answers


@pytest.mark.parametrize("name", ["docker", "debian", "data", "vm", "srv"])
def test_a_name_that_means_something_else_is_left_alone(name):
    files = {"/etc/os-release": "ID=debian\n", "/srv/x": "docker data vm srv", "/etc/hostname": name,
             "/etc/passwd": ACCOUNTS.replace("alice", name).replace("Alice Liddell", "")}
    original = recording(files, hostname=name)
    assert mask_secrets(original) == original


def test_addresses_get_stand_ins_but_private_ones_and_versions_stay():
    masked = mask_secrets(recording({"/x": (
        "link/ether 3c:6d:66:01:02:03 brd ff:ff:ff:ff:ff:ff\ninet 8.8.4.4/24\ninet 192.168.1.7/24\n"
        "inet6 2600:1f14:aaaa:bbbb::1/64\nlo 127.0.0.1 00:00:00:00:00:00\n"
        "version 9.10.2.21\n2026-11-21 14:36:27\n")}))
    assert masked.answers["read", "/x"].data.decode() == (
        "link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\ninet 192.0.2.2/24\ninet 192.168.1.7/24\n"
        "inet6 2001:db8::3/64\nlo 127.0.0.1 00:00:00:00:00:00\nversion 9.10.2.21\n2026-11-21 14:36:27\n")


def test_a_masked_machine_is_the_same_hardware_under_other_names():
    memory = RecordingMachine(LocalMachine())
    real = observe_hardware(memory)
    masked = observe_hardware(RecordedMachine(mask_secrets(memory.recording(real.hostname))))
    assert (masked.memory_bytes, masked.kernel, masked.cpu_model, masked.gpus, len(masked.disks)) == (
        real.memory_bytes, real.kernel, real.cpu_model, real.gpus, len(real.disks))
    assert [disk.size_bytes for disk in masked.disks] == [disk.size_bytes for disk in real.disks]


def test_masking_changes_no_verdict_of_this_machine():
    memory = RecordingMachine(LocalMachine())
    hardware = observe_hardware(memory)
    profile = resolve(Profile(name="test"), hardware.memory_bytes, "digest")
    every = load_checks(checks)
    live = run_checks(every, memory, profile, Level.QUICK, record=True)
    recording = Recording(memory.clock(), hardware.hostname, live.answers)
    masked = run_checks(every, RecordedMachine(mask_secrets(recording)), profile, Level.QUICK)
    assert len(live.runs) >= 30
    assert verdicts(masked) == verdicts(live)


def verdicts(results):
    return [(finding.check, finding.verdict) for run in results.runs for finding in run.findings]


def test_masking_twice_changes_nothing_more():
    once = mask_secrets(recording({"/etc/x": "\n".join(SECRETS), "/etc/passwd": ACCOUNTS}))
    assert mask_secrets(once) == once
