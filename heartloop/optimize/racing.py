"""The search for the best arm as a pure algorithm: halving or a bandit, then one held-out test."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

import numpy as np

from heartloop.optimize.bounds import (
    Floats,
    always_valid,
    mean_discordance,
    paired_estimate,
    tabulate,
)
from heartloop.optimize.order import asking_order, fingerprint
from heartloop.optimize.planning import (
    FIRST_LOOK,
    MIN_HELD_OUT,
    gap_to_drop,
    held_out_size,
    kept,
    look_sizes,
    plan_search,
)
from heartloop.optimize.results import (
    Evaluate,
    Evaluation,
    RaceOptions,
    RaceResult,
    RaceState,
    RankedArm,
)

BATCH = 16
GUESS_WEIGHT = 64  # the first guess of the discordance counts as this many questions


class _Race:
    """One search in progress: the arms, the scores known so far, and the purse."""

    def __init__(
        self,
        arms: Sequence[str],
        evaluate: Evaluate,
        groups: Sequence[str],
        options: RaceOptions,
        state: RaceState,
        save: Callable[[RaceState], None] | None,
        search: int | None,
    ) -> None:
        self.arms, self.evaluate, self.options = list(arms), evaluate, options
        self.state, self.save, self.groups = state, save, groups
        self.order = asking_order(groups, options.seed, search)
        # Questions that only the final estimate may use.
        self.reserve = 0 if search is None else len(groups) - search
        self.scores: Floats = np.full((len(arms), len(groups)), np.nan)  # in the order of asking
        self.depth = [0] * len(arms)  # questions asked of each arm in the search
        self.dropped: dict[int, int] = {}
        self.field = len(arms) - 1
        self.spent = Evaluation(())
        self.evaluations = 0
        self.plan = plan_search(
            self.field,
            delta=options.delta,
            discordance=options.discordance,
            error=options.error,
            questions=len(groups),
            max_calls=options.budget_calls,
        )
        self.delta, self.discordance = self.plan.delta, options.discordance
        self.held_out = self.reserve or self.plan.held_out

    # --- asking ------------------------------------------------------------------------

    async def ask(self, arms: Sequence[int], start: int, end: int) -> None:
        """Score these arms on places ``start`` to ``end`` of the order, at once."""
        await asyncio.gather(*(self._ask_one(arm, start, end) for arm in arms))

    async def _ask_one(self, arm: int, start: int, end: int) -> None:
        known = self.state.scores.setdefault(self.arms[arm], {})
        batch = f"{arm}/{start}/{end}"
        missing = [q for q in self.order[start:end] if q not in known]
        if missing:
            done = await self.evaluate(arm, missing)
            if len(done.scores) != len(missing):
                raise ValueError(f"{len(missing)} questions asked, {len(done.scores)} scores given")
            known.update(zip(missing, done.scores, strict=True))
            cost = [done.calls, done.tokens, done.paid_calls, done.paid_tokens]
            # What a batch cost when it was first asked stands: from a journal it is free again,
            # and a budget must lead to the same decisions.
            self.state.costs.setdefault(batch, cost)
            if self.save is not None:
                self.save(self.state)
        now, cost = self.spent, self.state.costs.get(batch, [0, 0, 0, 0])
        self.spent = Evaluation(
            (),
            now.calls + cost[0],
            now.tokens + cost[1],
            now.paid_calls + cost[2],
            now.paid_tokens + cost[3],
        )
        self.evaluations += end - start
        for place in range(start, end):
            score = known[self.order[place]]
            self.scores[arm, place] = np.nan if score is None else score

    # --- what is known -----------------------------------------------------------------

    def differences(
        self, arm: int, start: int = 0, end: int | None = None, other: int = 0
    ) -> Floats:
        """Paired differences of an arm to "none" on the places both were asked."""
        stop = min(self.depth[arm], self.depth[other]) if end is None else end
        gap = self.scores[arm, start:stop] - self.scores[other, start:stop]
        return gap[~np.isnan(gap)]

    def bounds(self) -> tuple[Floats, Floats, Floats]:
        """Means and simultaneous always-valid bounds of every arm against "none" (row 0)."""
        gaps = [self.differences(arm) for arm in range(len(self.arms))]
        values, counts = tabulate(gaps)
        low, high = always_valid(values, counts, self.options.error / max(1, self.field))
        mean = np.array([gap.mean() if len(gap) else 0.0 for gap in gaps])
        low[0] = high[0] = 0.0
        return mean, low, high

    def measure(self, arms: Sequence[int]) -> None:
        """Replace the guess of the discordance by what these arms show, and plan anew."""
        asked = min(self.depth[arm] for arm in arms)
        seen = mean_discordance(self.scores[list(arms), :asked])
        if not np.isnan(seen):
            # Early looks see too few questions that wording matters for: lean on the guess, but
            # never below what was seen, so that chance does not make the cuts rash.
            trust = asked / (asked + GUESS_WEIGHT)
            self.discordance = max(seen, trust * seen + (1 - trust) * self.options.discordance)
        self.replan(asked)

    def replan(self, asked: int) -> None:
        """The effect still within reach: what questions and purse leave room for."""
        o, room = self.options, self.room()
        calls = None if room is None else self.evaluations + room
        plan = plan_search(
            self.field,
            delta=o.delta,
            discordance=self.discordance,
            error=o.error,
            questions=len(self.groups),
            max_calls=calls,
        )
        self.delta = plan.delta
        self.held_out = self.reserve or max(1, min(plan.held_out, len(self.groups) - asked))

    def room(self) -> int | None:
        """Evaluations that the purse still holds at the price seen so far; None without a cap."""
        o, spent, n = self.options, self.spent, max(1, self.evaluations)
        rooms = [
            int((cap - paid) / (price / n))
            for cap, paid, price in (
                (o.budget_calls, spent.paid_calls, spent.calls),
                (o.budget_tokens, spent.paid_tokens, spent.tokens),
            )
            if cap is not None and price
        ]
        return max(0, min(rooms)) if rooms else None

    def affordable(self, wanted: int) -> bool:
        """Whether this many evaluations more, and the held-out ones, stay inside the caps."""
        room = self.room()
        return room is None or wanted + 2 * self.held_out <= room

    async def first_price(self, size: int) -> None:
        """Ask "none" alone first where a cap is set, to know what a question costs.

        Raises:
            ValueError: the cap does not even pay for a first look at every arm.
        """
        if self.options.budget_calls is None and self.options.budget_tokens is None:
            return
        await self.ask([0], 0, size)
        self.depth[0] = size
        room = self.room()
        needed = self.field * size + 2 * min(self.held_out, MIN_HELD_OUT)
        if room is not None and room < needed:
            o, spent = self.options, self.spent
            caps = (
                (o.budget_calls, spent.calls, "calls"),
                (o.budget_tokens, spent.tokens, "tokens"),
            )
            n = max(1, self.evaluations)
            least = " and ".join(
                f"{math.ceil(used / n * (needed + size)):,} {unit}"
                for cap, used, unit in caps
                if cap is not None
            )
            raise ValueError(f"the budget is too small: a first look needs about {least}")

    # --- the two searches --------------------------------------------------------------

    async def halving(self) -> tuple[int, str]:
        """Drop the lower part of the field at every look; the leader and why it ended."""
        live, asked = list(range(1, len(self.arms))), 0
        while True:
            limit = len(self.groups) - self.held_out
            size = next((s for s in look_sizes(10**9 if limit < 0 else limit) if s > asked), None)
            if size is None:
                return self.lead(live), "questions"
            if asked and not self.affordable((len(live) + 1) * (size - asked)):
                return self.lead(live), "budget"
            if not asked:
                await self.first_price(size)
            await self.ask([arm for arm in [0, *live] if self.depth[arm] < size], asked, size)
            asked = size
            for arm in [0, *live]:
                self.depth[arm] = asked
            self.measure([0, *live])
            keep = kept(self.field, asked, self.delta, self.discordance, self.options.error)
            live = self.cut(live, keep, asked)
            if len(live) == 1:
                return live[0], "one left"
            if self.options.goal == "better-than-none":
                mean, low, _ = self.bounds()
                better = [arm for arm in live if low[arm] > 0]
                if better:
                    return max(better, key=lambda arm: mean[arm]), "bounds"

    def cut(self, live: list[int], keep: int, asked: int) -> list[int]:
        """The best ``keep`` arms; ties fall by a seeded draw, never by the order given."""
        rng = np.random.default_rng([self.options.seed, asked])
        chance = rng.random(len(self.arms))
        block = self.scores[live, :asked]
        missing = np.isnan(block)
        if missing.any():
            # A call that failed says nothing of its arm: it stands at the others' mean.
            known = np.maximum((~missing).sum(axis=0), 1)
            block = np.where(missing, np.nansum(block, axis=0) / known, block)
        total = dict(zip(live, block.sum(axis=1).tolist(), strict=True))
        ranked = sorted(live, key=lambda arm: (-total[arm], chance[arm]))
        reach = gap_to_drop(self.field, self.delta, self.discordance, self.options.error)
        top = total[ranked[0]]
        kept_on = [arm for arm in ranked[:keep] if top - total[arm] < reach]
        for arm in live:
            if arm not in kept_on:
                self.dropped[arm] = asked
        return kept_on

    def lead(self, live: Sequence[int]) -> int:
        """The live arm with the highest mean difference."""
        mean, _, _ = self.bounds()
        return max(live, key=lambda arm: float(mean[arm]))

    async def bandit(self) -> tuple[int, str]:
        """LUCB on differences to "none" (Kalyanakrishnan et al. 2012), in batches."""
        everyone = list(range(1, len(self.arms)))
        limit = len(self.groups) - self.held_out
        await self.first_price(min(FIRST_LOOK, limit))
        await self.advance(everyone, min(FIRST_LOOK, limit))
        while True:
            self.measure([0, *everyone])
            mean, low, high = self.bounds()
            leader = max(everyone, key=lambda arm: mean[arm])
            rest = [arm for arm in everyone if arm != leader]
            if self.options.goal == "better-than-none" and low[leader] > 0:
                return leader, "bounds"
            if max(high[1:]) < self.delta:
                return leader, "nothing better"
            challenger = max(rest, key=lambda arm: high[arm]) if rest else leader
            if low[leader] > 0 and (not rest or high[challenger] - low[leader] < self.delta):
                return leader, "bounds"
            limit = len(self.groups) - self.held_out
            pair = [arm for arm in {leader, challenger} if self.depth[arm] + BATCH <= limit]
            if not pair:
                return leader, "questions"
            if not self.affordable(3 * BATCH):
                return leader, "budget"
            for arm in pair:
                await self.advance([arm], self.depth[arm] + BATCH)

    async def advance(self, arms: Sequence[int], size: int) -> None:
        """Bring these arms, and "none" with them, to ``size`` questions."""
        if self.depth[0] < size:
            await self.ask([0], self.depth[0], size)
            self.depth[0] = size
        start = min(self.depth[arm] for arm in arms)
        await self.ask(arms, start, size)
        for arm in arms:
            self.depth[arm] = size

    # --- the end -----------------------------------------------------------------------

    async def finish(self, leader: int, stopped: str, wanted: bool) -> RaceResult:
        """Test the leader once on untouched questions and write everything up."""
        mean, low, high = self.bounds()
        used = max(self.depth)
        o = self.options
        # Sized for the pair that is tested: "none" against the leader may differ from the field.
        seen = mean_discordance(self.scores[[0, leader], : self.depth[leader]])
        noise = 2 * (self.discordance / max(1, self.depth[leader])) ** 0.5
        differs = not np.isnan(seen) and abs(seen - self.discordance) > noise
        pair = seen if differs else self.discordance
        room_left = self.reserve or len(self.groups) - used
        size = max(1, min(held_out_size(self.delta, pair, o.error), room_left))
        room = self.room()
        if room is not None:
            size = max(1, min(size, room // 2))
        size = size if wanted else 0
        start = len(self.groups) - size
        await self.ask([0, leader], start, len(self.groups))
        gaps = self.differences(leader, start, len(self.groups))
        estimate = paired_estimate(gaps, o.error)
        tasks = list(dict.fromkeys(self.groups))
        by_task = {}
        for task in tasks if len(tasks) > 1 and wanted else []:
            mine = np.array([self.groups[q] == task for q in self.order[start:]])
            gap = (self.scores[leader, start:] - self.scores[0, start:])[mine]
            by_task[task] = paired_estimate(gap[~np.isnan(gap)], o.error / len(tasks))
        chosen = leader if estimate.difference > 0 and estimate.p_value <= o.error else None
        ranking = sorted(
            (
                RankedArm(
                    name,
                    float(mean[arm]),
                    float(low[arm]),
                    float(high[arm]),
                    _mean(self.scores[arm, : self.depth[arm]]),
                    self.depth[arm],
                    self.dropped.get(arm),
                )
                for arm, name in enumerate(self.arms)
            ),
            key=lambda one: (one.name != self.arms[leader], -one.difference),
        )
        reached = self.detectable(used, size)
        s = self.spent
        return RaceResult(
            chosen=None if chosen is None else self.arms[chosen],
            leader=self.arms[leader],
            held_out=estimate,
            held_out_accuracy=(
                _mean(self.scores[0, start:]),
                _mean(self.scores[leader, start:]),
            ),
            by_task=by_task,
            naive_maximum=float(mean[leader]),
            ranking=tuple(ranking),
            plan=self.plan,
            discordance=self.discordance,
            detectable=reached,
            calls=s.calls,
            tokens=s.tokens,
            paid_calls=s.paid_calls,
            paid_tokens=s.paid_tokens,
            stopped=stopped,
        )

    def detectable(self, searched: int, held_out: int) -> float:
        """The smallest effect that both phases, as deep as they went, find within the error."""
        o, d = self.options, self.discordance
        for delta in np.arange(0.005, 1.0, 0.0025):
            enough = kept(self.field, searched, float(delta), d, o.error) == 1
            if enough and held_out_size(float(delta), d, o.error) <= held_out:
                return max(float(delta), o.delta)
        return 1.0


def _mean(scores: Floats) -> float | None:
    """Mean of the scores there are; None without any."""
    known = scores[~np.isnan(scores)]
    return float(known.mean()) if len(known) else None


async def race(
    arms: Sequence[str],
    evaluate: Evaluate,
    questions: int | Sequence[str],
    options: RaceOptions | None = None,
    *,
    state: RaceState | None = None,
    save: Callable[[RaceState], None] | None = None,
    search: int | None = None,
    estimate: bool = True,
) -> RaceResult:
    """Search for the arm worth using.

    All arms answer the same questions in the same order, so that every comparison is paired. The
    search ranks; whether its leader is chosen is decided by one exact test against "none" on
    questions that the search never used, so with any number of arms a useless one is chosen at
    most ``error`` of the time, and the estimate needs no correction.

    Args:
        arms: distinct names; the first is "none", which every other arm is compared with.
        evaluate: asks one arm some questions.
        questions: how many there are, or the task of each (the order mixes tasks evenly).
        options: how to search.
        state: of a search that was stopped; known answers are not asked for again.
        save: called with the state after every evaluation.
        search: how many of the questions, from the first, the search may use; the others are the
            held-out ones. None splits at random, as deep as the plan needs.
        estimate: without it the search ends with its ranking: no held-out questions are asked and
            nothing is chosen (an early generation of arms).

    Returns:
        The result; ``chosen`` is None when no arm was shown to be better than "none".

    Raises:
        ValueError: fewer than two arms or four questions, names not distinct, or the state belongs
            to another search.
    """
    options = options or RaceOptions()
    groups = ["all"] * questions if isinstance(questions, int) else list(questions)
    if len(arms) < 2 or len(set(arms)) < len(arms):
        raise ValueError(
            "a search needs at least two arms with distinct names, the first of them none"
        )
    if len(groups) < 4:
        raise ValueError(f"{len(groups)} questions are too few: a search needs at least 4")
    if search is not None and not 0 < search < len(groups):
        raise ValueError(f"search={search}: leave questions to search on and to estimate on")
    identity = fingerprint(arms, groups, options)
    state = state or RaceState()
    if state.fingerprint not in ("", identity):
        raise ValueError("the state belongs to a search with other arms, questions or seed")
    state.fingerprint = identity
    running = _Race(arms, evaluate, groups, options, state, save, search)
    leader, stopped = await (
        running.halving() if options.strategy == "halving" else running.bandit()
    )
    return await running.finish(leader, stopped, estimate)
