"""Every error Firstlight raises on purpose."""

from __future__ import annotations


class FirstlightError(Exception):
    """Root of the errors the command line turns into one line on stderr and exit code 3.

    `message` says what was seen and where; `hint` says what to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(FirstlightError):
    """The caller asked for something that cannot be."""


class ProfileError(FirstlightError):
    """A profile file is wrong. `message` starts with file:line:column."""


class ProvisionError(FirstlightError):
    """A plan or an apply could not be carried out."""


class StateError(FirstlightError):
    """History, baseline, journal or lock cannot be read or written."""


class Unobservable(FirstlightError):
    """The machine could not be looked at. Becomes verdict `unknown`, never pass and never zero."""


class Missing(Unobservable):
    """The file, directory or command looked for does not exist. An answer, not a failure to look."""
