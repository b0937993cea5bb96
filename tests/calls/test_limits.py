"""Places in flight, the limit that finds itself, and token buckets, on a simulated clock."""

from __future__ import annotations

import asyncio
import heapq
import random

import pytest

from heartloop.calls import Limits
from heartloop.calls.limits import Bucket, Gate, Pace
from heartloop.errors import UsageError


def simulate(
    pace, *, seconds, latency, capacity=10**9, demand=10**9, refuse_above=10**9, refuse=None
):
    """A server with ``capacity`` slots, driven by a pace; returns (limit by second, answers).

    Requests beyond the capacity queue; beyond ``refuse_above`` in flight they are refused.
    """
    now, in_flight, answers = 0.0, 0, 0
    limits, events = [], []
    free = [0.0] * min(capacity, 4096)
    heapq.heapify(free)
    while now < seconds:
        while in_flight < int(pace.limit) and in_flight < demand:
            in_flight += 1
            if in_flight >= int(pace.limit):
                pace.saturate()
            if in_flight > refuse_above or (refuse and refuse()):
                heapq.heappush(events, (now + 0.005, now, False))
                continue
            start = max(now, heapq.heappop(free))
            heapq.heappush(free, start + latency)
            heapq.heappush(events, (start + latency, now, True))
        when, sent, answered = heapq.heappop(events)
        now = when
        in_flight -= 1
        while len(limits) < int(now):
            limits.append(int(pace.limit))
        if answered:
            answers += 1
            pace.answered(now - sent, now)
        else:
            pace.congested(now)
    return limits, answers


def test_the_limit_climbs_quickly_where_nothing_stands_in_the_way():
    limits, answers = simulate(Pace(), seconds=8, latency=0.2)
    assert limits[-1] >= 512
    assert max(limits) <= 1024


def test_the_limit_settles_near_the_servers_capacity():
    limits, answers = simulate(Pace(), seconds=60, latency=1.0, capacity=64)
    late = limits[20:]
    assert 64 <= sum(late) / len(late) <= 256
    assert answers >= 0.9 * 64 * 58  # throughput is the server's own


def test_the_limit_follows_429s():
    limits, answers = simulate(Pace(), seconds=60, latency=0.5, refuse_above=40)
    late = limits[20:]
    assert 20 <= sum(late) / len(late) <= 60


def test_a_limit_that_is_not_used_does_not_grow():
    limits, _ = simulate(Pace(), seconds=10, latency=0.1, demand=10)
    assert set(limits) == {32}


def test_it_never_goes_below_one_nor_above_what_the_model_bears():
    pace = Pace()
    for second in range(100):
        pace.congested(float(second * 10))
    assert int(pace.limit) == 1
    limits, _ = simulate(Pace(start=32, most=48), seconds=5, latency=0.1)
    assert max(limits) == 48


def test_refusals_that_have_nothing_to_do_with_load_do_not_strangle_the_run():
    draw = random.Random(1)
    limits, answers = simulate(Pace(), seconds=60, latency=0.2, refuse=lambda: draw.random() < 0.3)
    assert answers > 60 / 0.2 * 20
    assert sum(limits[20:]) / len(limits[20:]) > 24


def test_one_burst_of_refusals_counts_once():
    pace = Pace()
    for _ in range(50):
        pace.congested(100.0)
    assert int(pace.limit) == int(32 * 0.7)


def test_a_gate_admits_up_to_its_limit_and_returning_calls_first():
    async def main():
        gate = Gate(Limits(concurrency=2))
        await gate.enter()
        await gate.enter()
        order = []

        async def come(name, first):
            await gate.enter(first=first)
            order.append(name)

        tasks = [asyncio.create_task(come("new", False))]
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(come("again", True)))
        await asyncio.sleep(0)
        assert gate.in_flight == 2 and gate.queued == 2
        for _ in range(2):
            gate.leave()
        await asyncio.gather(*tasks)
        assert gate.peak == 2
        return order

    assert asyncio.run(main()) == ["again", "new"]


@pytest.mark.parametrize("granted", [False, True])
def test_a_place_is_not_lost_with_a_cancelled_call(granted):
    async def main():
        gate = Gate(Limits(concurrency=1))
        await gate.enter()
        waiting = asyncio.create_task(gate.enter())
        await asyncio.sleep(0)
        if granted:
            gate.leave()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        if not granted:
            gate.leave()
        assert gate.in_flight == 0 and gate.queued == 0
        await asyncio.wait_for(gate.enter(), 1)

    asyncio.run(main())


def test_a_bucket_hands_out_its_rate_and_no_more():
    bucket = Bucket(600, burst_seconds=1.0)  # ten a second
    waits = [bucket.take(1, now=100.0) for _ in range(30)]
    assert waits[:11] == [0.0] * 11
    assert waits[-1] == pytest.approx(1.9)
    assert bucket.take(1, now=200.0) == 0.0


def test_a_share_that_was_too_large_is_given_back():
    bucket = Bucket(60, burst_seconds=0.0)
    bucket.take(100, now=0.0)
    bucket.correct(-90)
    assert bucket.take(1, now=0.0) == pytest.approx(10)


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"rpm": 0}, {"tpm": -1}])
def test_limits_that_let_nothing_through_are_refused(wrong):
    with pytest.raises(UsageError, match="--"):
        Limits(**wrong)
