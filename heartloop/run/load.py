"""Opens what a plan names: tasks with data and graders, models, the client."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heartloop.calls import Caps, Client, Journal, Limits, load_prices
from heartloop.calls.prices import Price, price_of
from heartloop.cards import TaskCard
from heartloop.data import TaskData
from heartloop.data.perturb import OLD_ANSWER
from heartloop.errors import HeartloopError, UsageError
from heartloop.grading import Grader, MathPool, open_grader
from heartloop.grading.judge import Judge
from heartloop.models import ModelOptions, make_model
from heartloop.models.in_turn import take_turns
from heartloop.models.unasked import Unasked
from heartloop.models.urls import base_url
from heartloop.run.ask import judge_ask
from heartloop.run.claim import asked_questions
from heartloop.run.doors import verifier_card
from heartloop.run.folder import RunFolder
from heartloop.run.judges import (
    JudgeModel,
    judge_options,
    judge_price,
    judge_sampling,
    names_of,
)
from heartloop.run.layout import TaskFacts
from heartloop.run.plan import Plan
from heartloop.run.unit import LoadedTask
from heartloop.secrets import secret_fields
from heartloop.types import Mode, Model


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with its tasks loaded: what a dry run shows and what a run works on.

    Attributes:
        plan: what is asked.
        tasks: with their data and graders.
        models: those of the plan that the caller has opened; the others are made by their names.
        made_in: code of the caller's that holds what the plan names (``by``, ``program``,
            ``sha256``), so that only that code can go on with it; None where names are enough.
    """

    plan: Plan
    tasks: list[LoadedTask]
    models: Mapping[str, Model] = field(default_factory=dict)
    made_in: Mapping[str, str] | None = None

    @property
    def questions(self) -> int:
        """Questions over all tasks."""
        return sum(len(task.data.questions) for task in self.tasks)

    @property
    def private(self) -> bool:
        """Whether a task's texts are private: then the run folder is closed to others."""
        return any(task.card.options.get("private") for task in self.tasks)

    @property
    def units(self) -> int:
        """Questions × arms × models × seeds."""
        plan = self.plan
        return self.questions * len(plan.arms) * len(plan.models) * len(plan.seeds)


def prepare(plan: Plan, *, download: bool = True) -> Prepared:
    """Load the cards and the data of a plan; nothing is asked.

    Raises:
        UsageError: a card, a data set or an arm that cannot be used, and how to mend it.
    """
    from heartloop.methods import validate_arm
    from heartloop.methods.registry import check_helper

    for arm in plan.arms:
        check_helper(arm, plan.helper)
    tasks = load_tasks(plan, download=download)
    # The mode is the tasks' where the plan leaves it open, so arms are judged here once more.
    for mode in dict.fromkeys(task.mode for task in tasks):
        for arm in plan.arms:
            validate_arm(arm, mode)
    prepared = Prepared(plan, tasks)
    if plan.stop_when:
        from heartloop.run.claim import planned_claim
        from heartloop.run.decide import primary_contrasts

        primary_contrasts(planned_claim(prepared))
    return prepared


def planned_data(
    card: TaskCard,
    plan: Plan,
    asked: Sequence[Mapping[str, Collection[str]]],
    *,
    download: bool,
) -> TaskData:
    """The questions of a task that a plan asks.

    Args:
        card: of the task.
        plan: names data folder, limit, sample and demonstrations.
        asked: for each run of ``exclude_questions``, the ids that it asked, by task.
        download: fetch what is not at hand.

    Raises:
        DataError: the data are not there or not readable.
    """
    from heartloop.data import load_data

    return load_data(
        card,
        data_dir=plan.data_dir,
        practice=plan.practice,
        limit=plan.limit,
        sample=plan.sample,
        shots=plan.shots,
        shots_seed=plan.shots_seed,
        exclude=frozenset().union(*(found.get(card.name, ()) for found in asked)),
        shots_as=plan.shots_as,
        download=download,
    )


