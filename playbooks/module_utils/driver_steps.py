"""From what is asked of a driver to the changes, and the changes themselves: all of them or none."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from ansible.module_utils import driver_family, driver_seen, kernels, nvidia_sources, secure_boot
from ansible.module_utils.debs import APT, AptError, all_offered, fetch, install, update
from ansible.module_utils.engine import run

DAEMON = "nvidia-persistenced.service"
KEY = "Secure Boot key of the modules"
BUILD_TIMEOUT_S = 7200
# apt's pattern for everything of a driver; the container toolkit has nvidia in its names too and stays
PURGE = "'?and(?installed,?or(?name(nvidia),?name(cuda-drivers)),?not(?name(container)))'"


class Refusal(Exception):
    """It would endanger something that is there; nothing was changed."""


@dataclass(frozen=True)
class Plan:
    """What is to be done. `releases`: kernels that need a module; `missing`: packages to ask apt for."""

    family: driver_family.Family
    have: driver_seen.Installed
    changes: list
    sources: list
    files: dict
    missing: list
    releases: list
    staging: bool


def planned(asked):
    """Return the Plan. Raises WishError, NoHeadersError, Refusal."""
    have = driver_seen.seen_packages(asked["distribution"], asked["version"])
    releases, metas = kernels.image_names(have.packages)
    wish = wish_of(asked, have, metas or releases)
    source = driver_family.choose_source(wish, have.source, offers_ubuntu(wish))
    flavour = driver_family.choose_flavour(wish, source, have.flavour)
    family = driver_family.family(wish, source, flavour)
    refuse_mixing(have, family)
    headers = kernels.header_packages(releases, metas, asked["kernel"]) if family.dkms else []
    targets = kernels.target_releases(releases, asked["kernel"])
    sources, files = wanted_places(family, asked)
    parts = [nvidia_sources.source_change(one) for one in sources]
    parts += [nvidia_sources.file_change(path, text, label) for path, (text, label) in files.items()]
    packages = package_changes(have, family, headers)
    parts += packages
    parts += [{"target": f"module for kernel {release}", "before": "absent", "after": "built"}
              for release in targets if not kernels.module_of(release)]
    parts += daemon_changes(asked["persistence"], asked["gpus"])
    key = key_change(family.dkms and bool(targets))
    parts += key[0]
    return Plan(family, have, [part for part in parts if part], sources, files,
                [change["target"] for change in packages], targets, key[1])


def wish_of(asked, have, images):
    """Return the Wish for this machine: an installed driver's kind is kept where the profile leaves it open."""
    variant = asked["variant"]
    if variant == "auto":
        whole = any(name.startswith(("nvidia-open", "cuda-drivers", "nvidia-driver"))
                    and name not in ("nvidia-driver-cuda", "nvidia-driver-bin", "nvidia-driver-libs")
                    and "kernel" not in name and "pinning" not in name for name in have.packages)
        variant = "full" if whole or have.desktop else "compute"
    return driver_family.Wish(
        distribution=asked["distribution"], version=asked["version"], branch=asked["branch"] or "",
        flavour=asked["flavour"], source=asked["source"], variant=variant, persistence=asked["persistence"],
        gpus=tuple(asked["gpus"]), images=tuple(images),
        server=have.server_series or have.source != "ubuntu")


def offers_ubuntu(wish):
    """Return whether Ubuntu's lists have this branch; True when there are no lists to ask."""
    if wish.distribution != "ubuntu" or not wish.branch or wish.source != "auto":
        return True
    names = driver_family.family(wish, "ubuntu", "open").packages
    return not all_offered(["base-files"]) or all_offered(names)


def refuse_mixing(have, family):
    """Raise Refusal when the installed driver comes from elsewhere: the families overwrite one another's files."""
    if have.source and have.source != family.source:
        raise Refusal(
            f"driver {have.version} from {_NAMES[have.source]} is installed, the profile asks for one from "
            f"{_NAMES[family.source]}, and their packages do not mix. Take the old one away first "
            f"(sudo apt purge {PURGE}, then reboot), or set gpu.driver.source and branch to what is there")
    if have.branch and family.source == "debian" and family.branch != have.branch:
        raise Refusal(f"Debian's driver {have.version} is installed, the profile asks for branch {family.branch}, "
                      f"which Debian does not have: set gpu.driver.source: nvidia, and take the old one away first "
                      f"(sudo apt purge {PURGE}, then reboot)")


_NAMES = {"nvidia": "NVIDIA's repository", "debian": "Debian", "ubuntu": "Ubuntu"}


def wanted_places(family, asked):
    """Return (our Sources, {file: (text or None, label)}) that this family needs."""
    system = (asked["distribution"], asked["version"], asked["architecture"])
    pin, guard = nvidia_sources.BRANCH_PIN, nvidia_sources.GUARD
    if family.source == "nvidia":
        source = nvidia_sources.cuda_source(asked["repository"], asked["repository_key"], *system)
        return [source], {pin: (None, ""), guard: (None, "")}
    if family.source == "debian":
        text = nvidia_sources.non_free_text(asked["codename"])
        files = {nvidia_sources.NON_FREE: (text, "contrib non-free non-free-firmware")} if text else {}
        return [], files | {pin: (nvidia_sources.branch_text(family.branch), f"branch {family.branch}")}
    return [], {pin: (None, "")}


