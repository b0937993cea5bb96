"""What a plan will cost, before anything is asked: calls, tokens, dollars, smallest effect.

Two figures stand beside each other. *About* takes answers of typical length (or a probe's).
*At most* is a bound: every loop goes to its end, every answer is as long as ``max_tokens`` allows,
and a prompt has as many tokens as bytes, since a byte-level tokenizer makes no more of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from heartloop.calls.prices import Price
from heartloop.grading.judge import MAX_ANSWER, judge_messages
from heartloop.methods import TokenAverages, expected_calls, expected_tokens
from heartloop.methods.cost import draws_for_equal_tokens
from heartloop.run import choice_scores
from heartloop.run.bills import HELPED, billed_models, check_caps, known_prices, tested_models
from heartloop.run.claim import planned_claim
from heartloop.run.clients import automatic, judges_for
from heartloop.run.judges import JudgeModel, judge_sampling, names_of
from heartloop.run.lengths import (
    CHARS_PER_TOKEN,
    OVERHEAD,
    Lengths,
    bound_of,
    calls_a_question,
    gold_bytes,
    lengths_of,
    typical_of,
)
from heartloop.run.load import Prepared
from heartloop.run.pilot import Probe, loop_of, needs_pilot
from heartloop.run.plan import Plan
from heartloop.run.unit import LoadedTask
from heartloop.types import Arm, Usage

if TYPE_CHECKING:
    from heartloop.analysis.design import PowerPlan
    from heartloop.analysis.power import Pilot

TYPICAL_VERDICT = 60


@dataclass(frozen=True, slots=True)
class RowEstimate:
    """Calls and tokens of one arm, were it run alone, or of one judge.

    Attributes:
        name: of the arm or of the judge's model.
        method, role: of the arm; a judge has the role ``judge``.
        calls_least, calls_most: over all questions, seeds and models.
        tokens: prompt and completion, about.
        tokens_most: a bound; None where an answer has no ``max_tokens``.
    """

    name: str
    method: str
    role: str
    calls_least: int
    calls_most: int
    tokens: int
    tokens_most: int | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan will cost.

    Attributes:
        arms, judges: see `RowEstimate`.
        calls_least, calls_most: of all of them; calls that arms share are counted once in both.
        tokens, tokens_most: about, and a bound (None where there is none).
        usd, usd_most: the same in dollars, None where a price or a bound is missing.
        unpriced: models that may be billed and whose price nobody knows.
        costs_money: a model that is or may be billed is among them.
        self_judged: the model under test judges its own answers.
        power: what this design can detect (`heartloop.analysis.design.PowerPlan`), or None for
            a single arm.
        seconds: expected time at most, from a probe; None without one.
    """

    questions: int
    seeds: int
    models: int
    arms: tuple[RowEstimate, ...]
    judges: tuple[RowEstimate, ...]
    calls_least: int
    calls_most: int
    tokens: int
    tokens_most: int | None
    usd: float | None
    usd_most: float | None
    unpriced: tuple[str, ...]
    costs_money: bool
    self_judged: bool
    power: PowerPlan | None
    seconds: float | None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(slots=True)
class _Cost:
    """Running sums of one row: calls, and tokens with their dollars by the prices that apply."""

    least: int = 0
    most: int = 0
    about: Usage = Usage()
    bound: Usage | None = Usage()

    def add(self, least: int, most: int, about: Usage, bound: Usage | None) -> None:
        self.least += least
        self.most += most
        self.about += about
        self.bound = None if self.bound is None or bound is None else self.bound + bound

    def row(self, name: str, method: str, role: str) -> RowEstimate:
        bound = None if self.bound is None else self.bound.total
        return RowEstimate(name, method, role, self.least, self.most, self.about.total, bound)


