"""A signed apt repository in a folder, of packages that are empty but for what a test needs in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.node.disposable import Disposable

_KEY = r"""
export GNUPGHOME=/root/repository-key
if [ ! -d $GNUPGHOME ]; then
  apt-get update -qq >/dev/null; apt-get install -qq -y --no-install-recommends gpg gpg-agent >/dev/null 2>&1
  mkdir -m 700 $GNUPGHOME
  gpg --batch --quiet --passphrase '' --quick-generate-key 'bed <bed@localhost>' rsa2048 sign never 2>/dev/null
fi
"""
_ADD = r"""
dpkg-deb --build $made $out/$deb >/dev/null
{ cat $made/DEBIAN/control; printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' $deb $(stat -c %s $out/$deb) \
  $(sha256sum <$out/$deb | cut -d' ' -f1); } >>$out/Packages
rm -r $made
"""
_SIGN = r"""
cd $out
printf 'Origin: %s\nLabel: %s\nSHA256:\n %s %s Packages\n' "$origin" "$origin" $(sha256sum <Packages | cut -d' ' -f1) \
  $(stat -c %s Packages) >Release
gpg --batch --yes --quiet --clearsign -o InRelease Release
gpg --batch --armor --export >$key
"""


@dataclass(frozen=True)
class Deb:
    """A package. `fields`: further control fields. `files`: path to text; those below a bin folder are programs."""

    name: str
    version: str
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    postinst: str = ""

    def script(self) -> str:
        """Return shell that lays the package out in the folder $made."""
        control = {"Package": self.name, "Version": self.version, "Architecture": "all",
                   "Maintainer": "bed <bed@localhost>", **self.fields, "Description": "stand-in"}
        files = {"DEBIAN/control": "".join(f"{key}: {value}\n" for key, value in control.items()),
                 f"usr/share/doc/{self.name}/README": "stand-in\n",
                 **{path.lstrip("/"): text for path, text in self.files.items()}}
        if self.postinst:
            files["DEBIAN/postinst"] = f"#!/bin/sh\nset -e\n{self.postinst}\n"
        lines = ["made=$(mktemp -d); chmod 755 $made"]
        for path, text in files.items():
            lines.append(f"mkdir -p \"$made/{path.rpartition('/')[0]}\"; cat >\"$made/{path}\" <<'EOF'\n{text}EOF")
            if "/bin/" in f"/{path}" or path == "DEBIAN/postinst":
                lines.append(f'chmod 755 "$made/{path}"')
        return "\n".join([*lines, f"deb={self.name}_{self.version}_all.deb"]) + _ADD


def publish(machine: Disposable, folder: str, debs: Sequence[Deb], key: str, origin: str = "bed") -> None:
    """Add packages to the repository `folder`, which is made and signed as needed; `key` is its public key's name."""
    head = f"{_KEY}\nout={folder}; key={folder}/{key}; origin='{origin}'; mkdir -p $out\n"
    machine.sh(head + "".join(deb.script() for deb in debs) + _SIGN)