def load_tasks(plan: Plan, *, download: bool = True) -> list[LoadedTask]:
    """Cards, data and graders of every task of a plan.

    Raises:
        UsageError: a card or data set that cannot be used, or a mode that does not fit.
    """
    from heartloop.data import resolve_tasks

    model_options(plan)  # what cannot be used is refused before anything is written

    loaded = []
    names = set()
    asked = [asked_questions(Path(folder)) for folder in plan.exclude_questions]
    pool = MathPool()  # one set of workers for all tasks; started when first needed
    for card in resolve_tasks(",".join(plan.tasks), data_dir=plan.data_dir):
        if card.name in names:
            continue
        names.add(card.name)
        data = planned_data(card, plan, asked, download=download)
        card = data.card  # its verifier is settled, where the data decide it
        if not data.questions:
            raise UsageError(f"task {card.name}: no question is left to ask; raise --limit")
        verifier = plan.verifier or _own_verifier(card, data)
        # Params of the card are for the card's own verifier.
        params = dict(card.params) if verifier == card.verifier else {}
        grader = open_grader(verifier_card(verifier), params=params, pool=pool)
        _check_loglik(plan, grader)
        sampling = dataclasses.replace(card.sampling, **sampling_changes(plan))
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


def sampling_changes(plan: Plan) -> dict[str, Any]:
    """What a plan changes about a task's sampling; selectors that need log-probabilities ask so."""
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
    """The plan's mode, else the card's ``options.mode``, else oracle where no judge is needed.

    Raises:
        UsageError: oracle mode where what counts as an answer is no longer right.
    """
    if plan.mode == "oracle" and card.metric == OLD_ANSWER:
        raise UsageError(
            f"--mode oracle: a loop must not be told that an old answer of {card.name} is right; "
            "leave --mode out, each task then has its own"
        )
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


def judges_for(plan: Plan, tasks: Sequence[LoadedTask]) -> tuple[JudgeModel, ...]:
    """The panel of a run: the plan's; else the first model under test judges itself.

    Empty where no task needs a judge.
    """
    if all(automatic(task.grader) for task in tasks):
        return ()
    return plan.judge or (JudgeModel(plan.models[0]),)


def options_for(plan: Plan, model: str) -> ModelOptions:
    """How a model under test, a helper or a judge without a URL of its own is reached.

    A plan's base URLs are for its ``server/`` models; any other kind goes to its provider, unless
    the plan has no ``server/`` model, so that the URLs can only be meant for the models it tests.
    """
    options = model_options(plan)
    if model.startswith("server/"):
        return options
    if model in plan.models and not any(m.startswith("server/") for m in plan.models):
        return options
    return dataclasses.replace(options, base_urls=())


def make_client(
    plan: Plan,
    journal: Journal,
    tasks: Sequence[LoadedTask],
    *,
    opened: Mapping[str, Model] | None = None,
    in_waves: bool = False,
    **options: Any,
) -> tuple[Client, dict[str, JudgeModel]]:
    """The client over all models of a plan, the panel's included; and the panel by name.

    Args:
        plan: whose models.
        journal: where answers are found and written.
        tasks: whose judges.
        opened: models that are open already, by name.
        in_waves: vLLM models that do not fit on the cards together are asked one after another,
            and so are several in this process.
        **options: further ones of `heartloop.calls.Client`.

    Raises:
        UsageError: a model that cannot be asked, or dollars are capped and a price is unknown.
    """
    tested = list(dict.fromkeys([*plan.models, *([plan.helper] if plan.helper else [])]))
    replay = bool(options.get("replay_only"))
    panel = judges_for(plan, tasks)
    names = names_of(panel, tested)
    stays = {*names, *([plan.helper] if plan.helper else [])}
    models = dict(opened or {})
    if in_waves and not replay:
        here = [n for n in plan.models if n.startswith("hf/") and n not in {*stays, *models}]
        models |= take_turns(here, lambda name: _tested_model(plan, name, journal))
    for name in tested:
        if name not in models:
            models[name] = Unasked(name) if replay else _tested_model(plan, name, journal)
    own = load_prices(Path(plan.limits["prices"])) if plan.limits.get("prices") else {}
    prices = dict(own)
    for name in tested if plan.server.get("batch") else ():
        price = tested_price(plan, name, own)
        if price is not None:
            prices[name] = price
    for name, judge in zip(names, panel, strict=True):
        price = judge_price(judge) or price_of(judge.model, own)
        if price is not None:
            prices[name] = price
        if name not in models:
            models[name] = Unasked(name) if replay else judge_model(plan, judge)
    if sum(name.startswith("vllm/") for name in models) > 1 and not replay:
        from heartloop.models.vllm import share_cards

        share_cards(models, stays, in_waves=in_waves)
    given = plan.limits
    at_once = given.get("concurrency")
    if plan.server.get("batch"):
        from heartloop.calls.batches import MOST

        at_once = at_once or MOST
    caps = Caps(
        total_tokens=given.get("max_total_tokens") or None,
        usd=given.get("max_usd") or None,
        question_tokens=given.get("max_question_tokens") or None,
    )
    if replay:
        caps = Caps()  # nothing is asked, so nothing is spent
    client = Client(
        models,
        journal,
        limits=Limits(
            at_once or "auto",
            given.get("rpm") or None,
            given.get("tpm") or None,
        ),
        caps=caps,
        prices=prices,
        **options,
    )
    return client, dict(zip(names, panel, strict=True))


