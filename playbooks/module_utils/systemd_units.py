"""Asking systemd about units, and the one rule about reloading it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


def parse_show(text: str) -> dict[str, str]:
    """Return the properties in one block of `systemctl show` output."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def show(module: AnsibleModule, name: str, properties: list[str]) -> dict[str, str]:
    """Return properties of a unit, or of the manager when `name` is empty.

    Fails the module when systemd does not answer.
    """
    command = ["systemctl", "show", f"--property={','.join(properties)}"]
    code, out, err = module.run_command([*command, "--", name] if name else command)
    if code != 0:
        module.fail_json(
            msg=f"systemd does not answer about {name or 'itself'}: {(err or out).strip()}. "
            "This role needs a machine that was booted with systemd."
        )
    return parse_show(out)


def refuse_if_reload_disturbs(module: AnsibleModule) -> None:
    """Fail the module (refused) when containers use a GPU: daemon-reload can take their devices away.

    Source: NVIDIA/nvidia-container-toolkit issues 48, 251, 1227.
    """
    if module.params["allow_disruption"]:
        return
    from ansible.module_utils.busy import gpu_containers  # only when asked: it looks at every process

    found = gpu_containers()
    if found:
        module.fail_json(
            refused=True,
            msg="systemctl daemon-reload can take the GPU away from running "
            f"containers: {'; '.join(found)}. Wait for them to finish, or repeat with --allow-disruption.",
        )


def reload_systemd(module: AnsibleModule) -> None:
    """Make systemd read its files again."""
    run(module, ["systemctl", "daemon-reload"])


def run(module: AnsibleModule, command: list[str]) -> str:
    """Run a command that must succeed and return its output; fails the module with what it printed."""
    code, out, err = module.run_command(command)
    if code != 0:
        module.fail_json(
            msg=f"`{' '.join(command)}` failed with exit code {code}: {(err or out).strip()}"
        )
    return out
