"""Where profile files stand: the shipped ones, the site's, and those named by path."""

from __future__ import annotations

import os
from pathlib import Path

from agent import resources
from agent.model.errors import ProfileError


def site_folder() -> Path:
    """Return the folder of the site's settings; FIRSTLIGHT_CONFIG overrides /etc/firstlight."""
    return Path(os.environ.get("FIRSTLIGHT_CONFIG") or "/etc/firstlight")


def site_file() -> Path:
    """Return the site's own profile file; it need not exist."""
    return site_folder() / "profile.yml"


def there_is(file: Path) -> bool:
    """Return whether a file stands there. Raises ProfileError when that cannot be told (permissions)."""
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise ProfileError(
            f"{file}:1:1: cannot be read: {error.strerror}; "
            f"look at the permissions of {file.parent}, or use sudo"
        ) from error
    return True


def named_files() -> dict[str, Path]:
    """Return every profile that has a name: the shipped ones, and the site's in <site folder>/profiles."""
    folders = (resources.profiles(), site_folder() / "profiles")
    return {
        file.stem: file for folder in folders if folder.is_dir() for file in sorted(folder.glob("*.yml"))
    }


def load_file(name_or_file: str, beside: Path | None = None) -> Path:
    """Return the file of a profile given by name or path (relative to `beside`). Raises ProfileError."""
    if "/" in name_or_file or name_or_file.endswith((".yml", ".yaml")):
        return (beside or Path()) / Path(name_or_file).expanduser()
    files = named_files()
    if name_or_file in files:
        return files[name_or_file]
    from difflib import get_close_matches

    near = get_close_matches(name_or_file, files, n=2, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(files)}"
    raise ProfileError(f"{name_or_file}: no profile of that name; {hint}")