def _tested_model(plan: Plan, name: str, journal: Journal) -> Model:
    """A model under test or a helper; with ``batch`` behind its batch endpoint."""
    options = options_for(plan, name)
    if not options.batch:
        return make_model(name, options)
    from heartloop.calls.batches import Batched
    from heartloop.models.batch_shapes import shape_of

    return Batched(name, shape_of(name, options), journal.path.parent)


BATCH_SHARE = 0.5
"""What a batch's tokens cost, of the usual price, at OpenAI and at Anthropic."""


def tested_price(plan: Plan, name: str, own: Mapping[str, Price]) -> Price | None:
    """The price of a model under test: the user's as it is, the known one halved for batches."""
    price = price_of(name, own)
    if price is None or name in own or not plan.server.get("batch"):
        return price
    cached = None if price.cached is None else price.cached * BATCH_SHARE
    return Price(price.prompt * BATCH_SHARE, price.completion * BATCH_SHARE, cached)


def judge_model(plan: Plan, judge: JudgeModel) -> Model:
    """Open a judge at its own address, or where models of its kind are reached."""
    if judge.base_url is None:
        return make_model(judge.model, options_for(plan, judge.model))
    return make_model(judge.model, judge_options(judge, model_options(plan)))


def attach_judges(
    tasks: Sequence[LoadedTask], client: Client, panel: Mapping[str, JudgeModel]
) -> None:
    """Hand the panel to every grader that needs one."""
    for task in tasks:
        if not automatic(task.grader):
            card = task.grader.judge_spec().sampling
            task.grader.judge_ask = [
                Judge(name, judge_ask(client, name, judge_sampling(judge, card)))
                for name, judge in panel.items()
            ]


async def close_tasks(tasks: Sequence[LoadedTask]) -> None:
    """Stop the graders' workers."""
    for task in tasks:
        await task.grader.close()
        await task.grader.pool.close()


def tasks_at_hand(folder: RunFolder) -> list[LoadedTask]:
    """A run's tasks with their data, where these are as the run found them; else none.

    Nothing is fetched. The tasks are the caller's to close (`heartloop.run.load.close_tasks`).
    """
    from heartloop.run.plan import plan_from_dict
    from heartloop.run.tables import with_tables

    manifest = folder.manifest
    if "imported" in manifest or "made_in" in manifest:
        return []
    if not all(d["practice"] or Path(d["source"]).exists() for d in manifest["data"]):
        return []
    try:
        plan = plan_from_dict(manifest["plan"], str(folder.path))
        return load_tasks(with_tables(plan, folder.path, manifest), download=False)
    except (HeartloopError, OSError):
        return []


def task_facts(task: LoadedTask) -> TaskFacts:
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
        "frames": list(dict.fromkeys(q.meta["frame"] for q in data.questions if "frame" in q.meta)),
        "question_ids_sha256": question_hash([q.id for q in data.questions]),
        "licence": card.licence,
        "citation": card.citation,
        "private": bool(card.options.get("private")),
    }


def question_hash(ids: Sequence[str]) -> str:
    """Identity of a set of questions in order."""
    import hashlib

    return hashlib.sha256("\n".join(ids).encode()).hexdigest()
