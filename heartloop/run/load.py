"""Opens what a plan names: tasks with data and graders, models, the client."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from heartloop.cards import TaskCard
from heartloop.cards.verifier import VerifierCard, load_verifier
from heartloop.data import TaskData
from heartloop.data.perturb import OLD_ANSWER
from heartloop.errors import HeartloopError, UsageError
from heartloop.grading import Grader, MathPool, open_grader
from heartloop.run.claim import asked_questions
from heartloop.run.clients import automatic, model_options
from heartloop.run.doors import verifier_card
from heartloop.run.folder import RunFolder
from heartloop.run.layout import TaskFacts
from heartloop.run.plan import Plan
from heartloop.run.unit import LoadedTask
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
    verifiers: dict[str, VerifierCard] = {}
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
        if verifier not in verifiers:
            opened = verifier_card(verifier)
            verifiers[verifier] = load_verifier(opened) if isinstance(opened, str) else opened
        grader = open_grader(verifiers[verifier], params=params, pool=pool)
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


async def close_tasks(tasks: Sequence[LoadedTask]) -> None:
    """Stop the graders' workers."""
    for task in tasks:
        await task.grader.close()
        await task.grader.pool.close()


def tasks_at_hand(folder: RunFolder, data_dir: str | None = None) -> list[LoadedTask]:
    """A run's tasks with their data, where these are as the run found them; else none.

    Nothing is fetched. The tasks are the caller's to close (`heartloop.run.load.close_tasks`).

    Args:
        folder: the run.
        data_dir: where the data are now, if they moved.
    """
    from heartloop.run.plan import plan_from_dict
    from heartloop.run.tables import with_tables

    manifest = folder.manifest
    if "imported" in manifest or "made_in" in manifest:
        return []
    try:
        plan = plan_from_dict(manifest["plan"], str(folder.path))
        plan = with_tables(plan, folder.path, manifest, data_dir)
        if data_dir:
            plan = dataclasses.replace(plan, data_dir=data_dir)
        tasks = load_tasks(plan, download=False)
    except (HeartloopError, OSError):
        return []
    known = {d["task"]: d["sha256"] for d in manifest["data"]}
    same = all(known.get(task.card.name) == task.data.sha256 for task in tasks)
    return tasks if same else []


def task_facts(task: LoadedTask) -> TaskFacts:
    """What the manifest and the summary say of a task."""
    card: TaskCard = task.card
    data = task.data
    slips = data.items.slips
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
        "shots": len(data.demos),
        "shots_as": data.shots_as,
        "questions": len(data.questions),
        "items": len({slip.row for slip in slips})
        if card.family == "instruction_induction"  # an item asked in both orders is one item
        else len(slips),
        "frames": list(dict.fromkeys(s.frame for s in slips if s.frame is not None)),
        "question_ids_sha256": question_hash(data.ids),
        "licence": card.licence,
        "citation": card.citation,
        "private": bool(card.options.get("private")),
    }


def question_hash(ids: Sequence[str]) -> str:
    """Identity of a set of questions in order."""
    import hashlib

    return hashlib.sha256("\n".join(ids).encode()).hexdigest()
