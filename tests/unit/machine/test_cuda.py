from __future__ import annotations

import pytest

from agent.machine.cuda import find_gcc, observe_cudnn, observe_toolkits, resolve_link
from agent.machine.environments import find_environments, observe_environment
from agent.matrix.builds import judge_torch
from agent.matrix.verdicts import Answer
from agent.model.errors import Missing, Unobservable
from tests.checks.cuda.machines import STATUS, cuda, package, toolkit, torch
from tests.fixtures import FakeMachine, link

ADA, GB10 = ("2684", "NVIDIA GeForce RTX 4090"), ("2e12", "NVIDIA GB10")


def test_links_are_followed_to_their_end_and_loops_end() -> None:
    machine = FakeMachine({"/a": link("/b"), "/b": link("c"), "/c": "", "/loop": link("/loop"), "/gone": link("/x")})
    assert resolve_link(machine, "/a") == "/c"
    assert resolve_link(machine, "/loop") == resolve_link(machine, "/gone") == resolve_link(machine, "/none") == ""


def test_toolkits_are_found_with_their_versions_and_the_chosen_one() -> None:
    seen = observe_toolkits(cuda({**toolkit("12.8.1"), "/usr/local/cuda-12": link("/usr/local/cuda-12.8"),
                                  "/usr/local/cuda-11.8/bin/nvcc": "", "/usr/local/cuda-9.9/share/doc": ""}))
    assert [(each.path, each.version) for each in seen.found] == [
        ("/usr/local/cuda-11.8", "11.8"), ("/usr/local/cuda-12.8", "12.8.1"), ("/usr/local/cuda-13.0", "13.0.2")]
    assert seen.chosen is not None and seen.chosen.version == "13.0.2"
    assert seen.link == "/etc/alternatives/cuda"


def test_the_distributions_toolkit_needs_no_link() -> None:
    machine = FakeMachine({STATUS: package("nvidia-cuda-toolkit", "12.4.131~12.4.1-2"), "/usr/bin/nvcc": ""})
    used = observe_toolkits(machine).in_use
    assert used is not None and (used.path, used.version, used.nvcc) == ("/usr", "12.4.131", True)
    assert observe_toolkits(FakeMachine()).in_use is None


def test_cudnn_is_told_by_header_library_and_package() -> None:
    seen = observe_cudnn(cuda())
    assert seen.header == "9.17.0"
    assert [version for _, version in seen.libraries] == ["9.17.0"]
    assert seen.packages == (("libcudnn9-cuda-13", "9.17.0.21"),)
    assert observe_cudnn(FakeMachine()).libraries == ()


def test_gcc_is_known_by_its_link() -> None:
    debian = {"/usr/bin/gcc": link("gcc-12"), "/usr/bin/gcc-12": link("x86_64-linux-gnu-gcc-12"),
              "/usr/bin/x86_64-linux-gnu-gcc-12": ""}
    assert find_gcc(FakeMachine(debian)) == 12
    assert find_gcc(FakeMachine()) is None


def test_environments_are_found_in_the_usual_places_only() -> None:
    places = ("/opt/a", "/home/ada/.venv", "/home/ada/models/venv", "/home/ada/miniforge3/envs/x", "/root/v")
    files = {f"{place}/pyvenv.cfg": "" for place in (*places, "/home/ada/deep/er/than/venv", "/var/lib/x")}
    assert sorted(find_environments(FakeMachine(files))) == sorted(places)
    closed = FakeMachine(files, errors={"/home/ada": Unobservable("denied"), "/opt": Unobservable("denied")})
    assert find_environments(closed) == ("/root/v",)


def test_an_environment_is_read_without_importing() -> None:
    machine = FakeMachine(torch("/opt/a", "2.9.0+cu128", "12.8", vllm="0.12.0", pinned="2.9.0"))
    seen = observe_environment(machine, "/opt/a")
    assert seen.torch is not None
    assert (seen.torch.version, seen.torch.cuda, seen.torch.hip) == ("2.9.0+cu128", "12.8", "")
    assert (seen.python, seen.packages["vllm"], seen.vllm_torch) == ("3.12", "0.12.0", "2.9.0")
    with pytest.raises(Missing, match="no Python environment"):
        observe_environment(FakeMachine({"/opt/b/lib/x": ""}), "/opt/b")


@pytest.mark.parametrize(("version", "cuda_version", "architecture", "driver", "card", "answer"), [
    ("2.9.0+cu128", "12.8", "x86_64", "580.95.05", ADA, Answer.YES),
    ("2.9.0+cu130", "13.0", "x86_64", "550.163.01", ADA, Answer.NO),
    ("2.9.0+cu130", "13.0", "aarch64", "580.95.05", GB10, Answer.YES),
    ("2.4.1+cu121", "12.1", "x86_64", "580.95.05", GB10, Answer.NO),
    ("9.9.9+cu130", "13.0", "x86_64", "580.95.05", ADA, Answer.UNKNOWN),
    ("2.9.0+cu128", "12.8", "x86_64", "", ADA, Answer.UNKNOWN),
    ("2.9.0+cu128", "12.8", "x86_64", "580.95.05", ("ffff", "something"), Answer.UNKNOWN),
])
def test_an_installed_torch_is_judged_by_the_rows(
    version: str, cuda_version: str, architecture: str, driver: str, card: tuple[str, str], answer: Answer
) -> None:
    answers = {verdict.answer for verdict in judge_torch(version, cuda_version, architecture, driver, (card,))}
    worst = next(each for each in (Answer.NO, Answer.UNKNOWN, Answer.YES) if each in answers)
    assert worst is answer
