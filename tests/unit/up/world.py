"""A world for the state machine: it remembers what was done, and can lose its power before any step."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.model.plan import Outcome, Refusal, Run
from agent.up.state import FirstBoot, Stage


class PowerCut(BaseException):
    """The machine goes off."""


def first_boot(**values: object) -> FirstBoot:
    """Return a first boot at its beginning."""
    plain = FirstBoot("1-up", Stage.PLAN, None, "abc", 1.0, "boot-1", allow_reboot=True)
    return FirstBoot(**{name: getattr(plain, name) for name in plain.__slots__} | values)  # type: ignore[arg-type]


def run(outcome: Outcome = Outcome.DONE, **values: object) -> Run:
    """Return a finished apply."""
    return Run("1", "apply", "test", (), outcome, 1.0, 2.0, (), **values)  # type: ignore[arg-type]


@dataclass
class World:
    """What survives a power cut: the saved state, the boot, what was applied. Deeds are methods."""

    saved: FirstBoot = field(default_factory=first_boot)
    boot: int = 1
    unattended: bool = True
    allowed: bool = True
    applies: list[Run] = field(default_factory=lambda: [run(reboot_required=True), run()])
    blocks: tuple[str, ...] = ()
    done: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    shown: list[tuple[str, ...]] = field(default_factory=list)
    cut_before: int = -1
    steps: int = 0

    def step(self, name: str) -> None:
        """Count a step, and lose power before it when that was arranged."""
        self.steps += 1
        if self.steps == self.cut_before:
            self.boot += 1
            raise PowerCut
        self.done.append(name)

    def save(self, state: FirstBoot) -> None:
        self.step("save")
        self.saved = state

    def say(self, text: str) -> None:
        self.said.append(text)

    def boot_id(self) -> str:
        return f"boot-{self.boot}"

    def plan(self) -> None:
        self.step("plan")

    def apply(self) -> Run:
        self.step("apply")
        return self.applies.pop(0) if self.applies else run()

    def reboot_wanted(self) -> bool:
        return False

    def obstacles(self) -> tuple[str, ...]:
        return self.blocks

    def may_reboot(self) -> bool:
        return self.allowed

    def reboot(self) -> None:
        self.step("reboot")
        self.boot += 1

    def check(self) -> int | None:
        self.step("check")
        return 1

    def smoke(self) -> None:
        self.step("smoke")

    def scorecard(self, state: FirstBoot) -> None:
        self.step("scorecard")
        self.shown.append(state.notes)


REFUSAL = Refusal("data_disks", "Make the filesystem", "the disk is not blank")
