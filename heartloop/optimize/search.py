"""A search over a plan's arms: through the client, the methods and the graders, into a run folder.

The folder is a run folder like any other (journal, manifest, verdicts, summary), so it can be
reported, compared and re-scored; ``search.json`` holds what the search found.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from heartloop.data.perturb import OLD_ANSWER
from heartloop.errors import UsageError
from heartloop.methods.prompt import phrase
from heartloop.optimize.claim import claim_of_winner
from heartloop.optimize.field import Field, Progress
from heartloop.optimize.order import question_order
from heartloop.optimize.propose import Parent, propose
from heartloop.optimize.racing import race
from heartloop.optimize.results import RaceOptions, RaceResult, RaceState
from heartloop.run.folder import RunFolder, write_json
from heartloop.run.load import Prepared
from heartloop.run.session import Session, open_session
from heartloop.run.totals import PROPOSING
from heartloop.run.unit import LoadedTask
from heartloop.types import (
    Address,
    Arm,
    Completion,
    Message,
    Question,
    Request,
    Sampling,
    Stimulus,
)

RESULT = "search.json"
STATE = "search_state.json"
KEPT = 4  # stimuli that a generation hands on


async def search(
    prepared: Prepared,
    folder: RunFolder,
    options: RaceOptions,
    *,
    per_task: bool = False,
    proposals: int = 0,
    generations: int = 1,
    split: int | None = None,
    command: str = "",
    progress: Progress | None = None,
    signals: bool = True,
    as_begun: bool = False,
) -> tuple[dict[str, Any], dict[str, Arm]]:
    """Search in a folder, from the start or from wherever it was interrupted.

    Args:
        prepared: a plan whose arms begin with "none", with its tasks loaded; one model, one seed.
        folder: a new folder, or that of an interrupted search of the same plan.
        options: how to search.
        per_task: a search of its own for every task, each at the whole error rate.
        proposals: phrases the model writes after each early generation; 0 for a plain search.
        generations: early generations, each raced on questions of its own before the last race.
        split: how many of the questions, from the first, the search may use; the others are for
            the final estimate. None: the search draws its own. Not with proposals or per task.
        command: the command line, for the manifest.
        progress: called with the client and the number of finished questions after each.
        signals: as for `open_session`.
        as_begun: as for `open_session`.

    Returns:
        What ``search.json`` holds: ``arms``, ``options``, ``searches`` (task or ``all`` to
        `RaceResult.to_dict`), ``generations`` (their rankings, and what was proposed, from whom,
        and refused), ``claims`` (the winner against none and its own placebos), ``stopped`` (why
        it ended early, or None); and all arms by name.

    Raises:
        UsageError: the plan cannot be searched.
        HeartloopError: it cannot go on; what was paid for is in the journal.
    """
    plan = prepared.plan
    if len(plan.models) != 1 or len(plan.seeds) != 1:
        raise UsageError("a search takes one model and one seed")
    for task in prepared.tasks:
        if task.card.metric == OLD_ANSWER:
            raise UsageError(
                f"--task {task.card.name}: counts old answers to changed numbers, which nobody "
                "wants more of; search on the task itself"
            )
    if proposals and not any(arm.stimuli for arm in plan.arms):
        raise UsageError("--propose: proposals are crossed from stimuli; name some with --stimuli")
    kept = {
        **dataclasses.asdict(options),
        "per_task": per_task,
        "proposals": proposals,
        "generations": generations,
    }
    found: dict[str, RaceResult] = {}
    arms = {arm.name: arm for arm in plan.arms}
    lineage: dict[str, list[dict[str, Any]]] = {}
    claims: dict[str, dict[str, Any]] = {}
    session: Session | None = None
    outcome: dict[str, Any] = {}
    try:
        async with open_session(
            prepared,
            folder,
            command=command,
            search=kept,
            signals=signals,
            as_begun=as_begun,
        ) as session:
            states = _read_states(folder.path / STATE)
            try:
                for name, items in _searches(prepared, per_task).items():
                    one = _Search(session, options, progress, states, name, split)
                    found[name] = await one.run(items, plan.arms, proposals, generations)
                    arms.update({arm.name: arm for arm in one.arms})
                    lineage[name] = one.lineage
                    if one.claim is not None:
                        claims[name] = one.claim
            except ValueError as error:
                raise UsageError(f"search: {error}") from error
    finally:
        if session is not None and folder.path.exists():
            outcome.update(
                run=folder.name,
                model=plan.models[0],
                arms=[_arm_facts(arm) for arm in arms.values()],
                options=session.manifest["search"],
                searches={name: result.to_dict() for name, result in found.items()},
                generations={name: made for name, made in lineage.items() if made},
                claims=claims,
                stopped=session.stopped,
            )
            write_json(folder.path / RESULT, outcome)
    return outcome, arms


class _Search:
    """One search: a race, or generations of arms and a last race."""

    def __init__(
        self,
        session: Session,
        options: RaceOptions,
        progress: Progress | None,
        states: dict[str, RaceState],
        name: str,
        split: int | None,
    ) -> None:
        self.split = split
        self.session, self.options, self.progress = session, options, progress
        self.path, self.states, self.name = session.folder.path / STATE, states, name
        self.arms: list[Arm] = []
        self.lineage: list[dict[str, Any]] = []
        self.claim: dict[str, Any] | None = None

    async def run(
        self,
        items: Sequence[tuple[LoadedTask, Question]],
        arms: Sequence[Arm],
        proposals: int,
        generations: int,
    ) -> RaceResult:
        """Race the arms; with proposals, let each early generation give rise to the next."""
        self.arms, now = list(arms), list(arms)
        if not proposals:
            result, _ = await self.race(items, now, self.name, estimate=True)
            await self.ask_placebos(items, result)
            return result
        order = question_order([task.card.name for task, _ in items], self.options.seed + 1)
        share = len(items) // (generations + 2)
        for number in range(1, generations + 1):
            mine = [items[q] for q in order[(number - 1) * share : number * share]]
            result, field = await self.race(mine, now, f"{self.name}/{number}", estimate=False)
            now = await self.next_generation(result, field, now, proposals, number)
        rest = [items[q] for q in order[generations * share :]]
        result, _ = await self.race(rest, now, self.name, estimate=True)
        await self.ask_placebos(rest, result)
        return result

    async def ask_placebos(
        self, items: Sequence[tuple[LoadedTask, Question]], result: RaceResult
    ) -> None:
        """The claim about the winner: against none and its own placebos, held-out questions."""
        leader = next(arm for arm in self.arms if arm.name == result.leader)
        state = self.states[self.name]
        self.claim = await claim_of_winner(
            self.session, items, leader, result, state, self.options, self.split
        )

    async def race(
        self,
        items: Sequence[tuple[LoadedTask, Question]],
        arms: Sequence[Arm],
        label: str,
        *,
        estimate: bool,
    ) -> tuple[RaceResult, Field]:
        """One race, kept under its label so that it can go on."""
        field = Field(self.session, arms, items, self.progress)
        result = await race(
            [arm.name for arm in arms],
            field,
            [task.card.name for task, _ in items],
            self.options,
            state=self.states.setdefault(label, RaceState()),
            save=lambda _: _write_states(self.path, self.states),
            search=self.split,
            estimate=estimate,
        )
        return result, field

    async def next_generation(
        self, result: RaceResult, field: Field, arms: Sequence[Arm], count: int, number: int
    ) -> list[Arm]:
        """The controls, the best of this generation, and what the model makes of them."""
        by_name = {arm.name: arm for arm in arms}
        model = self.session.prepared.plan.models[0]
        best = [
            (by_name[row.name], row.difference)
            for row in result.ranking
            if by_name[row.name].role == "treatment" and by_name[row.name].stimuli
        ][:KEPT]

        async def say(messages: tuple[Message, ...], draw: int) -> Completion:
            place = Address("optimize", f"{self.name}/generation-{number}", model, 0, draw)
            sampling = Sampling(temperature=1.0, max_tokens=1000)
            return await self.session.client.ask(
                Request(place, messages, sampling, purpose="synthesis", arm=PROPOSING)
            )

        made = await propose(
            say,
            [Parent(_joined(arm), difference) for arm, difference in best],
            count=count,
            number=number,
            model=model,
            known=[phrase(arm.stimuli) for arm in self.arms if arm.stimuli],
            failures=field.failed[:3],
        )
        new = [
            dataclasses.replace(best[0][0], name=stimulus.name, stimuli=(stimulus,))
            for stimulus in made.stimuli
        ]
        self.arms += new
        self.lineage.append(
            {
                "number": number,
                "ranking": result.to_dict()["ranking"],
                "proposed": [{"name": s.name, "text": s.text, "of": s.of} for s in made.stimuli],
                "refused": [{"text": text, "reason": reason} for text, reason in made.rejected],
            }
        )
        controls = [arm for arm in arms if arm.role != "treatment"]
        return [*controls, *(arm for arm, _ in best), *new]


def _joined(arm: Arm) -> Stimulus:
    """An arm's words as one stimulus."""
    first = arm.stimuli[0]
    names = "+".join(f"{s.set}:{s.id}" for s in arm.stimuli)
    owner, _, id = names.partition(":")
    return dataclasses.replace(first, set=owner, id=id, text=phrase(arm.stimuli))


def _searches(prepared: Prepared, per_task: bool) -> dict[str, list[tuple[LoadedTask, Question]]]:
    """The questions of each search, by its name."""
    whole: dict[str, list[tuple[LoadedTask, Question]]] = {}
    for task in prepared.tasks:
        name = task.card.name if per_task else "all"
        whole.setdefault(name, []).extend((task, question) for question in task.data.questions)
    return whole


def _arm_facts(arm: Arm) -> dict[str, Any]:
    return {
        "name": arm.name,
        "method": arm.method,
        "role": arm.role,
        "stimuli": [stimulus.name for stimulus in arm.stimuli],
        "text": " ".join(stimulus.text for stimulus in arm.stimuli),
        "placement": arm.placement,
        "params": dict(arm.params),
    }


def _read_states(path: Path) -> dict[str, RaceState]:
    """What batches cost when they were asked; the scores come from the journal again."""
    if not path.exists():
        return {}
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: RaceState(fingerprint=one["fingerprint"], costs=one["costs"])
            for name, one in raw.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not the state of a search; delete it to go on") from error


def _write_states(path: Path, states: dict[str, RaceState]) -> None:
    write_json(
        path, {n: {"fingerprint": s.fingerprint, "costs": s.costs} for n, s in states.items()}
    )
