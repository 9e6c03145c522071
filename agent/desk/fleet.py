"""A fleet named by one word: a folder of collected reports is read, an Ansible inventory is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agent.drift.areas import OWN
from agent.fleet.answers import Reach, shaped
from agent.fleet.look import FleetLook, look_at_answers, look_at_reports

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.fleet.answers import Answer

WORDS = ("drift", "--facts", "-o", "json")
KEYS = ("head", "drifts", "unseen", "facts")


def look_at(source: str, on_answer: Callable[[str, int, int], None]) -> FleetLook:
    """Return how the machines compare; `on_answer` hears name, how many answered, of how many. Raises FirstlightError.

    A folder with JSON files holds reports; anything else is an inventory.
    """
    path = Path(source).expanduser()
    if path.is_dir() and any(path.glob("*.json")):
        return look_at_reports(str(path), OWN)
    from agent.fleet.runner import Fleet, ask, load_hosts

    inventory = source if source.endswith(",") else str(path.absolute())
    hosts = load_hosts(inventory)
    done: list[str] = []

    def tell(answer: Answer) -> None:
        done.append(answer.host)
        on_answer(f"{answer.host} {answer.problem if answer.reach is not Reach.ANSWERED else 'answered'}",
                  len(done), len(hosts))

    answers = ask(Fleet(inventory, hosts), WORDS, on_answer=tell)
    return look_at_answers({host: shaped(answer, *KEYS) for host, answer in answers.items()}, OWN)
