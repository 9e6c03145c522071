#!/usr/bin/python
"""A systemd slice for AI jobs, and memory kept for people's shells."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.dropins import Setting, ini_settings, overridden, read_order, text_of
from ansible.module_utils.owned_files import HEADER, differences, planned, read_all, write_all
from ansible.module_utils.systemd_units import refuse_if_reload_disturbs, reload_systemd, show

DOCUMENTATION = r"""
module: slice_unit
short_description: A systemd slice for AI jobs
description:
  - Writes the slice and, when wanted, a drop-in that keeps memory for user.slice, and reloads systemd.
  - A drop-in of somebody else that says otherwise (also one of systemctl set-property) is answered by
    zz-firstlight.conf, which is read last.
options:
  name:
    description: The slice, with its suffix.
    type: str
    required: true
  cpu_weight:
    description: CPUWeight=
    type: int
    required: true
  memory_high_bytes:
    description: MemoryHigh=; left out, not limited.
    type: int
  memory_max_bytes:
    description: MemoryMax=; left out, not limited.
    type: int
  user_memory_min:
    description: MemoryMin= of user.slice in bytes; 0 leaves it alone.
    type: int
    default: 0
  allow_disruption:
    description: Reload systemd although containers use a GPU.
    type: bool
    default: false
"""
EXAMPLES = r"""
- name: Set up the slice
  slice_unit:
    name: ai.slice
    cpu_weight: 80
    memory_max_bytes: 64424509440
"""
RETURN = r"""
changes:
  description: What was (or would be) changed, as target, before, after.
  returned: always
  type: list
"""
ROOTS = tuple(
    f"{root}/systemd/{kind}"
    for kind, roots in (
        ("system.control", ("/etc", "/run")),
        ("transient", ("/run",)),
        ("system", ("/etc", "/run", "/usr/local/lib", "/usr/lib")),
    )
    for root in roots
)
FACTOR = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


def slice_values(cpu_weight: int, high: int | None, most: int | None) -> dict[str, str]:
    """Return what the [Slice] section must say; no limit is said too, so that nothing older holds."""
    return {"CPUWeight": str(cpu_weight), "MemoryHigh": limit(high), "MemoryMax": limit(most)}


def limit(size_bytes: int | None) -> str:
    """Return a size for systemd."""
    return "infinity" if size_bytes is None else str(size_bytes)


def same_size(one: str, other: str) -> bool:
    """Return whether two values mean the same: 1G is 1073741824. Source: systemd.resource-control(5)."""
    return _number(one) == _number(other)


def _number(value: str) -> str | int:
    unit = FACTOR.get(value[-1:].upper(), 0)
    digits = value[:-1] if unit else value
    return int(digits) * (unit or 1) if digits.isdigit() else value


def unit_text(values: dict[str, str]) -> str:
    """Return the text of the slice's unit file."""
    lines = [f"{key}={value}" for key, value in values.items()]
    description = "[Unit]\nDescription=AI jobs\nBefore=slices.target\n\n"
    return HEADER + description + "\n".join(["[Slice]", *lines]) + "\n"


def dropin_text(values: dict[str, str], lost: dict[str, Setting]) -> str:
    """Return the text of a drop-in with these values; it names whom it answers."""
    notes = [f"# {item.path}:{item.line} says {item.key}={item.value}\n" for item in lost.values()]
    lines = [f"{key}={value}" for key, value in values.items()]
    return HEADER + "".join(notes) + "\n".join(["[Slice]", *lines]) + "\n"


def foreign_dropins(unit: str, ours: set[str]) -> list[Setting]:
    """Return the [Slice] settings of a unit's drop-ins except ours, in reading order. Raises OSError."""
    folders = [f"{root}/{name}.d" for name in (unit, "slice") for root in ROOTS]
    paths = [path for path in read_order(folders) if path not in ours]
    return [item for path in paths for item in ini_settings(path, text_of(path), "Slice")]


def answer(unit: str, values: dict[str, str], ours: str = "") -> dict[str, str | None]:
    """Return our last-read drop-in of a unit: its text, or None when nobody contradicts. Raises OSError."""
    last = f"/etc/systemd/system/{unit}.d/zz-firstlight.conf"
    lost = overridden(foreign_dropins(unit, {last, ours}), values, same_size)
    return {last: dropin_text({key: values[key] for key in lost}, lost) if lost else None}


def wanted_units(module: AnsibleModule) -> tuple[dict[str, dict[str, str]], dict[str, str | None]]:
    """Return the wanted properties by unit, and the wanted text of every file. Raises OSError."""
    params = module.params
    name = params["name"]
    values = slice_values(params["cpu_weight"], params["memory_high_bytes"], params["memory_max_bytes"])
    ours = "/etc/systemd/system/user.slice.d/60-firstlight.conf"
    kept = {"MemoryMin": str(params["user_memory_min"])} if params["user_memory_min"] else {}
    files: dict[str, str | None] = {f"/etc/systemd/system/{name}": unit_text(values)}
    files |= answer(name, values)
    files[ours] = dropin_text(kept, {}) if kept else None
    files |= answer("user.slice", kept, ours)
    return {name: values} | ({"user.slice": kept} if kept else {}), files


def in_force(module: AnsibleModule, units: dict[str, dict[str, str]]) -> list[str]:
    """Return what systemd holds that is not wanted, one text per property."""
    found = []
    for unit, values in units.items():
        seen = show(module, unit, [*values, "NeedDaemonReload"])
        found += [
            f"{unit} {key}={seen.get(key, '?')}"
            for key, value in values.items()
            if not same_size(seen.get(key, ""), value)
        ]
        if seen.get("NeedDaemonReload") == "yes":
            found.append(f"{unit} not read yet")
    return found


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "cpu_weight": {"type": "int", "required": True},
            "memory_high_bytes": {"type": "int"},
            "memory_max_bytes": {"type": "int"},
            "user_memory_min": {"type": "int", "default": 0},
            "allow_disruption": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    try:
        units, wanted = wanted_units(module)
    except OSError as error:
        module.fail_json(msg=f"{error.filename} cannot be read: {error.strerror}. Nothing was changed.")
    found = read_all(module, list(wanted))
    changes = planned(found, wanted)
    stale = in_force(module, units)
    if changes or stale:
        refuse_if_reload_disturbs(module)
        changes.append(
            {"target": "systemd", "before": "; ".join(stale) or "older unit files", "after": "in force"}
        )
    if changes and not module.check_mode:
        write_all(module, found, wanted)
        reload_systemd(module)
        stale = in_force(module, units)
        if stale:
            module.fail_json(
                msg=f"systemd holds {'; '.join(stale)} after a reload; "
                f"`systemctl cat {module.params['name']}` shows which file says so."
            )
    module.exit_json(changed=bool(changes), changes=changes, diff=differences(found, wanted))


if __name__ == "__main__":
    main()
