#!/usr/bin/python
"""Container images that must be here, verified at their registry and pulled by `firstlight images pull`."""

from __future__ import annotations

import json
import os
import subprocess

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: image_set
short_description: Container images that must be here
description:
  - Each image is looked for at its registry before a byte is pulled. One that is not there for this CPU, is damaged,
    does not fit the disk, the card or the driver is refused, in check mode too.
  - What is here with the registry's digest is kept.
options:
  names: {type: list, elements: str, required: true, description: "Purposes, names of the catalogue, references."}
  program: {type: path, required: true, description: The firstlight program.}
  credentials: {type: path, required: true, description: Folder with one login file per registry.}
  systemd_credentials: {type: str, default: "", description: "Folder of systemd's credentials; empty = none."}
"""

EXAMPLES = r"""
- name: Pull the image with nvcc
  image_set:
    names: [cuda]
    program: /opt/firstlight/bin/firstlight
    credentials: /etc/firstlight/registries
"""

RETURN = r"""
changes: {description: "What changed: target, before, after.", returned: success, type: list}
"""


def ask(asked, check_mode):
    """Return (rows, complaint) of `firstlight images pull`; rows is None when it could not do its work."""
    argv = [asked["program"], "images", "pull", *asked["names"], "-o", "json",
            "--credentials", asked["credentials"], *(["--dry-run"] if check_mode else [])]
    environment = dict(os.environ)
    if "FIRSTLIGHT_FAR" in environment:
        argv += ["--tell", environment["FIRSTLIGHT_FAR"]]
    if asked["systemd_credentials"]:
        environment["CREDENTIALS_DIRECTORY"] = asked["systemd_credentials"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False,
                              stdin=subprocess.DEVNULL, env=environment)
    except OSError as error:
        return None, f"{asked['program']} cannot be started: {error.strerror}"
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        return None, f"firstlight images pull ended with {done.returncode}: {done.stderr.strip()[-500:]}"
    said = [f"{one['message']}. {one['hint']}".strip() for one in answer["errors"]]
    return answer["data"], "; ".join(said)


def listed_changes(rows):
    """Return one change per image that was, or would be, pulled."""
    return [{"target": row["reference"], "before": "absent", "after": row["digest"]}
            for row in rows if row["outcome"] in ("pulled", "would be pulled")]


def complaint(rows):
    """Return what went wrong, one sentence per image; empty when nothing did."""
    return "; ".join(f"{named(row)}{'. ' + row['hint'] if row['hint'] else ''}" for row in rows if row["error"])


def named(row):
    """Return an image's error, which may or may not name it, with its name in front."""
    return row["error"] if row["error"].startswith(row["reference"]) else f"{row['reference']}: {row['error']}"


def main():
    """Ask, and in earnest pull; answer with what changed."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "program": {"type": "path", "required": True},
            "credentials": {"type": "path", "required": True},
            "systemd_credentials": {"type": "str", "default": "", "no_log": False},
        },
        supports_check_mode=True,
    )
    rows, said = ask(module.params, module.check_mode)
    if rows is None:
        module.fail_json(msg=said)
    changes, wrong = listed_changes(rows), complaint(rows)
    if wrong:
        refused = all(row["outcome"] == "refused" for row in rows if row["error"])
        module.fail_json(msg=wrong, refused=refused, changed=bool(changes), changes=changes)
    module.exit_json(changed=bool(changes), changes=changes)


if __name__ == "__main__":
    main()