def estimate(
    prepared: Prepared,
    probe: Probe | None = None,
    noise: tuple[Pilot, str] | None = None,
    target: float | None = None,
) -> Estimate:
    """Estimate a plan; cheap enough to be printed before every run.

    Args:
        prepared: the plan with its data.
        probe: what a short probe found; token counts and time are then its own.
        noise: discordance of an earlier run and its name, for the power line.
        target: a difference whose number of questions is asked for, a share.

    Raises:
        UsageError: the price list cannot be read, or a cap of the plan cannot hold.
    """
    plan = prepared.plan
    prices = known_prices(prepared)
    check_caps(prepared, prices)
    repeats = len(plan.models) * len(plan.seeds)
    lengths = {task.card.name: lengths_of(task) for task in prepared.tasks}
    arms = [_arm(prepared, arm, repeats, lengths, probe) for arm in plan.arms]
    shared = _shared_first_calls(plan.arms)
    firsts = sum(calls_a_question(task) for task in prepared.tasks) * repeats
    panel = judges_for(plan, prepared.tasks)
    names = names_of(panel, tested_models(plan))
    judges = [_judge(prepared, judge, repeats, lengths, probe, shared) for judge in panel]
    calls_most = sum(a.most for a in arms) - shared * firsts + sum(j.most for j in judges)
    calls_least = sum(a.least for a in arms) - shared * firsts + sum(j.least for j in judges)
    rows = [*arms, *judges]
    bounds = [row.bound for row in rows]
    billed = billed_models(prepared, prices)
    unpriced = tuple(name for name in billed if name not in prices)
    return Estimate(
        questions=prepared.questions,
        seeds=len(plan.seeds),
        models=len(plan.models),
        arms=tuple(
            cost.row(arm.name, arm.method, arm.role)
            for cost, arm in zip(arms, plan.arms, strict=True)
        ),
        judges=tuple(cost.row(name, "", "judge") for cost, name in zip(judges, names, strict=True)),
        calls_least=max(calls_least, 0),
        calls_most=calls_most,
        tokens=sum(row.about.total for row in rows),
        tokens_most=None if None in bounds else sum(b.total for b in bounds if b is not None),
        usd=None if unpriced else _dollars(plan, arms, judges, names, prices, most=False),
        usd_most=None
        if unpriced or None in bounds
        else _dollars(plan, arms, judges, names, prices, most=True),
        unpriced=unpriced,
        costs_money=bool(billed),
        self_judged=any(judge.model in plan.models and judge.base_url is None for judge in panel),
        power=_power(prepared, noise, target),
        seconds=_seconds(plan, calls_most, probe),
    )


def _power(
    prepared: Prepared, noise: tuple[Pilot, str] | None, target: float | None
) -> PowerPlan | None:
    claim = planned_claim(prepared)
    if not claim.contrasts:
        return None
    from heartloop.data.perturb import OLD_ANSWER
    from heartloop.run.power import power_of

    told = [task for task in prepared.tasks if task.card.metric != OLD_ANSWER]
    told = told or list(prepared.tasks)
    return power_of(
        claim,
        sum(len(task.data.questions) for task in told),
        len(prepared.plan.seeds),
        units=len({task.card.suite or task.card.name for task in told}),
        pilot=noise[0] if noise else None,
        source=noise[1] if noise else "",
        target=target,
    )


# --- Money -----------------------------------------------------------------------------------


def _dollars(
    plan: Plan,
    arms: Sequence[_Cost],
    judges: Sequence[_Cost],
    names: Sequence[str],
    prices: Mapping[str, Price],
    *,
    most: bool,
) -> float:
    def cost(row: _Cost, prices_of: Sequence[Price]) -> float:
        usage = (row.bound or Usage()) if most else row.about
        prompt = max((p.prompt for p in prices_of), default=0.0)
        completion = max((p.completion for p in prices_of), default=0.0)
        return usage.prompt * prompt + usage.completion * completion

    helper = [prices[plan.helper]] if plan.helper and plan.helper in prices else []
    total = 0.0
    for arm, row in zip(plan.arms, arms, strict=True):
        # Which calls are the helper's is the method's affair: the dearer of the two for all.
        further = helper if arm.method in HELPED else []
        for model in plan.models:
            mine = [prices[model]] if model in prices else []
            total += cost(row, [*mine, *further]) / len(plan.models)
    return total + sum(
        cost(row, [prices[name]] if name in prices else [])
        for name, row in zip(names, judges, strict=True)
    )


