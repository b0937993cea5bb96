"""What a plan will cost, before anything is asked: calls, tokens, dollars, smallest effect."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from heartloop.analysis.design import PowerPlan
from heartloop.analysis.power import Pilot
from heartloop.methods import TokenAverages, expected_calls, expected_tokens, render
from heartloop.run.claim import planned_claim
from heartloop.run.load import Prepared
from heartloop.run.pilot import Probe
from heartloop.run.plan import Plan
from heartloop.run.power import power_of
from heartloop.run.unit import LoadedTask
from heartloop.types import Arm

CHARS_PER_TOKEN = 4.0
TYPICAL_COMPLETION = 400  # tokens, where neither a pilot nor a smaller max_tokens says better
FREE = ("pocket", "server/", "vllm/", "hf/", "replay/")


@dataclass(frozen=True, slots=True)
class ArmEstimate:
    """Calls and tokens of one arm over all questions, seeds and models, were it run alone."""

    arm: str
    method: str
    role: str
    calls_least: int
    calls_most: int
    tokens_most: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan will cost.

    Attributes:
        calls_least, calls_most: over all arms; calls that arms share are counted once in both.
        tokens_most: prompt and completion, with completions of typical length.
        usd: dollars where every model's price is known, else None; 0 for local models.
        costs_money: a model that is billed is among them.
        power: what this design can detect (`heartloop.analysis.design.PowerPlan`), or None for
            a single arm.
        seconds: expected time at most, from a probe; None without one.
    """

    questions: int
    seeds: int
    models: int
    arms: tuple[ArmEstimate, ...]
    calls_least: int
    calls_most: int
    tokens_most: int
    usd: float | None
    costs_money: bool
    power: PowerPlan | None
    seconds: float | None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


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
    """
    plan = prepared.plan
    repeats = len(plan.models) * len(plan.seeds)
    averages = [_averages(task, probe) for task in prepared.tasks]
    arms = [_arm(prepared, arm, repeats, averages) for arm in plan.arms]
    shared = _shared_first_calls(plan.arms) * prepared.questions * repeats
    calls_most = sum(a.calls_most for a in arms) - shared
    calls_least = max(sum(a.calls_least for a in arms) - shared, 0)
    tokens = sum(a.tokens_most for a in arms)
    billed = [m for m in plan.models if not m.startswith(FREE)]
    return Estimate(
        questions=prepared.questions,
        seeds=len(plan.seeds),
        models=len(plan.models),
        arms=tuple(arms),
        calls_least=calls_least,
        calls_most=calls_most,
        tokens_most=tokens,
        usd=_dollars(prepared, tokens) if billed else 0.0,
        costs_money=bool(billed),
        power=power_of(
            planned_claim(prepared),
            prepared.questions,
            len(plan.seeds),
            units=len({task.card.suite or task.card.name for task in prepared.tasks}),
            pilot=noise[0] if noise else None,
            source=noise[1] if noise else "",
            target=target,
        ),
        seconds=_seconds(plan, calls_most, probe),
    )


def _seconds(plan: Plan, calls: int, probe: Probe | None) -> float | None:
    """Calls at the probe's latency, as many at once as allowed (32 where that finds itself)."""
    if probe is None:
        return None
    allowed = plan.limits.get("concurrency", "auto")
    at_once = 32 if allowed == "auto" else int(allowed)
    seconds = calls * probe.seconds / max(1, at_once)
    rpm = plan.limits.get("rpm")
    return max(seconds, calls / rpm * 60) if rpm else seconds


def _averages(task: LoadedTask, probe: Probe | None) -> TokenAverages:
    """Tokens of a first prompt and its answer: the probe's, else from the prompts' lengths."""
    if probe is not None:
        return probe.tokens
    questions = task.data.questions
    sample = questions[:: max(1, len(questions) // 50)]
    chars = sum(sum(len(m.content) for m in render(q, (), "after_input")) for q in sample)
    answer = min(task.sampling.max_tokens or TYPICAL_COMPLETION, TYPICAL_COMPLETION)
    return TokenAverages(chars / len(sample) / CHARS_PER_TOKEN, float(answer))


def _arm(prepared: Prepared, arm: Arm, repeats: int, averages: list[TokenAverages]) -> ArmEstimate:
    least = most = tokens = 0
    selector = prepared.plan.selector
    for task, average in zip(prepared.tasks, averages, strict=True):
        low, high = expected_calls(arm, task.mode, selector)
        n = len(task.data.questions) * repeats
        least += low * n
        most += high * n
        tokens += expected_tokens(arm, task.mode, average)[1].total * n
    if arm.gated:
        least = 0  # asked only where a claim stands
    return ArmEstimate(arm.name, arm.method, arm.role, least, most, tokens)


def _shared_first_calls(arms: tuple[Arm, ...]) -> int:
    """How many first calls of a question other arms get for nothing."""
    firsts = [
        (
            tuple((s.sha256, s.joiner) for s in arm.stimuli),
            arm.placement if arm.stimuli else "",
            arm.method,
        )
        for arm in arms
        if not arm.params.get("draw") and arm.method not in ("cot", "emotional_cot", "knowledge")
    ]
    return len(firsts) - len({(texts, place) for texts, place, _ in firsts})


def _dollars(prepared: Prepared, tokens: int) -> float | None:
    from heartloop.calls import load_prices, price_of

    limits, models = prepared.plan.limits, prepared.plan.models
    own = load_prices(Path(limits["prices"])) if limits.get("prices") else None
    total = 0.0
    for model in models:
        if model.startswith(FREE):
            continue
        price = price_of(model, own)
        if price is None:
            return None
        total += tokens / len(models) * max(price.prompt, price.completion)
    return total
