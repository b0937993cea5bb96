"""Every error heartloop raises on purpose, and the exit code each one ends a command with."""

from __future__ import annotations

from typing import Any


class HeartloopError(Exception):
    """Base of all deliberate errors: one line that says what is wrong and what to do about it."""

    exit_code = 1


class UsageError(HeartloopError):
    """Bad input from the user: names the file or option, the field, and the remedy."""

    exit_code = 2


class CardError(UsageError):
    """A YAML card that does not validate; the message starts with ``FILE:LINE: field``."""


class DataError(UsageError):
    """Task data that is absent or cannot be read; the message says how to get it."""


class JournalError(HeartloopError):
    """The run folder cannot be read or written (full disk, lock held, damaged file)."""


class Stopped(HeartloopError):
    """A clean stop with a resumable run: a cap was reached or the user pressed Ctrl-C."""

    exit_code = 3


class Decided(Stopped):
    """The comparison that the run is about is settled; there is nothing left to find out."""

    exit_code = 0


class BudgetExceeded(Stopped):
    """The next call would go over a cap of tokens or dollars; nothing was sent."""


class CircuitOpen(HeartloopError):
    """Every request fails the same way; carries the server's own message."""


class NotInJournal(HeartloopError):
    """A replay of the journal met a call that was never made."""


class CallError(HeartloopError):
    """One call ended without a completion.

    Attributes:
        kind: a short stable class: ``http_400``, ``http_429``, ``http_500``, ``timeout``,
            ``connection``, ``bad_response``, ``no_recording``, ``context_length``, ``auth``,
            ``not_found``, ``too_large``, …
        retryable: whether another attempt at the same request may succeed.
        retry_after: seconds the server asked to wait, where it did.
        usage: tokens of the failed attempt (``types.Usage``) where the server counted some: they
            were paid.
    """

    usage: Any = None

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retryable = retryable
        self.retry_after = retry_after


def absent_part(what: str, package: str, extra: str) -> str:
    """What to say where an optional package is not installed: who needs it, and how to get it."""
    return f"{what} needs {package}, which is not installed: pip install 'heartloop[{extra}]'"