# --- Calls and tokens ------------------------------------------------------------------------


def _arm(
    prepared: Prepared,
    arm: Arm,
    repeats: int,
    lengths: Mapping[str, Lengths],
    probe: Probe | None,
) -> _Cost:
    total = _Cost()
    for task in prepared.tasks:
        size = lengths[task.card.name]
        n = len(task.data.questions) * repeats
        if task.grader.verifier.kind == choice_scores.KIND:
            total.add(*_loglik_cost(task, size, arm, repeats))
            continue
        typical, bound = typical_of(task, size, probe), bound_of(task, size, arm)
        usual, widest = _matched(prepared, arm, typical, lengths)
        low = expected_calls(arm, task.mode)[0]
        if widest is not arm:
            low = 1
        high = expected_calls(widest, task.mode)[1]
        about = expected_tokens(usual, task.mode, typical)[1]
        most = None if bound is None else expected_tokens(widest, task.mode, bound)[1]
        extra_low, extra_high = _selector_calls(prepared.plan, task, usual, widest)
        about += _selector_tokens(extra_low, typical, usual, task)
        if most is not None and bound is not None:
            most += _selector_tokens(extra_high, bound, widest, task)
        total.add(
            (low + extra_low) * n,
            (high + extra_high) * n,
            _times(about, n),
            None if most is None else _times(most, n),
        )
    if arm.gated:
        total.least = 0  # asked only where a claim stands
    return total


def _times(usage: Usage, n: int) -> Usage:
    return Usage(usage.prompt * n, usage.completion * n)


def _matched(
    prepared: Prepared, arm: Arm, typical: TokenAverages, lengths: Mapping[str, Lengths]
) -> tuple[Arm, Arm]:
    """A `resample` arm that the pilot will match: with the draws to expect, and with the most.

    The draws are ``T / (p + c)``, T the loop's tokens by the pilot's mean prompt p and answer c.
    In c this is monotone, so that very short and very long answers give its bounds.
    """
    loop = loop_of(arm, prepared.plan.arms) if arm.role == "resample" else None
    if loop is None or not needs_pilot(prepared.plan):
        return arm, arm
    mode, selector = prepared.tasks[0].mode, prepared.plan.selector
    sizes = [(lengths[t.card.name].chars, len(t.data.questions)) for t in prepared.tasks]
    chars = sum(size * n for size, n in sizes) / sum(n for _, n in sizes)
    ends = [TokenAverages(chars, answer, chars_per_token=1.0) for answer in (1.0, 1e9)]
    most = max(draws_for_equal_tokens(loop, mode, end, selector) for end in ends)
    usual = min(most, draws_for_equal_tokens(loop, mode, typical, selector))
    return tuple(  # type: ignore[return-value]
        replace(arm, params={**arm.params, "draws": draws}) for draws in (usual, math.ceil(most))
    )


def _selector_calls(plan: Plan, task: LoadedTask, usual: Arm, widest: Arm) -> tuple[int, int]:
    """A selector's own calls a question, about and at most."""
    if task.mode != "verifier-free":
        return 0, 0

    def extra(arm: Arm, index: int) -> int:
        alone = expected_calls(arm, task.mode)[index]
        return expected_calls(arm, task.mode, plan.selector)[index] - alone

    return extra(usual, 0), extra(widest, 1)


