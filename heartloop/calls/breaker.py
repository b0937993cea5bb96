"""When to stop asking: every request fails the same way, and the server says why."""

from __future__ import annotations

import time
from dataclasses import dataclass

from heartloop.errors import CallError, CircuitOpen

HOPELESS = frozenset(
    {"auth", "not_found", "quota", "server_died"}
)  # the next question will fail likewise
OWN_FAULT = frozenset(
    {"context_length", "too_large", "no_recording", "content_filter", "question_budget"}
)
# Those of them that every question meets when a setting is wrong (max_tokens over the context).
SETTING = frozenset({"context_length", "too_large"})
BUSY_ATTEMPTS = 40
BUSY = frozenset({"http_429", "http_503", "http_529"})
UNREAD = "bad_response"  # a web page, say: no reply of this API


@dataclass(frozen=True, slots=True)
class Patience:
    """How much failure is borne.

    Attributes:
        start: seconds a server that cannot be reached from the start is given.
        start_sick: seconds one that answers with errors from the start is given.
        unread: replies in a row, before the first answer, that are none of the API's. A garbled one
            among good ones is asked again; nothing but such replies comes of a wrong address.
        gone: seconds a server that answered before may be away or overloaded.
        hopeless: failures in a row that no other question would escape (key, model name).
        alike: calls in a row that end in the same error of another kind.
        opens: False: the circuit stays closed and a call fails by itself after its attempts, so
            that whoever asks for others (`heartloop serve`) outlives an outage.
    """

    start: float = 8.0
    start_sick: float = 45.0
    unread: int = 4
    gone: float = 300.0
    hopeless: int = 3
    alike: int = 20
    opens: bool = True


class Breaker:
    """Watches the attempts at one model and opens when going on is pointless.

    Attributes:
        problem: the reason it is open, else None.
        answers: how many attempts were answered.
    """

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self.problem: CircuitOpen | None = None
        self.answers = 0
        self._failing_since: float | None = None
        self._attempts = 0  # failed in a row
        self._hopeless = 0
        self._unread = 0
        self._ended: tuple[str, int] = ("", 0)  # kind, calls that ended so in a row

    def answered(self) -> None:
        """Note an answered attempt: all is well."""
        self.answers += 1
        self._failing_since = None
        self._attempts = self._hopeless = self._unread = 0
        self._ended = ("", 0)

    def failed(self, error: CallError, now: float | None = None) -> None:
        """Note a failed attempt."""
        if error.kind in OWN_FAULT:
            return
        now = time.monotonic() if now is None else now
        if self._failing_since is None:
            self._failing_since = now
        self._attempts += 1
        self._unread = self._unread + 1 if error.kind == UNREAD else 0
        patience = self._patience
        if error.kind in HOPELESS:
            self._hopeless += 1
            if self._hopeless >= patience.hopeless * (1 if not self.answers else 4):
                self._open(error)
            return
        if not error.retryable:
            return
        away = now - self._failing_since
        if self.answers:
            if away >= patience.gone and self._attempts >= 16:
                self._open(error)
        elif error.kind == "connection":
            if away >= patience.start and self._attempts >= 4:
                self._open(error)
        elif error.kind in BUSY:
            if away >= patience.gone and self._attempts >= 16:
                self._open(error)
        elif self._unread >= patience.unread:
            self._open(error)
        elif away >= patience.start_sick and self._attempts >= 16:
            self._open(error)

    def ended(self, error: CallError) -> None:
        """Note a call that ended in an error, after its last attempt."""
        if error.kind in OWN_FAULT and (self.answers or error.kind not in SETTING):
            return
        kind, count = self._ended
        self._ended = (error.kind, count + 1 if kind == error.kind else 1)
        if self._ended[1] >= self._patience.alike * (1 if not self.answers else 5):
            self._open(error)

    def hold_on(self, kind: str, attempts: int) -> bool:
        """Whether a call that failed so often should go on.

        While nobody is answered it should, until patience is lost: it is not this call's fault.
        A server that is busy gets more attempts than one that fails.
        """
        if not self._patience.opens:
            return False
        if kind in BUSY and attempts < BUSY_ATTEMPTS:
            return True
        return (kind == "connection" or kind in BUSY) and self._failing_since is not None

    def answering(self) -> bool:
        """Whether some of the last attempts were answered."""
        return self.answers > 0 and self._attempts < 10

    def _open(self, error: CallError) -> None:
        if self.problem is None and self._patience.opens:
            self.problem = CircuitOpen(
                f"every request fails the same way ({error.kind}), stopped after "
                f"{max(self._attempts, self._ended[1])} in a row. {error}"
            )