def package_changes(have, family, headers):
    """Return one change per package that is missing or of another branch."""
    wanted = [*([family.pinning] if family.pinning else []), *headers, *family.packages]
    if secure_boot.enabled() and family.dkms:
        wanted.append("mokutil")
    moves = bool(have.branch) and bool(family.branch) and have.branch != family.branch
    found = []
    for name in dict.fromkeys(wanted):
        version = have.packages.get(name) or driver_seen.single_version(name)
        if not version:
            found.append({"target": name, "before": "absent", "after": "installed"})
        elif moves and name in family.packages:
            found.append({"target": name, "before": version, "after": f"branch {family.branch}"})
    return found


def daemon_changes(wanted, gpus):
    """Return the changes that make nvidia-persistenced start at boot and, where the driver is loaded, run."""
    if not wanted:
        return []
    _, out, _ = run("systemctl", "show", DAEMON, "--property=UnitFileState,ActiveState")
    state = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    at_boot, now = state.get("UnitFileState", ""), state.get("ActiveState", "")
    found = []
    if at_boot not in ("enabled", "static", "alias"):
        found.append({"target": f"{DAEMON} at boot", "before": at_boot or "absent", "after": "enabled"})
    if gpus and driver_seen.loaded_version() and now != "active":
        found.append({"target": DAEMON, "before": now or "absent", "after": "started"})
    return found


def key_change(built_here):
    """Return (changes, whether a person must act) about the key that modules built here are signed with."""
    if not built_here or not secure_boot.enabled():
        return [], False
    key = secure_boot.find_key()
    state = secure_boot.key_state(key) if key else "absent"
    if state == "enrolled":
        return [], False
    change = {"target": KEY, "before": state, "after": "staged: a person must confirm it at the console"}
    return ([] if state == "staged" else [change]), True


def carry_out(plan, asked):
    """Make the changes; what was prepared is taken back when the packages cannot be had. Raises AptError."""
    with contextlib.ExitStack() as undo:
        prepare(plan, undo)
        names = [name for name in plan.missing if name != plan.family.pinning]
        if names:
            options = ("--allow-downgrades", "--allow-change-held-packages")
            fetch(names, *options)
        undo.pop_all()
        if names:
            install(names, *options, timeout_s=BUILD_TIMEOUT_S)
    for release in plan.releases:
        why = "" if kernels.module_of(release) else kernels.build(release)
        if why:
            raise AptError(why)
    finish(asked)


def prepare(plan, undo):
    """Add sources and pins, each with what undoes it."""
    for source in plan.sources:
        if nvidia_sources.source_change(source):
            undo.callback(nvidia_sources.put_file(source.path, nvidia_sources.read_text(source.path)))
            nvidia_sources.add_source(source)
    for path, (text, _) in plan.files.items():
        undo.callback(nvidia_sources.put_file(path, text))
    if plan.missing and (nvidia_sources.NON_FREE in plan.files or not all_offered(plan.missing)):
        update()
    pinning = plan.family.pinning
    if pinning in plan.missing:
        others = [name for name in plan.have.packages if name.startswith("nvidia-driver-pinning-")]
        undo.callback(run, *APT, "--purge", "install", f"{pinning}-", *others, timeout_s=600)
        install([pinning, *(f"{name}-" for name in others)])


def finish(asked):
    """Start what starts at boot, where it can; hand a new signing key to the firmware. Raises AptError."""
    for change in daemon_changes(asked["persistence"], asked["gpus"]):
        verb = "start" if change["target"] == DAEMON else "enable"
        code, out, err = run("systemctl", verb, DAEMON)
        if code and not (verb == "start" and driver_moved()):
            raise AptError(f"systemctl {verb} {DAEMON}: {(out + err).strip()}")
    key = secure_boot.find_key()
    if key and key_change(True)[0]:
        secure_boot.stage(key)


def driver_moved():
    """Return whether the loaded module is not the one that the libraries on disk are for: a reboot is due."""
    return driver_seen.driver_version(driver_seen.installed_versions()) != driver_seen.loaded_version()


def next_boot(plan, asked):
    """Return (whether a reboot is needed for the driver on disk, what speaks against one now)."""
    loaded = driver_seen.loaded_version()
    module = kernels.module_of(asked["kernel"])
    on_disk = kernels.module_field(module, "version") if module else ""
    newest = plan.releases[-1:]
    gate = [why for release in newest for why in kernels.boot_problems(release, secure_boot.enabled())]
    needed = bool(asked["gpus"]) and (loaded != on_disk or driver_seen.nouveau_loaded() or not loaded)
    return needed, gate
