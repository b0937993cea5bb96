"""Opens what a plan names: tasks with data and graders, models, the client."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heartloop.calls import Caps, Client, Journal, Limits, load_prices
from heartloop.cards import TaskCard
from heartloop.data import TaskData
from heartloop.errors import UsageError
from heartloop.grading import Grader, MathPool, open_grader
from heartloop.models import ModelOptions, make_model
from heartloop.models.urls import base_url
from heartloop.run.ask import judge_ask
from heartloop.run.claim import asked_questions
from heartloop.run.plan import Plan
from heartloop.run.unit import LoadedTask
from heartloop.secrets import secret_fields
from heartloop.types import Mode, Sampling

JUDGE_SAMPLING = Sampling(temperature=0.0, max_tokens=1024)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with its tasks loaded: what a dry run shows and what a run works on."""

    plan: Plan
    tasks: list[LoadedTask]

    @property
    def questions(self) -> int:
        """Questions over all tasks."""
        return sum(len(task.data.questions) for task in self.tasks)

    @property
    def units(self) -> int:
        """Questions × arms × models × seeds."""
        plan = self.plan
        return self.questions * len(plan.arms) * len(plan.models) * len(plan.seeds)


def prepare(plan: Plan) -> Prepared:
    """Load the cards and the data of a plan; nothing is asked.

    Raises:
        UsageError: a card, a data set or an arm that cannot be used, and how to mend it.
    """
    from heartloop.methods import validate_arm

    tasks = load_tasks(plan)
    # The mode is the tasks' where the plan leaves it open, so arms are judged here once more.
    for mode in dict.fromkeys(task.mode for task in tasks):
        for arm in plan.arms:
            validate_arm(arm, mode)
    return Prepared(plan, tasks)


def load_tasks(plan: Plan) -> list[LoadedTask]:
    """Cards, data and graders of every task of a plan.

    Raises:
        UsageError: a card or data set that cannot be used, or a mode that does not fit.
    """
    from heartloop.data import load_data, resolve_tasks

    model_options(plan)  # what cannot be used is refused before anything is written

    loaded = []
    names = set()
    asked = [asked_questions(Path(folder)) for folder in plan.exclude_questions]
    pool = MathPool()  # one set of workers for all tasks; started when first needed
    for card in resolve_tasks(",".join(plan.tasks), data_dir=plan.data_dir):
        if card.name in names:
            continue
        names.add(card.name)
        data = load_data(
            card,
            data_dir=plan.data_dir,
            practice=plan.practice,
            limit=plan.limit,
            sample=plan.sample,
            shots=plan.shots,
            shots_seed=plan.shots_seed,
            exclude=frozenset().union(*(found.get(card.name, ()) for found in asked)),
            shots_as=plan.shots_as,
        )
        card = data.card  # its verifier is settled, where the data decide it
        if not data.questions:
            raise UsageError(f"task {card.name}: no question is left to ask; raise --limit")
        verifier = plan.verifier or _own_verifier(card, data)
        # Params of the card are for the card's own verifier.
        params = dict(card.params) if verifier == card.verifier else {}
        grader = open_grader(verifier, params=params, pool=pool)
        _check_loglik(plan, grader)
        sampling = dataclasses.replace(card.sampling, **_sampling(plan))
        loaded.append(LoadedTask(card, data, grader, sampling, mode_of(plan, grader, card)))
    return loaded


def _own_verifier(card: TaskCard, data: TaskData) -> str:
    """The card's verifier; a practice set with exact answers needs no judge."""
    practice = card.options.get("practice_verifier")
    return str(practice) if data.practice and practice else card.verifier


def _check_loglik(plan: Plan, grader: Grader) -> None:
    """Refuse arms that a verifier which scores choices cannot serve."""
    if grader.verifier.kind != "choice_loglik":
        return
    for arm in plan.arms:
        if arm.method != "single":
            raise UsageError(
                f"arm {arm.name!r}: verifier {grader.verifier.name} scores the choices of a "
                f"single prompt and knows no {arm.method}; use --method single"
            )


def _sampling(plan: Plan) -> dict[str, Any]:
    from heartloop.methods import SELECTORS

    changes = dict(plan.sampling)
    if plan.mode != "oracle" and SELECTORS[plan.selector].logprobs:
        changes.setdefault("logprobs", True)
    if "stop" in changes:
        changes["stop"] = tuple(changes["stop"])
    return changes


