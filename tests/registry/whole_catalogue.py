"""The shipped catalogue with every image in a local registry."""

from __future__ import annotations

from pathlib import Path

import yaml

from agent.images.reference import parse_reference
from agent.resources import images
from tests.registry.server import RegistryServer


def shelved_catalogue(registry: RegistryServer, file: Path) -> Path:
    """Push an image for each entry, for the architectures it says, and write the catalogue that names them."""
    text = yaml.safe_load((images() / "catalogue.yaml").read_text())
    for entry in text["images"]:
        old = parse_reference(entry["reference"])
        name = f"catalogue/{old.repository}"
        made = {word: registry.push_image(name, f"{old.tag}-{word}", word)
                for word in entry.get("architectures", ["amd64"])}
        registry.push_index(name, old.tag, made)
        entry["reference"] = f"{registry.host}/{name}:{old.tag}"
        entry.pop("build", None)
    file.write_text(yaml.safe_dump(text, sort_keys=False))
    return file
