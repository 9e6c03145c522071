"""The module is signed with a key that this machine's Secure Boot trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown
from agent.machine.secure_boot import KEYS, UNASKED, Trust, observe_trust
from agent.model.finding import Evidence, Remedy
from checks.driver import Site, observe_site, proven_signer, with_signatures, without_driver

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.machine.driver import DriverModule, DriverState
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """The modules on disk and what the kernel asks of their signature."""

    site: Site
    trust: Trust = UNASKED


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read the modules' signers, the SecureBoot variable and the kernel's keys."""
    site = observe_site(machine)
    if site.driver is None:
        return Seen(site)
    trust = observe_trust(machine)
    return Seen(site._replace(driver=with_signatures(machine, site.driver, trust)), trust)


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """A module that runs is proof for its signer; another one needs an enrolled key."""
    gone = without_driver(seen.site)
    driver = seen.site.driver
    if gone or driver is None:
        return gone
    if seen.trust.enforced is False:
        return [not_applicable("Secure Boot is off: modules need no signature.")]
    if seen.trust.enforced is None:
        return [unknown(f"Whether Secure Boot is on cannot be told: {seen.trust.why}.")]
    modules = {module.kernel: module for module in (driver.running, driver.next) if module}
    if not modules:
        return [unknown("There is no driver module to look at. See driver.module.")]
    return [_judge_module(module, driver, seen.trust) for module in modules.values()]


def _judge_module(module: DriverModule, driver: DriverState, trust: Trust) -> Outcome:
    evidence = [Evidence(f"modinfo {module.path}", (f"signer: {module.signer or 'none'}",)),
                Evidence(KEYS, trust.keys or ())]
    if module.signer != "" and module.signer in proven_signer(driver):
        by = f"is signed by “{module.signer}”, which" if module.signer else "runs, so it is signed by a key that"
        return passed(f"The module for kernel {module.kernel} {by} the kernel accepts.", subject=module.kernel,
                      seen=module.signer or "accepted", evidence=evidence)
    refused = trust.refuses(module.signer)
    if refused:
        return failed(f"The module for kernel {module.kernel} does not load: {refused}.", subject=module.kernel,
                      seen=module.signer or "not signed", expected="an enrolled key", evidence=evidence)
    if trust.keys is None or module.signer is None:
        why = trust.why or "modinfo is not there"
        return unknown(f"Whether the key “{module.signer or 'of the module'}” is enrolled cannot be told: {why}.",
                       subject=module.kernel, evidence=evidence)
    return passed(f"The module for kernel {module.kernel} is signed by “{module.signer}”, whose key is enrolled.",
                  subject=module.kernel, seen=module.signer, evidence=evidence)


CHECK = Check(
    title="Driver signature",
    why="With Secure Boot on, a module without an enrolled key is refused (“Key was rejected by service”), and "
        "enrolling one takes a person at the console.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Stage the key: mokutil --import /var/lib/shim-signed/mok/MOK.der (Debian: "
                         "/var/lib/dkms/mok.pub).", "Reboot and type its password at the console within 10 seconds.",
                         "Or use the distribution's signed modules, which need no key of yours.")),
)