def _selector_tokens(calls: int, tokens: TokenAverages, arm: Arm, task: LoadedTask) -> Usage:
    """A selector's prompt shows the question and at most all candidates."""
    if not calls:
        return Usage()
    candidates = expected_calls(arm, task.mode)[1]
    prompt = tokens.prompt + candidates * tokens.completion
    return Usage(round(calls * prompt), round(calls * tokens.completion))


def _loglik_cost(
    task: LoadedTask, size: Lengths, arm: Arm, repeats: int
) -> tuple[int, int, Usage, Usage]:
    """One call a choice: the prompt and the choice are read, one token is made."""
    calls = calls_a_question(task) * repeats
    choice = sum(len(c.encode()) + 1 for q in task.data.questions for c in q.choices) * repeats
    words = sum(len(s.text.encode()) + 2 for s in arm.stimuli)
    about = Usage(round(calls * size.chars / CHARS_PER_TOKEN + choice / CHARS_PER_TOKEN), 0)
    bound = Usage(round(calls * (size.bytes + words + OVERHEAD) + choice), calls)
    return calls, calls, about, bound


def _judge(
    prepared: Prepared,
    judge: JudgeModel,
    repeats: int,
    lengths: Mapping[str, Lengths],
    probe: Probe | None,
    shared: int,
) -> _Cost:
    """One judge: every answer of every arm, equal answers to a question once."""
    plan = prepared.plan
    total = _Cost()
    for task in prepared.tasks:
        if automatic(task.grader):
            continue
        size = lengths[task.card.name]
        spec = task.grader.judge_spec()
        votes = int(task.grader.params.get("votes") or spec.votes)
        questions = len(task.data.questions)
        answers = -shared
        for arm in plan.arms:
            widest = _matched(prepared, arm, typical_of(task, size, probe), lengths)[1]
            alone = expected_calls(widest, task.mode)[1]
            # Of a selector's calls the merged answer alone is graded.
            merged = expected_calls(widest, task.mode, plan.selector)[1] > alone
            answers += alone + (merged and plan.selector == "synthesis")
        first = task.data.questions[0]
        asked = judge_messages(spec, "", task.data.golds[first.id], "", "0" * 12)
        rules = sum(len(m.content.encode()) for m in asked)
        typical = typical_of(task, size, probe)
        told = gold_bytes(task)
        calls = answers * questions * repeats * votes
        shown = min(typical.completion * CHARS_PER_TOKEN, MAX_ANSWER)
        prompt = (rules + size.chars + told + shown) / CHARS_PER_TOKEN
        sampling = judge_sampling(judge, spec.sampling)
        room = sampling.max_tokens
        about = Usage(round(calls * prompt), calls * min(room or TYPICAL_VERDICT, TYPICAL_VERDICT))
        answer = 2 * MAX_ANSWER  # bytes: letters beyond ASCII have more than one
        bytes_most = rules + size.bytes + told + answer + OVERHEAD
        bound = None if room is None else Usage(round(calls * bytes_most), calls * room)
        total.add(questions * votes, calls, about, bound)
    return total


def _shared_first_calls(arms: tuple[Arm, ...]) -> int:
    """How many first calls of a question other arms get for nothing."""
    told = ("cot", "emotional_cot", "knowledge", "traces")
    firsts = [
        (
            tuple((s.sha256, s.joiner) for s in arm.stimuli),
            arm.placement if arm.stimuli else "",
            arm.method,
        )
        for arm in arms
        if not arm.params.get("draw") and arm.method not in told
    ]
    return len(firsts) - len({(texts, place) for texts, place, _ in firsts})


def _seconds(plan: Plan, calls: int, probe: Probe | None) -> float | None:
    """Calls at the probe's latency, as many at once as allowed (32 where that finds itself)."""
    if probe is None:
        return None
    allowed = plan.limits.get("concurrency", "auto")
    at_once = 32 if allowed == "auto" else int(allowed)
    seconds = calls * probe.seconds / max(1, at_once)
    rpm = plan.limits.get("rpm")
    return max(seconds, calls / rpm * 60) if rpm else seconds