def automatic(grader: Grader) -> bool:
    """Whether a verifier grades without asking a model."""
    return grader.verifier.kind != "judge"


def mode_of(plan: Plan, grader: Grader, card: TaskCard) -> Mode:
    """The plan's mode, else the card's ``options.mode``, else oracle where no judge is needed."""
    own: Mode | None = card.options.get("mode")
    return plan.mode or own or ("oracle" if automatic(grader) else "verifier-free")


def model_options(plan: Plan) -> ModelOptions:
    """Provider options of a plan.

    Raises:
        UsageError: an option that does not exist.
    """
    known = {f.name for f in dataclasses.fields(ModelOptions)}
    for name in plan.server:
        if name not in known:
            raise UsageError(f"server: unknown option {name!r}; known: {', '.join(sorted(known))}")
    if "api_key" in plan.server:
        raise UsageError(
            "server: api_key does not belong into a plan, which is written to the manifest; "
            "set HEARTLOOP_API_KEY"
        )
    held = secret_fields(plan.server.get("extra_body") or {})
    if held:
        raise UsageError(
            f"--extra-body: {held[0]} does not belong into a request that is written to the "
            "manifest and shown in the report; set HEARTLOOP_API_KEY"
        )
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in plan.server.items()
    }
    if "base_urls" in values:
        values["base_urls"] = tuple(str(base_url(url)) for url in values["base_urls"])
    return ModelOptions(**values)


def make_client(
    plan: Plan, journal: Journal, tasks: Sequence[LoadedTask], **options: Any
) -> tuple[Client, str | None]:
    """The client over all models of a plan, the judge's included; and the judge's name."""
    judge = plan.judge
    needs_judge = any(not automatic(task.grader) for task in tasks)
    if needs_judge and judge is None:
        # The model under test judges itself unless told otherwise; the report says so.
        judge = plan.models[0]
    further = [plan.helper, judge if needs_judge else None]
    names = list(dict.fromkeys([*plan.models, *(name for name in further if name)]))
    settings = model_options(plan)
    models = {name: make_model(name, settings) for name in names}
    prices = load_prices(Path(plan.limits["prices"])) if plan.limits.get("prices") else None
    caps = Caps(**{k: plan.limits[f"max_{k}"] for k in CAPS if plan.limits.get(f"max_{k}")})
    client = Client(
        models,
        journal,
        limits=Limits(**{k: plan.limits[k] for k in LIMITS if plan.limits.get(k)}),
        caps=caps,
        prices=prices,
        **options,
    )
    return client, judge if needs_judge else None


LIMITS = ("concurrency", "rpm", "tpm")
CAPS = ("total_tokens", "usd", "question_tokens")


def attach_judge(tasks: Sequence[LoadedTask], client: Client, judge: str) -> None:
    """Hand the judge to every grader that needs one."""
    for task in tasks:
        if not automatic(task.grader):
            task.grader.judge_ask = judge_ask(client, judge, JUDGE_SAMPLING)


async def close_tasks(tasks: Sequence[LoadedTask]) -> None:
    """Stop the graders' workers."""
    for task in tasks:
        await task.grader.close()
        await task.grader.pool.close()


def task_facts(task: LoadedTask) -> dict[str, Any]:
    """What the manifest and the summary say of a task."""
    card: TaskCard = task.card
    data = task.data
    return {
        "task": card.name,
        "suite": card.suite or None,
        "mode": task.mode,
        "card_sha256": card.sha256,
        "verifier": task.grader.verifier.name,
        "verifier_sha256": task.grader.verifier.sha256,
        "metric": card.metric,
        "metric_low": data.metric_low,
        "metric_high": data.metric_high,
        "chance": card.chance,
        # A temperature of 0 is a setting; nothing, false and empty are none.
        "sampling": {
            k: v
            for k, v in dataclasses.asdict(task.sampling).items()
            if v or (v == 0 and v is not False)
        },
        "shots": len(data.questions[0].demos),
        "shots_as": data.shots_as,
        "questions": len(data.questions),
        "items": len({q.cluster or q.id for q in data.questions})
        if card.family == "instruction_induction"  # an item asked in both orders is one item
        else len(data.questions),
        "question_ids_sha256": question_hash([q.id for q in data.questions]),
        "licence": card.licence,
        "citation": card.citation,
        "private": bool(card.options.get("private")),
    }


def question_hash(ids: Sequence[str]) -> str:
    """Identity of a set of questions in order."""
    import hashlib

    return hashlib.sha256("\n".join(ids).encode()).hexdigest()
