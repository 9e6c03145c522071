"""Prometheus, Alertmanager and node_exporter run, with our settings and rules, where the profile says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.systemd import Properties, observe_units
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy
from agent.resources import playbooks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from agent.machine.api import Machine
    from agent.model.profile import Monitoring
    from agent.model.resolved import ResolvedProfile

OURS, UNITS, GRAFANA = "/etc/prometheus/firstlight", "/etc/systemd/system", "/etc/grafana"
CONFIG = f"{OURS}/prometheus.yml"
SOURCE = f"{GRAFANA}/provisioning/datasources/firstlight.yml"
PROVIDER = f"{GRAFANA}/provisioning/dashboards/firstlight.yml"
DCGM = "firstlight-dcgm-exporter"


class Seen(NamedTuple):
    """Units and command lines by service; the role's files (None: absent) and what the shipped ones must say."""

    units: dict[str, Properties]
    commands: dict[str, tuple[str, ...]]
    texts: dict[str, str | None]
    shipped: dict[str, str]


def wanted_arguments(part: Monitoring) -> dict[str, tuple[str, ...]]:
    """Return the arguments each service of the profile must have been started with."""
    wanted: dict[str, tuple[str, ...]] = {}
    if part.prometheus:
        wanted["prometheus"] = (f"--config.file={OURS}/prometheus.yml",
                                f"--web.listen-address={part.prometheus_listen}")
        wanted["prometheus-alertmanager"] = (f"--web.listen-address={part.alertmanager_listen}",)
    if part.node_exporter:
        wanted["prometheus-node-exporter"] = (f"--web.listen-address={part.node_exporter_listen}",)
    return wanted


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Ask systemd, read the command line of what runs, and the role's files."""
    part = profile.profile.system.monitoring
    wanted = wanted_arguments(part)
    if not part.enabled:
        return None
    shipped = shipped_files(part)
    paths = (*shipped, *([CONFIG] if part.prometheus else []), *([SOURCE, PROVIDER] if part.grafana else []),
             *(path for name in wanted for path in (settings_of(name), dropin_of(name))))
    texts = {path: _text(machine, path) for path in paths}
    unit_of_dcgm = _text(machine, f"{UNITS}/{DCGM}.service") if part.dcgm and part.dcgm_image else None
    if unit_of_dcgm is not None:  # absent where DCGM has nothing for the card
        texts[f"{UNITS}/{DCGM}.service"] = unit_of_dcgm
    names = [*wanted, *([DCGM] if unit_of_dcgm is not None else [])]
    found = observe_units(machine, [f"{name}.service" for name in names]) if names else {}
    units = {name: found[f"{name}.service"] for name in names}
    return Seen(units, {name: _command(machine, units[name]) for name in names}, texts, shipped)


def shipped_files(part: Monitoring) -> dict[str, str]:
    """Return the texts that are the same on every machine, by where they stand."""
    source = playbooks() / "roles/monitoring/files"
    found: dict[str, Path] = {}
    for wanted, place, name, kind in ((part.prometheus, f"{OURS}/rules", "rules", ".yml"),
                                      (part.grafana, f"{GRAFANA}/firstlight", "dashboards", ".json")):
        if wanted:
            found |= {f"{place}/{path.name}": path for path in sorted((source / name).iterdir()) if path.suffix == kind}
    return {place: path.read_text(encoding="utf-8") for place, path in found.items()}


def settings_of(name: str) -> str:
    """Return the file with a service's arguments."""
    return f"{OURS}/{name}.env"


def dropin_of(name: str) -> str:
    """Return the drop-in that points a service at them."""
    return f"{UNITS}/{name}.service.d/60-firstlight.conf"


def _command(machine: Machine, unit: Properties) -> tuple[str, ...]:
    process = unit.get("MainPID", "0")
    if process in {"", "0"}:
        return ()
    try:
        return tuple(machine.read(f"/proc/{process}/cmdline").split("\0"))
    except Missing:  # it ended between the two looks
        return ()


def _text(machine: Machine, path: str) -> str | None:
    try:
        return machine.read(path)
    except Missing:
        return None


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """One finding per service, and one for all files of the role."""
    part = profile.profile.system.monitoring
    if seen is None:
        return [not_applicable("The profile does not ask for monitoring.")]
    wanted = wanted_arguments(part)
    outcomes = [judge_service(name, seen, wanted.get(name, ())) for name in seen.units]
    return [*outcomes, judge_files(seen, part)] if seen.texts else outcomes


