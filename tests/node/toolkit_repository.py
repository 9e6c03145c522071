"""A signed apt repository of stand-ins for the four packages of the NVIDIA Container Toolkit, in a folder."""

from __future__ import annotations

from tests.node.disposable import Disposable

FOLDER = "/srv/toolkit"

_BUILD = r"""
export GNUPGHOME=/root/toolkit-key
if [ ! -d $GNUPGHOME ]; then
  apt-get update -qq >/dev/null; apt-get install -qq -y --no-install-recommends gpg gpg-agent >/dev/null 2>&1
  mkdir -m 700 $GNUPGHOME
  gpg --batch --quiet --passphrase '' --quick-generate-key 'bed <bed@localhost>' rsa2048 sign never 2>/dev/null
fi
arch=$(dpkg --print-architecture); out=%(folder)s/$arch; mkdir -p $out
gpg --batch --armor --export >%(folder)s/gpgkey
for name in libnvidia-container1 libnvidia-container-tools nvidia-container-toolkit-base nvidia-container-toolkit; do
  made=$(mktemp -d); chmod 755 $made; mkdir -p $made/DEBIAN $made/usr/bin $made/usr/share/doc/$name
  { printf 'Package: %%s\nVersion: %(version)s\nArchitecture: %%s\n' $name $arch
    printf 'Maintainer: bed <bed@localhost>\nDescription: stand-in\n'; } >$made/DEBIAN/control
  echo stand-in >$made/usr/share/doc/$name/README
  if [ $name = nvidia-container-toolkit-base ]; then
    printf '#!/bin/sh\nexec runc "$@"\n' >$made/usr/bin/nvidia-container-runtime
    chmod 755 $made/usr/bin/nvidia-container-runtime
  fi
  deb=${name}_%(version)s_$arch.deb
  dpkg-deb --build $made $out/$deb >/dev/null
  { cat $made/DEBIAN/control; printf 'Filename: ./%%s\nSize: %%s\nSHA256: %%s\n\n' $deb $(stat -c %%s $out/$deb) \
    $(sha256sum <$out/$deb | cut -d' ' -f1); } >>$out/Packages
  rm -r $made
done
cd $out
sum=$(sha256sum <Packages | cut -d' ' -f1)
printf 'Origin: bed\nSHA256:\n %%s %%s Packages\n' $sum $(stat -c %%s Packages) >Release
gpg --batch --yes --quiet --clearsign -o InRelease Release
"""


def publish(machine: Disposable, version: str) -> None:
    """Add one version of the four packages to the repository, which is made and signed as needed."""
    machine.sh(_BUILD % {"folder": FOLDER, "version": version})
