"""Another attempt or not, and when: bounded back-off that honours what the server asked for."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from heartloop.errors import CallError
from heartloop.types import Completion


@dataclass(frozen=True, slots=True)
class Retry:
    """How failed attempts are repeated.

    Attributes:
        attempts: made at most at one call; while nobody is answered more are made, until the
            circuit breaker loses patience.
        first: seconds before the second attempt, doubled from then on (with jitter).
        longest: seconds a back-off of ours may take.
        longest_answered: the same while other calls are being answered: the server lives, and
            how much it gets is the business of the limit of calls in flight.
        longest_asked: seconds of a server's ``Retry-After`` that are honoured.
    """

    attempts: int = 10
    first: float = 0.25
    longest: float = 20.0
    longest_answered: float = 2.0
    longest_asked: float = 120.0

    def delay(self, error: CallError, failed: int, *, answering: bool = False) -> float:
        """Seconds to wait after the ``failed``-th failed attempt (from 1).

        Args:
            error: how it failed.
            failed: failed attempts at this call.
            answering: other calls are being answered.
        """
        longest = min(self.longest, self.longest_answered) if answering else self.longest
        own = min(longest, self.first * 2.0 ** min(failed - 1, 20))
        own *= random.uniform(0.5, 1.0)
        asked = error.retry_after
        if asked is None:
            return own
        if asked == 0.0:
            return 0.0 if failed == 1 else own
        # A little later than asked, spread out, so that not everybody returns at once.
        return min(self.longest_asked, asked) + random.uniform(0.0, min(1.0, 0.1 * asked + 0.05))


async def try_again(
    first: CallError,
    attempt: Callable[[], Awaitable[Completion]],
    *,
    retry: Retry,
    sleep: Callable[[float], Awaitable[None]],
    hold_on: Callable[[CallError], bool],
    answering: Callable[[], bool],
) -> Completion:
    """Go on after a first failed attempt until one succeeds or it is time to give up.

    tenacity does the bookkeeping; it is imported at the first failure, so that calls which
    succeed at once pay nothing for it.

    Args:
        first: how the first attempt failed.
        attempt: makes one attempt.
        retry: how often and how soon.
        sleep: waits; may raise to end everything.
        hold_on: whether attempts beyond ``retry.attempts`` make sense.
        answering: whether other calls are being answered.

    Raises:
        CallError: the last one.
    """
    import tenacity

    failed_before = True

    def error_of(state: tenacity.RetryCallState) -> CallError:
        assert state.outcome is not None
        error = state.outcome.exception()
        assert isinstance(error, CallError)
        return error

    async def next_attempt() -> Completion:
        nonlocal failed_before
        if failed_before:
            failed_before = False
            raise first
        return await attempt()

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception(
            lambda error: isinstance(error, CallError) and error.retryable
        ),
        stop=lambda state: state.attempt_number >= retry.attempts and not hold_on(error_of(state)),
        wait=lambda state: retry.delay(
            error_of(state), state.attempt_number, answering=answering()
        ),
        sleep=sleep,
        reraise=True,
    )
    return await retrying(next_attempt)