def judge_service(name: str, seen: Seen, wanted: tuple[str, ...]) -> Outcome:
    """Running, at boot too, and started with our arguments."""
    unit, command = seen.units[name], seen.commands[name]
    state = ", ".join(filter(None, (unit.get("ActiveState", ""), unit.get("UnitFileState") or unit.get("LoadState"))))
    evidence = [Evidence(f"systemctl show {name}.service", (state,))]
    if unit.get("LoadState") == "not-found":
        return failed(f"{name} is not installed.", subject=name, seen="not found", expected="active, enabled",
                      evidence=evidence)
    if unit.get("ActiveState") != "active" or unit.get("UnitFileState") != "enabled":
        return failed(f"{name} is {state}.", subject=name, seen=state, expected="active, enabled",
                      evidence=[*evidence, Evidence(f"journalctl -u {name} -n 50")])
    if unit.get("NeedDaemonReload") == "yes":
        return failed(f"{name}.service was changed after systemd read it.", subject=name, seen="changed",
                      expected="read", evidence=evidence)
    if not command:
        return unknown(f"{name} ended or started again while it was looked at.", subject=name)
    missing = [argument for argument in wanted if argument not in command]
    if missing:
        return failed(f"{name} was started without {' '.join(missing)}.", subject=name, seen=" ".join(command).strip(),
                      expected=" ".join(wanted), evidence=evidence)
    return passed(f"{name} runs, at boot too, and listens where the profile says.", subject=name, seen=state,
                  evidence=evidence)


def judge_files(seen: Seen, part: Monitoring) -> Outcome:
    """Everything the role writes is there and says what the profile says."""
    wrong = [f"{path} {says}" for path, says in _faults(seen, part)]
    if wrong:
        return failed(f"Not as Firstlight wrote it: {'; '.join(wrong)}.", subject="settings", seen="; ".join(wrong),
                      expected="the shipped rules, and every address of the profile",
                      evidence=[Evidence(each.partition(" ")[0]) for each in wrong])
    return passed(f"All {len(seen.texts)} files of the role are as the profile says.", subject="settings",
                  evidence=[Evidence(path) for path in seen.texts])


def _faults(seen: Seen, part: Monitoring) -> Iterator[tuple[str, str]]:
    """Yield path and what is wrong with it."""
    for path, text in seen.texts.items():
        if text is None:
            yield path, "is not there"
    there = {path: text for path, text in seen.texts.items() if text is not None}
    for path, text in seen.shipped.items():
        if path in there and there[path].strip() != text.strip():
            yield path, "is not as it was shipped"
    for name, arguments in wanted_arguments(part).items():
        said = there.get(settings_of(name), " ".join(arguments)).replace('"', " ").split()
        if missing := [argument for argument in arguments if argument not in said]:
            yield settings_of(name), f"lacks {' '.join(missing)}"
        naming = f"EnvironmentFile={settings_of(name)}"
        if naming not in there.get(dropin_of(name), naming).splitlines():
            yield dropin_of(name), f"does not name {settings_of(name)}"
    if CONFIG in there:
        yield from ((CONFIG, says) for says in _config_faults(there[CONFIG], part))
    for path, word in ((SOURCE, f"http://{part.prometheus_listen}"), (PROVIDER, f"{GRAFANA}/firstlight"),
                       (f"{UNITS}/{DCGM}.service", part.dcgm_image)):
        if word not in there.get(path, word):
            yield path, f"does not name {word}"


def _config_faults(text: str, part: Monitoring) -> Iterator[str]:
    """Yield what Prometheus' settings say otherwise than the profile; a job of dcgm-exporter is the card's matter."""
    import yaml

    try:
        config: Any = yaml.safe_load(text)
        jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in config["scrape_configs"]}
        told = config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
        rules = config["rule_files"]
    except (yaml.YAMLError, KeyError, IndexError, TypeError):
        yield "is not what the role wrote"
        return
    wanted = {"firstlight": part.targets, "node": part.node_targets, "prometheus": [part.prometheus_listen]}
    for name, targets in wanted.items():
        if jobs.get(name, []) != targets:
            yield f"does not scrape {', '.join(targets)} as {name}"
    if told != [part.alertmanager_listen]:
        yield f"does not tell alerts to {part.alertmanager_listen}"
    if rules != [f"{OURS}/rules/*.yml"]:
        yield "does not read our rules"


CHECK = Check(
    title="Monitoring",
    why="An alert that nobody evaluates any more is silent, and silence looks like health.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="monitoring"),
)
