"""From a plan to a finished run folder: open everything, run, and leave nothing half-written."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from heartloop.calls import Client
from heartloop.errors import Decided
from heartloop.run import pins
from heartloop.run.claim import read_claim
from heartloop.run.folder import MANIFEST, RunFolder
from heartloop.run.gate import Standing, decide_gate, first_arms
from heartloop.run.layout import Manifest, Summary
from heartloop.run.load import Prepared, prepare
from heartloop.run.pilot import fix_draws, needs_pilot
from heartloop.run.plan import Plan, recorded_plan
from heartloop.run.reserve import Reserve, begun_questions
from heartloop.run.runner import Runner
from heartloop.run.session import Session, open_session
from heartloop.run.tables import with_tables
from heartloop.run.unit import Unit, Units, count_questions, opening_order, units_of
from heartloop.types import Arm

if TYPE_CHECKING:
    from heartloop.run.decide import Decider

__all__ = ["Prepared", "execute", "prepare", "resume"]

Watch = Callable[[Runner, Client], contextlib.AbstractContextManager[None]]


async def execute(
    prepared: Prepared,
    folder: RunFolder,
    *,
    command: str = "",
    watch: Watch | None = None,
    shard: tuple[int, int] | None = None,
    signals: bool = True,
    as_begun: bool = False,
    standing: Standing | None = None,
) -> Summary:
    """Run a prepared plan in a folder, from the start or from wherever it was interrupted.

    Args:
        prepared: what `prepare` returned.
        folder: a new folder, or one with a manifest of the same plan.
        command: the command line, for the manifest.
        watch: a context manager that shows progress while the runner works.
        shard: (index, count) to work on one shard of the questions only.
        signals: turn the first Ctrl-C into a clean stop; as for `open_session`.
        as_begun: go on with the words that the manifest holds; `plan_of` has its parameters.
        standing: tells which claims stand once all other arms are finished, so that the gated
            arms of these are asked (`heartloop.report.findings.standing`); None asks none.

    Returns:
        The summary, as written to ``summary.json``; its ``stopped`` says whether the run ended.

    Raises:
        CircuitOpen: every request fails the same way; the summary is written before.
        HeartloopError: the run cannot go on; what was paid for is in the journal.
    """
    if shard is None and (folder.path / MANIFEST).exists():
        part = folder.manifest.get("shard")  # a shard that is gone on with
        shard = (int(part[0]), int(part[1])) if part else None
    async with open_session(
        prepared,
        folder,
        command=command,
        shard=shard,
        signals=signals,
        as_begun=as_begun,
        in_waves=True,
    ) as session:
        plan, client = prepared.plan, session.client
        runner = Runner(client, plan.selector, session.log)
        runner.max_unscored = plan.limits.get("max_unscored")
        runner.helper = plan.helper
        runner.live = session.kept.live

        def opening(model: str) -> list[tuple[str, str]]:
            return opening_order(prepared.tasks, model, plan.seeds, plan.order, shard)

        runner.opening = opening
        with watch(runner, client) if watch else contextlib.nullcontext():
            if needs_pilot(plan):
                plan, session.manifest["pilot"] = await fix_draws(prepared, client)
                session.manifest["plan"] = plan.to_dict()
                session.manifest["meaning"] = pins.meaning_of(plan)
                session.save()
            runner.decider = _decider(plan, prepared, session.manifest, shard)
            runner.reserve = _reserve(prepared, client, session.asked)

            questions = count_questions(prepared.tasks, shard)
            waves = client.waves(plan.models)
            kept = session.kept
            # Where the order matters, to caps or to GPUs too, old answers are graded in their turn.
            one_by_one = not kept.any_order or runner.reserve is not None or len(waves) > 1
            beside = Units() if one_by_one else kept.again

            async def run(arms: Sequence[Arm], done: int) -> int:
                def units(models: Sequence[str], *without: Units) -> Iterator[Unit]:
                    settled = (plan.seeds, arms, shard, plan.order, plan.draws)
                    return units_of(prepared.tasks, models, *settled, without=without)

                def wave_by_wave() -> Iterator[Unit]:
                    for wave in waves:
                        yield from units(wave, kept.stay, beside)
                        if len(waves) > 1:
                            runner.release(wave)

                total = done + len(plan.models) * len(plan.seeds) * len(arms) * questions
                again = (u for u in units(plan.models, kept.stay) if beside.has(*u.name))
                await runner.run(wave_by_wave(), total, again if len(beside) else ())
                return total

            first = first_arms(plan, session.manifest)
            try:
                done = await run(first, 0)
            except Decided:
                _close_gate(session, plan, ())
                raise
            if len(first) < len(plan.arms):
                session.log.flush()
                stands = standing(folder) if standing is not None else ()
                if asked := _close_gate(session, plan, stands):
                    await run(asked, done)
    return session.summary


def _close_gate(session: Session, plan: Plan, standing: Collection[str]) -> tuple[Arm, ...]:
    """Write down which gated arms are asked, and return them."""
    if "gate" in session.manifest or not any(arm.gated for arm in plan.arms):
        return ()
    asked = decide_gate(plan, session.manifest, standing)[1]
    session.save()
    return asked


def _decider(
    plan: Plan, prepared: Prepared, manifest: Manifest, shard: tuple[int, int] | None
) -> Decider | None:
    if plan.stop_when != "decided":
        return None
    from heartloop.run.decide import Decider

    clusters = {
        (task.card.name, question.id): question.cluster or question.id
        for task in prepared.tasks
        for question in task.data.questions
    }
    order = [
        (model, task, question, clusters[task, question])
        for model in plan.models
        for task, question in opening_order(prepared.tasks, model, plan.seeds, plan.order, shard)
    ]
    return Decider(read_claim(manifest), order, plan.seeds)


def _reserve(prepared: Prepared, client: Client, asked: bool) -> Reserve | None:
    """What keeps tokens for the questions that are open; None without a cap."""
    caps = client.ledger.caps
    if caps.total_tokens is None and caps.usd is None:
        return None
    from heartloop.run.estimate import estimate

    plan = prepared.plan
    guess = estimate(prepared).tokens / (prepared.questions * len(plan.models))
    begun = begun_questions(client.journal) if asked else set()
    return Reserve(client.ledger, guess, begun)


@dataclasses.dataclass(frozen=True, slots=True)
class Changes:
    """What may change about a run without changing what it asks.

    Attributes:
        limits, server: laid over the plan's own.
        data_dir: where the data are now.
        as_begun: go on with the words and parameters that the manifest holds.
    """

    limits: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    server: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    data_dir: str | None = None
    as_begun: bool = False

    def of(self, plan: Plan) -> Plan:
        """The plan with these changes."""
        return dataclasses.replace(
            plan,
            limits={**plan.limits, **self.limits},
            server={**plan.server, **self.server},
            data_dir=self.data_dir or plan.data_dir,
        )


def plan_of(folder: RunFolder, changes: Changes | None = None) -> Plan:
    """The plan of a run, with changes laid over its own."""
    manifest = folder.manifest
    plan = recorded_plan(manifest, str(folder.path / MANIFEST))
    plan = with_tables(plan, folder.path, manifest, changes.data_dir if changes else None)
    if changes is not None and changes.as_begun:
        plan = pins.as_begun(plan, manifest.get("meaning") or {})
    return (changes or Changes()).of(plan)


async def resume(
    folder: RunFolder,
    *,
    changes: Changes | None = None,
    command: str = "",
    watch: Watch | None = None,
) -> Summary:
    """Go on with a run from its manifest alone.

    Raises:
        UsageError: cards or data differ from those the run was begun with.
    """
    return await execute(
        prepare(plan_of(folder, changes)),
        folder,
        command=command,
        watch=watch,
        as_begun=changes is not None and changes.as_begun,
    )
