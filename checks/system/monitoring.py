"""Prometheus, Alertmanager and node_exporter run, with our settings and rules, where the profile says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.systemd import Properties, observe_units
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy
from agent.resources import playbooks

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.profile import Monitoring, ResolvedProfile

OURS = "/etc/prometheus/firstlight"


@dataclass(frozen=True, slots=True)
class Seen:
    """Units and command lines by service; rule files that are not as shipped; prometheus.yml (None: there is none)."""

    units: dict[str, Properties]
    commands: dict[str, tuple[str, ...]]
    strange_rules: tuple[str, ...] = ()
    settings: str | None = None


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
    """Ask systemd, read the command line of what runs, and compare the rules with those shipped."""
    part = profile.profile.system.monitoring
    names = tuple(wanted_arguments(part))
    if not part.enabled or not names:
        return None
    found = observe_units(machine, [f"{name}.service" for name in names])
    units = {name: found[f"{name}.service"] for name in names}
    commands = {name: _command(machine, unit) for name, unit in units.items()}
    if not part.prometheus:
        return Seen(units, commands)
    return Seen(units, commands, _strange_rules(machine), _text(machine, f"{OURS}/prometheus.yml"))


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


def _strange_rules(machine: Machine) -> tuple[str, ...]:
    shipped = sorted((playbooks() / "roles" / "monitoring" / "files" / "rules").glob("*.yml"))
    return tuple(f"{OURS}/rules/{rules.name}" for rules in shipped
                 if (_text(machine, f"{OURS}/rules/{rules.name}") or "").split() != rules.read_text("utf-8").split())


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """One finding per service, and one for Prometheus' rules and targets."""
    part = profile.profile.system.monitoring
    if seen is None:
        return [not_applicable("The profile does not ask for monitoring.")]
    outcomes = [judge_service(name, seen, wanted) for name, wanted in wanted_arguments(part).items()]
    return [*outcomes, judge_files(seen, part)] if part.prometheus else outcomes


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
    if not command:
        return unknown(f"{name} ended or started again while it was looked at.", subject=name)
    missing = [argument for argument in wanted if argument not in command]
    if missing:
        return failed(f"{name} was started without {' '.join(missing)}.", subject=name, seen=" ".join(command).strip(),
                      expected=" ".join(wanted), evidence=evidence)
    return passed(f"{name} runs, at boot too, and listens where the profile says.", subject=name, seen=state,
                  evidence=evidence)


def judge_files(seen: Seen, part: Monitoring) -> Outcome:
    """Our rules are whole, and every target of the profile is scraped."""
    targets = [*part.targets, *part.node_targets]
    lost = [target for target in targets if f'"{target}"' not in (seen.settings or "")]
    wrong = [*seen.strange_rules, *([f"{OURS}/prometheus.yml"] if lost else [])]
    if wrong:
        without = f"; it does not scrape {', '.join(lost)}" if lost else ""
        return failed(f"Not as Firstlight wrote it: {', '.join(wrong)}{without}.", subject="settings",
                      seen=", ".join(wrong), expected="the shipped rules, and every target of the profile")
    return passed("Prometheus has Firstlight's rules and scrapes every target of the profile.", subject="settings")


CHECK = Check(
    title="Monitoring",
    why="An alert that nobody evaluates any more is silent, and silence looks like health.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="monitoring"),
)
