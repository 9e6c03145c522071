"""Nothing leads programs to the wrong CUDA library."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.cuda import resolve_link
from agent.machine.driver import find_library
from agent.machine.linker import library_paths, observe_linker_folders, observe_login_files
from agent.machine.pci import observe_gpus
from agent.model.finding import Evidence, Remedy
from checks.cuda import NO_GPU

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

DRIVER_LIBRARY = "libcuda.so.1"


class Seen(NamedTuple):
    """(file, folder) of the linker, (file, value) of LD_LIBRARY_PATH; `drivers`: the libcuda.so.1 of each version."""

    there: bool
    folders: tuple[tuple[str, str], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    drivers: tuple[str, ...] = ()


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read the linker's configuration and what every login reads."""
    if not observe_gpus(machine):
        return Seen(there=False)
    folders = observe_linker_folders(machine)
    driver = find_library(machine).rpartition("/")[0]
    places = dict.fromkeys((*(folder for _, folder in folders), *((driver,) if driver else ())))
    found = (resolve_link(machine, f"{folder}/{DRIVER_LIBRARY}") for folder in places)
    # By name: /lib and /usr/lib are one folder, and the 32-bit library beside it is of the same version.
    by_name = {path.rpartition("/")[2]: path for path in found if path}
    return Seen(True, folders, library_paths(observe_login_files(machine)), tuple(by_name.values()))


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Stubs and a second driver library fail; a variable for everybody warns."""
    if not seen.there:
        return [not_applicable(NO_GPU)]
    outcomes = []
    stubs = [(path, value) for path, value in (*seen.folders, *seen.variables) if "/stubs" in value]
    for path, value in stubs:
        outcomes.append(failed(f"{path} leads to the stubs of CUDA ({value}): libcuda there is empty, and programs "
                               "find no device.", subject=path, seen=value, expected="no stubs",
                               evidence=[Evidence(path, (value,))], remedy=Remedy(steps=(
                                   f"Remove that folder from {path}.", "As root: ldconfig"))))
    if len(seen.drivers) > 1:
        outcomes.append(failed(f"The linker finds {len(seen.drivers)} driver libraries: {', '.join(seen.drivers)}.",
                               subject=DRIVER_LIBRARY, seen=str(len(seen.drivers)), expected="the driver's own",
                               evidence=[Evidence("/etc/ld.so.conf.d", seen.drivers)], remedy=Remedy(steps=(
                                   "Take the folder of cuda-compat out of /etc/ld.so.conf.d.", "As root: ldconfig"))))
    outcomes += [warned(f"{path} sets LD_LIBRARY_PATH for every login ({value}): it goes before the libraries that "
                        "frameworks bring.", subject=path, seen=value, expected="not set",
                        evidence=[Evidence(path, (value,))])
                 for path, value in seen.variables if (path, value) not in stubs]
    return outcomes or [passed("No folder and no variable leads to a wrong CUDA library.",
                               evidence=[Evidence("/etc/ld.so.conf.d", tuple(value for _, value in seen.folders))])]


CHECK = Check(
    title="Library path",
    why="A LD_LIBRARY_PATH for everybody, or stubs on the linker's path, makes programs load another CUDA than the one "
        "they were built with.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Remove the line; who needs it sets it for one program: LD_LIBRARY_PATH=… program",)),
)
