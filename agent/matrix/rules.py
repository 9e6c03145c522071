"""The rules: pure functions from rows to a verdict. A missing row makes `unknown`, never yes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.matrix.verdicts import Verdict, no, unknown, yes
from agent.matrix.version import at_least, order, parts, short

if TYPE_CHECKING:
    from agent.matrix.rows import Driver, System
    from agent.matrix.subject import Subject
    from agent.matrix.tables import Matrix


@dataclass(frozen=True, slots=True)
class DriverChoice:
    """A driver branch, or one version of it. `row` is None for a branch no row describes."""

    branch: int
    row: Driver | None = None
    exact: str = ""

    @property
    def newest(self) -> str:
        """The version meant, else the newest known of the branch, else the bare branch."""
        if self.exact or self.row is None:
            return self.exact or str(self.branch)
        return self.row.latest or self.row.first or str(self.branch)

    @property
    def rows(self) -> tuple[str, ...]:
        """The row it is known by."""
        return (self.row.id,) if self.row else ()

    @property
    def words(self) -> str:
        """How it is called in a sentence."""
        return f"driver {self.exact}" if self.exact else f"driver branch {self.branch}"


@dataclass(frozen=True, slots=True)
class Need:
    """What something asks of the driver: a version, or newer."""

    why: str
    minimum: str
    rows: tuple[str, ...]


def card_beside(card: Subject, architecture: str) -> Verdict | None:
    """Return a no when the card comes only with another CPU; None when it goes beside this one."""
    if not card.architectures or architecture in card.architectures:
        return None
    with_cpu = " or ".join(card.architectures)
    return no(f"{card.name} is built together with its CPU, {with_cpu}; asked is {architecture}", *card.rows)


def driver_known(choice: DriverChoice) -> Verdict:
    """Say whether a row describes the branch."""
    if choice.row is None:
        return unknown(f"no row describes driver branch {choice.branch}")
    return yes(f"driver branch {choice.branch} is known", choice.row.id)


def driver_meets(choice: DriverChoice, need: Need) -> Verdict:
    """Say whether the driver is new enough for a need."""
    rows = (*need.rows, *choice.rows)
    wanted = f"{need.why} needs driver {need.minimum} or newer"
    least = parts(need.minimum)[0]
    if choice.branch != least or choice.exact:
        if at_least(choice.exact or str(choice.branch), need.minimum):
            return yes(wanted, *rows)
        return no(wanted, *need.rows)
    if choice.row and at_least(choice.newest, need.minimum):
        return yes(wanted, *rows)
    return unknown(f"{wanted}, and no row says that branch {choice.branch} has such a release", *rows)


def driver_drives(choice: DriverChoice, card: Subject, matrix: Matrix) -> Verdict:
    """Say whether the driver supports the card: not too old, and not after its generation was dropped."""
    generation = matrix.find_architecture(card.capability)
    if generation is None:
        return unknown(
            f"no row says which drivers support compute capability {card.capability or '(not known)'}"
        )
    rows = (*card.rows, generation.id)
    if generation.driver_last and choice.branch > generation.driver_last:
        return no(f"branch {generation.driver_last} is the last for {generation.name} ({card.name})", generation.id)
    if not card.driver_sure:
        return unknown(f"no row says the first driver for compute capability {card.capability}", generation.id)
    sure = driver_meets(choice, Need(card.name, card.driver_sure, rows))
    if sure.fits or not driver_meets(choice, Need(card.name, card.driver_maybe, rows)).fits:
        return sure
    return unknown(
        f"the sources give {card.driver_maybe} to {card.driver_sure} as the first for {card.name}", *rows
    )


def driver_on_system(choice: DriverChoice, system: System) -> Verdict:
    """Say whether the system's vendor allows the branch."""
    if system.driver_branches and choice.branch not in system.driver_branches:
        only = ", ".join(map(str, system.driver_branches))
        return no(
            f"{system.system} is managed by its vendor and supports branch {only}, not {choice.branch}",
            system.id,
        )
    return yes(f"{system.system} takes the branch", system.id)


