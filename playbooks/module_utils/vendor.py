"""Systems whose maker looks after driver, CUDA and toolkit: we verify, name the maker's way, change nothing."""

from __future__ import annotations

from ansible.module_utils.atomic import read_text

RELEASE_FILES = ("/etc/dgx-release", "/etc/fastos-release")
_SPARK = ("the update in DGX Dashboard, or by hand `sudo apt full-upgrade` and `sudo fwupdmgr upgrade`, then a reboot; "
          "driver and firmware must move together (a driver moved alone: Xid 119, no devices)")
_SERVER = "`sudo apt full-upgrade` from NVIDIA's own sources, as the release notes of DGX OS say, then a reboot"


def vendor_system():
    """Return the vendor's system as a phrase, like "DGX OS 7.5.0 (DGX Spark)"; "" on a plain distribution."""
    for path in RELEASE_FILES:
        text = read_text(path)
        if text is not None:
            told = dict(line.strip().partition("=")[::2] for line in text.splitlines() if "=" in line)
            value = {key: word.strip("\"' ") for key, word in told.items()}
            version = value.get("DGX_OTA_VERSION") or value.get("DGX_SWBUILD_VERSION") or ""
            name = value.get("DGX_NAME") or value.get("DGX_PRETTY_NAME") or ""
            return f"DGX OS {version}".strip() + (f" ({name})" if name else "")
    return ""


def vendor_note(what, found, told_by_profile=False):
    """Return the note of a role that leaves its part to the vendor, None where no vendor does.

    `what` is like "the driver"; `found` says what is there.
    """
    system = vendor_system()
    if not system and not told_by_profile:
        return None
    way = _SERVER if system and "spark" not in system.lower() else _SPARK
    if not system:
        system, way = "the vendor (the profile says vendor_managed)", "the vendor's own update"
    return f"{what} belongs to {system}: verified, not changed. Found: {found}. To update it: {way}."
