"""Builds what disposable machines are made of: a Debian root, the product's dependencies in it, an image of that.

Everything is made from package mirrors alone and cached under `.build/bed` by the content of what made it.
`FIRSTLIGHT_ROOTS=DIR` takes ready debootstrap roots `DIR/bookworm`, `DIR/trixie` instead of making them.
The host's apt and certificate settings are copied into the roots, never into the repository.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("FIRSTLIGHT_BED", REPOSITORY / ".build" / "bed"))
MIRROR = os.environ.get("FIRSTLIGHT_DEBIAN_MIRROR", "http://deb.debian.org")
PYTHON = {"bookworm": "3.11", "trixie": "3.13"}
PACKAGES = ("systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "python3-apt", "procps", "kmod",
            "iproute2", "ca-certificates", "unattended-upgrades", "systemd-timesyncd")
INSIDE = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"


def shell(argv: Sequence[str | Path], timeout_s: float = 900, **options: object) -> str:
    """Run a command of the bed and return its output; raises with the end of its output when it fails."""
    done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=timeout_s,
                          check=False, **options)  # type: ignore[call-overload]
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n"
                           f"{(done.stdout + done.stderr)[-3000:]}")
    return str(done.stdout)


def dependencies() -> list[str]:
    """Return the product's run-time requirements as pyproject.toml states them."""
    return list(tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"])


def key_of(*parts: str) -> str:
    """Return twelve hex digits that stand for `parts`."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def image_key(suite: str, *more: str) -> str:
    """Return the cache key of a suite's images: this file, the requirements, the packages."""
    return key_of(suite, Path(__file__).read_text(), *dependencies(), *more)


def made_once(place: Path, make: Callable[[Path], None]) -> Path:
    """Return `place`, made by `make(scratch)` when absent; older versions (same name before the last -) go.

    Two runs of tests that want it at the same time: the second waits for the first.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if place.exists():
            return place
        scratch = place.with_name("new-" + place.name)
        for old in (*place.parent.glob(place.name.rsplit("-", 1)[0] + "-*"), scratch):
            if old.exists():
                shutil.rmtree(old)
        make(scratch)
        scratch.rename(place)
    return place


def debian_root(suite: str) -> Path:
    """Return a minimal Debian root of `suite`, made by debootstrap or taken from FIRSTLIGHT_ROOTS."""
    given = os.environ.get("FIRSTLIGHT_ROOTS")
    if given and (Path(given) / suite / "usr").is_dir():
        return Path(given) / suite

    def make(root: Path) -> None:
        shell(["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES[:10])}", suite, root,
               f"{MIRROR}/debian"], timeout_s=1200)

    return made_once(CACHE / "roots" / f"{suite}-{key_of(*PACKAGES)}", make)


def write_apt_settings(root: Path, suite: str) -> None:
    """Give a root the mirrors, the host's acquire settings, its resolver and its certificates."""
    apt = root / "etc/apt"
    for old in (apt / "sources.list.d").glob("*"):
        old.unlink()
    (apt / "sources.list").write_text(
        f"deb {MIRROR}/debian {suite} main\ndeb {MIRROR}/debian {suite}-updates main\n"
        f"deb {MIRROR}/debian-security {suite}-security main\n")
    lines = [line for line in shell(["apt-config", "dump"]).splitlines()
             if line.startswith("Acquire::") and not line.endswith(' "";')]
    (apt / "apt.conf.d/90bed").write_text("\n".join(lines) + "\n")
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")
    shutil.copy(Path("/") / CERTIFICATES, root / CERTIFICATES)


def install(root: Path, *packages: str) -> None:
    """Install Debian packages inside a root."""
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    shell(["mount", "-t", "proc", "proc", root / "proc"])
    try:
        shell(["chroot", root, "apt-get", "update", "-qq"], env=INSIDE)
        shell(["chroot", root, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=INSIDE)
        shell(["chroot", root, "apt-get", "clean"], env=INSIDE)
    finally:
        shell(["umount", root / "proc"])
        policy.unlink()


def wheelhouse(suite: str) -> Path:
    """Return a folder with a wheel of every dependency for the suite's Python, fetched with the host's pip."""
    machine = os.uname().machine

    def make(folder: Path) -> None:
        platforms = [word for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
                     for word in ("--platform", f"{tag}_{machine}")]
        shell([sys.executable, "-m", "pip", "download", "-q", "-d", folder, "--only-binary=:all:",
               "--implementation", "cp", "--python-version", PYTHON[suite], *platforms, *dependencies()])

    return made_once(CACHE / "wheels" / f"{suite}-{key_of(suite, machine, *dependencies())}", make)


def node_root(suite: str) -> Path:
    """Return a root with systemd, Python and the product's dependencies in the environment /opt/firstlight."""

    def make(root: Path) -> None:
        shell(["cp", "-a", "--reflink=auto", debian_root(suite), root])
        write_apt_settings(root, suite)
        install(root, *PACKAGES)
        shell(["chroot", root, "python3", "-m", "venv", "/opt/firstlight"], env=INSIDE)
        shutil.copytree(wheelhouse(suite), root / "tmp/wheels")
        shell(["chroot", root, "/opt/firstlight/bin/pip", "install", "-q", "--no-index", "--find-links",
               "/tmp/wheels", *dependencies()], env=INSIDE)
        shutil.rmtree(root / "tmp/wheels")
        (root / "usr/local/bin/firstlight").symlink_to("/opt/firstlight/bin/firstlight")
        (root / "etc/machine-id").write_text("")
        (root / "etc/hostname").write_text("node\n")

    return made_once(CACHE / "nodes" / f"{suite}-{image_key(suite)}", make)


def product_wheel(folder: Path) -> Path:
    """Build the product's wheel from the work tree into `folder` and return its path."""
    shell([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, REPOSITORY])
    return next(folder.glob("firstlight-*.whl"))


def node_image(suite: str) -> str:
    """Return the name of the Docker image of a node, imported when the engine has it not."""
    name = f"firstlight-node:{suite}-{image_key(suite)}"
    if shell(["docker", "images", "-q", name]).strip():
        return name
    root = node_root(suite)
    with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as archive:
        shell(["docker", "import", "-c", 'CMD ["/sbin/init"]', "-", name], stdin=archive.stdout)
    return name


if __name__ == "__main__":
    for wanted in sys.argv[1:] or ("bookworm", "trixie"):
        print(node_image(wanted))