def driver_builds(choice: DriverChoice, kernel: str, matrix: Matrix | None = None) -> Verdict | None:
    """Return a no when the module is known not to build for the kernel; None when no row says so (not a yes).

    With a matrix a branch older than one that is broken for good is unknown, unless its own row speaks of such
    a kernel.
    """
    own = [broken for broken in (choice.row.kernels_broken if choice.row else ()) if at_least(kernel, broken.kernel)]
    for broken in own:
        if not (broken.fixed and at_least(choice.newest, broken.fixed)):
            mended = f" before {broken.fixed}" if broken.fixed else ""
            says = f"the module of {choice.words}{mended} does not build for kernel {broken.kernel} and newer"
            return no(says, *choice.rows)
    spoken = max((order(broken.kernel) for broken in own), default=())
    for row in matrix.drivers if matrix else ():
        lost = (broken.kernel for broken in row.kernels_broken if not broken.fixed and at_least(kernel, broken.kernel))
        if row.branch > choice.branch and any(order(broken) > spoken for broken in lost):
            says = f"no row says that {choice.words} builds for kernel {kernel}"
            return unknown(f"{says}, and the newer branch {row.branch} does not", row.id, *choice.rows)
    return None


def code_possible(cuda: str, card: Subject, matrix: Matrix) -> Verdict:
    """Say whether a build with this CUDA can have code for the card at all (its family exists, not yet dropped)."""
    generation = matrix.find_architecture(card.capability)
    if generation is None:
        return unknown(f"no row says which CUDA knows compute capability {card.capability or '(not known)'}")
    last = generation.cuda_last_major
    if last and parts(cuda)[0] > last:
        says = f"CUDA {last} is the last for {generation.name} ({card.capability})"
        return no(f"{says}, this is CUDA {parts(cuda)[0]}", generation.id)
    family = [
        row
        for row in matrix.table("architectures")
        if row.cuda_first and parts(row.capabilities[0])[0] == parts(card.capability)[0]
    ]
    if not family:
        return unknown(f"no row says the first CUDA for {card.capability}", generation.id)
    oldest = min(family, key=lambda row: order(row.cuda_first))
    if not at_least(cuda, oldest.cuda_first):
        says = f"CUDA {oldest.cuda_first} is the first with code for {generation.name} ({card.capability})"
        return no(f"{says}, this is CUDA {short(cuda)}", oldest.id)
    return yes(f"CUDA {cuda} can have code for {card.capability}", generation.id, oldest.id)


def toolkit_targets(version: str, card: Subject, matrix: Matrix) -> Verdict:
    """Say whether nvcc of a toolkit release compiles for the card."""
    possible = code_possible(version, card, matrix)
    generation = matrix.find_architecture(card.capability)
    if not possible.fits or generation is None:
        return possible
    if generation.cuda_first and not at_least(version, generation.cuda_first):
        says = f"CUDA {generation.cuda_first} is the first that compiles for {card.capability}"
        return no(f"{says}, this is {short(version)}", generation.id)
    toolkit = next((row for row in matrix.table("cuda") if order(row.version) == order(version)), None)
    if toolkit is None or not toolkit.capability_min:
        return unknown(
            f"no row says which cards CUDA {version} compiles for", *((toolkit.id,) if toolkit else ())
        )
    if at_least(card.capability, toolkit.capability_min) and at_least(
        toolkit.capability_max, card.capability
    ):
        return yes(f"CUDA {toolkit.version} compiles for {card.capability}", toolkit.id, generation.id)
    spans = f"{toolkit.capability_min} to {toolkit.capability_max}"
    return no(f"CUDA {toolkit.version} compiles for {spans}, the card is {card.capability}", toolkit.id)


def cuda_need(cuda: str, why: str, matrix: Matrix) -> Need | Verdict:
    """Return what a CUDA release asks of the driver; an unknown verdict when no row says."""
    floor = matrix.find_floor(parts(cuda)[0])
    if floor is None:
        return unknown(f"no row says which driver CUDA {parts(cuda)[0]} needs")
    return Need(why, floor.driver, (floor.id,))
