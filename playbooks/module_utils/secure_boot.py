"""Secure Boot and the key that DKMS signs modules with. Only a person at the console can trust a key."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

from ansible.module_utils.engine import run

VARIABLE = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
KEYS = ("/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub")  # Ubuntu's, Debian's
PASSWORD = "/var/lib/firstlight/secure-boot-password"  # noqa: S105 - where the one for one boot lies
STEPS = """A person must confirm the module signing key at this machine's own screen and keyboard:
1. Read the password for this one time: sudo cat {password}
2. Reboot. A blue screen "Perform MOK management" waits about 10 seconds: press a key.
3. Choose "Enroll MOK", "Continue", "Yes", type the password (digits), then "Reboot".
Without that the driver's module is refused: "Key was rejected by service".
If the screen was missed, run firstlight apply again: it stages the key again."""


class StagingError(Exception):
    """The key could not be handed to the firmware."""


def enabled(variable=VARIABLE):
    """Return whether the firmware enforces signatures; False without UEFI."""
    try:
        return Path(variable).read_bytes()[4:5] == b"\x01"
    except OSError:
        return False


def find_key():
    """Return the public key that modules are signed with here, "" before there is one."""
    return next((path for path in KEYS if os.path.exists(path)), "")


def key_state(key):
    """Return enrolled, staged or unknown-to-firmware, as mokutil tells; without mokutil the last."""
    _, out, err = run("mokutil", "--test-key", key)
    said = (out + err).lower()
    if "already enrolled" in said or "trusted keyring" in said:
        return "enrolled"
    return "staged" if "enrollment request" in said else "unknown-to-firmware"


def stage(key):
    """Ask the firmware to offer the key at the next boot; the password goes to a file only root reads.

    Raises StagingError.
    """
    password = f"{secrets.randbelow(10**8):08}"  # digits: the firmware's keyboard is American
    os.makedirs(os.path.dirname(PASSWORD), mode=0o755, exist_ok=True)
    handle = os.open(PASSWORD, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        os.fchmod(stream.fileno(), 0o600)
        stream.write(password + "\n")
    try:
        done = subprocess.run(["mokutil", "--import", key], input=f"{password}\n{password}\n", text=True,
                              capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StagingError(f"mokutil --import {key}: {error}") from error
    if done.returncode != 0:
        raise StagingError(f"mokutil --import {key}: {(done.stderr or done.stdout).strip() or 'failed'}")
