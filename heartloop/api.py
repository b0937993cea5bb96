"""The Python face: run, load, grade and optimize from a script or a notebook.

`import heartloop` loads none of this; the names are found on first use (`heartloop.run`, …).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heartloop.errors import UsageError
from heartloop.types import Completion, Gold, Graded, Question, RunState

if TYPE_CHECKING:
    from heartloop.report.shapes import Study
    from heartloop.run.plan import Plan


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands.

    Attributes:
        done, total: units (question × arm × model × seed).
        in_flight: calls being answered; tokens: used so far, prompt and completion.
    """

    done: int
    total: int
    in_flight: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder: what was asked, what came of it, and what may be said of it."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def state(self) -> RunState:
        """Whether it is whole, and if not, why."""
        from heartloop.run.folder import RunFolder
        from heartloop.run.status import run_state

        return run_state(RunFolder(self.folder))

    @property
    def summary(self) -> dict[str, Any]:
        """Figures of every arm on every task, as in ``summary.json`` (docs/schema.md).

        Raises:
            UsageError: the run has none yet.
        """
        from heartloop.run.folder import RunFolder

        found = RunFolder(self.folder).summary
        if found is None:
            raise UsageError(f"{self.folder}: no summary yet; heartloop score {self.folder}")
        return dict(found)

    @property
    def arms(self) -> dict[str, dict[str, Any]]:
        """The summary's rows by arm name; with several tasks or models, by ``task arm [model]``."""
        rows = self.summary["arms"]
        several = len({(r["task"], r["model"]) for r in rows}) > 1
        return {f"{r['task']} {r['arm']} [{r['model']}]" if several else r["arm"]: r for r in rows}

    @property
    def conclusion(self) -> str:
        """The one sentence that the run licenses."""
        from heartloop.report import conclude

        return conclude(self.folder)

    def table(self, *, texts: bool = True) -> list[dict[str, Any]]:
        """One row an answer, for ``pandas.DataFrame(run.table())``.

        Args:
            texts: with the model's text, the question and the golds (the task's data must still
                be where they were).

        Returns:
            Rows with ``task, question_id, arm, model, seed, round, draw, selected, verdict,
            reason, answer, score, content, form, tokens`` and, with texts, ``text, question,
            gold``.
        """
        from heartloop.report.export import rows
        from heartloop.run.folder import RunFolder

        folder = RunFolder(self.folder)
        known = _questions(folder) if texts else {}
        found = []
        for row in rows(folder, texts):
            line = {
                "task": row["task"],
                "question_id": row["question"],
                "arm": row["arm"],
                "role": row["role"],
                "model": row["model"],
                "seed": row["seed"],
                "round": row["round"],
                "draw": row["draw"],
                "selected": row["selected"],
                "verdict": row["outcome"],
                "reason": row["reason"],
                "answer": row["answer"],
                "score": row["score"],
                "content": row["content_outcome"],
                "form": row["form"],
                "tokens": (row["tokens_prompt"] or 0) + (row["tokens_completion"] or 0),
            }
            if texts:
                question, gold = known.get((row["task"], row["question"]), ("", ()))
                line |= {"text": row["text"], "question": question, "gold": gold}
            found.append(line)
        return found

    def compare(self, *others: Run | str, **options: Any) -> Study:
        """Paired comparisons: with the run's own controls, or with other runs (``RUN:ARM``).

        Args:
            *others: runs, folders or names.
            **options: as for `heartloop.report.study.compare_specs`.
        """
        from heartloop.report.study import compare_specs

        specs = [str(self.folder), *(str(o.folder if isinstance(o, Run) else o) for o in others)]
        return compare_specs(specs, self.folder.parent, **options)

    def report(self, output: str | Path | None = None) -> Path:
        """Write the page that opens offline; returns its path."""
        from heartloop.report.page import write_report
        from heartloop.run.folder import RunFolder

        return write_report([RunFolder(self.folder)], Path(output) if output else None)


def run(task: str | Sequence[str], model: str | Sequence[str] = "pocket", **options: Any) -> Run:
    """Run arms on a task and wait for it; usable inside a running event loop, too.

    Args:
        task: name, suite, or path of a table; several as a list.
        model: as after ``--model``; several as a list.
        **options: as for `run_async`.

    Raises:
        UsageError: something cannot be used, and how to mend it.
        HeartloopError: the run could not go on; what was paid for is in its folder.
    """
    from heartloop.grading.pairs import run_sync

    made: Run = run_sync(run_async(task, model, **options))
    return made


async def run_async(
    task: str | Sequence[str],
    model: str | Sequence[str] = "pocket",
    *,
    method: str | None = None,
    stimuli: str | Sequence[str] | None = None,
    controls: str = "matched",
    params: Mapping[str, Any] | None = None,
    base_url: str | Sequence[str] = (),
    runs: str | Path = "runs",
    name: str | None = None,
    progress: Callable[[Progress], None] | None = None,
    **plan: Any,
) -> Run:
    """Run arms on a task.

    Args:
        task: as for `run`.
        model: as for `run`.
        method: default ``single`` with stimuli, else ``heart``.
        stimuli: as after ``--stimuli``, or a list whose members may also be phrases of your own.
        controls: ``none``, ``lean``, ``matched`` or ``full``.
        params: the method's parameters (``{"rounds": 3}``).
        base_url: of ``server/`` models.
        runs: where run folders are.
        name: of the run folder.
        progress: called about twice a second, and at the end.
        **plan: further fields of `heartloop.run.plan.Plan` (``limit``, ``seeds``, ``practice``,
            ``data_dir``, ``sampling``, ``limits`` …).

    Returns:
        The finished run, or one stopped by a cap (``run.state`` says so).

    Raises:
        UsageError, HeartloopError: as for `run`.
    """
    from heartloop.run.execute import execute, prepare
    from heartloop.run.folder import new_folder, runs_dir

    prepared = prepare(_plan(task, model, method, stimuli, controls, params, base_url, plan))
    tasks = "+".join(card.card.name for card in prepared.tasks[:2]).replace("/", "-")
    folder = new_folder(runs_dir(runs), name, tasks)
    await execute(
        prepared,
        folder,
        command="heartloop.run(…)",
        watch=_watching(progress) if progress else None,
        signals=False,
    )
    return Run(folder.path)


def load(folder: str | Path, runs: str | Path = "runs") -> Run:
    """A run by its folder, its name, a unique part of its name, or ``last``.

    Raises:
        UsageError: there is none, or several.
    """
    from heartloop.run.folder import find_folder, runs_dir

    return Run(find_folder(str(folder), runs_dir(runs)).path)


def grade(
    text: str,
    gold: str | Sequence[str],
    verifier: str = "math",
    *,
    question: str = "",
    choices: Sequence[str] = (),
    **params: Any,
) -> Graded:
    """Grade one answer text: the own metric, the content, and whether the form was kept.

    Args:
        text: the model's whole answer.
        gold: the accepted answer, or several.
        verifier: name or path of a verifier card.
        question: its text, where the verifier reads it.
        choices: the choices shown, in order.
        **params: of the verifier (``tolerance``, ``unit`` …).
    """
    from heartloop.grading import open_grader
    from heartloop.grading.pairs import run_sync

    golds = (gold,) if isinstance(gold, str) else tuple(gold)

    async def judged() -> Graded:
        grader = open_grader(verifier)
        try:
            return await grader.grade(
                Question("q", "api", 0, question, choices=tuple(choices)),
                Gold("q", golds, params),
                Completion(text),
            )
        finally:
            await grader.close()

    found: Graded = run_sync(judged())
    return found


def optimize(
    task: str | Sequence[str],
    model: str = "pocket",
    *,
    stimuli: str | Sequence[str] | None = "emotionprompt",
    params: Mapping[str, Any] | None = None,
    base_url: str | Sequence[str] = (),
    runs: str | Path = "runs",
    name: str | None = None,
    delta: float = 0.05,
    error: float = 0.05,
    **plan: Any,
) -> Run:
    """Search for the stimulus worth using, or none; ``.conclusion`` says which.

    Args:
        task: as for `run`.
        model: one model.
        stimuli: as for `run`; an arm each.
        params: further parameters of the method.
        base_url: of a ``server/`` model.
        runs: where run folders are.
        name: of the run folder.
        delta: a gain not worth finding, a share.
        error: probability of a wrong answer.
        **plan: further fields of the plan.

    Raises:
        UsageError, HeartloopError: as for `run`.
    """
    from heartloop.grading.pairs import run_sync
    from heartloop.optimize.arms import search_arms
    from heartloop.optimize.results import RaceOptions
    from heartloop.optimize.search import search
    from heartloop.run.execute import prepare
    from heartloop.run.folder import new_folder, runs_dir

    made = _plan(task, model, "single", None, "none", params, base_url, plan)
    arms = search_arms(stimuli or "emotionprompt", params=params)
    prepared = prepare(dataclasses.replace(made, arms=tuple(arms)))
    folder = new_folder(runs_dir(runs), name, "search")
    options = RaceOptions(delta=delta, error=error)
    run_sync(search(prepared, folder, options, command="heartloop.optimize(…)", signals=False))
    return Run(folder.path)


def _plan(
    task: str | Sequence[str],
    model: str | Sequence[str],
    method: str | None,
    stimuli: Any,
    controls: str,
    params: Mapping[str, Any] | None,
    base_url: str | Sequence[str],
    fields: Mapping[str, Any],
) -> Plan:
    from heartloop.models.urls import base_url as normal_url
    from heartloop.run.arms import build_arms
    from heartloop.run.plan import Plan

    known = {f.name for f in dataclasses.fields(Plan)} - {"tasks", "models", "arms"}
    for field in fields:
        if field not in known:
            raise UsageError(f"{field}: no field of a plan; known: {', '.join(sorted(known))}")
    urls = (base_url,) if isinstance(base_url, str) else tuple(base_url)
    server = {
        **fields.get("server", {}),
        **({"base_urls": [normal_url(u) for u in urls]} if urls else {}),
    }
    models = _list(model)
    plain = {**fields, "server": server}
    if models == ("pocket",) and not fields.get("data_dir") and "practice" not in fields:
        plain["practice"] = not any("." in t for t in _list(task))
    return Plan(
        tasks=_list(task),
        models=models,
        arms=build_arms(
            method or ("single" if stimuli else "heart"),
            stimuli=stimuli,
            controls=controls,
            mode=fields.get("mode") or "oracle",
            params=params,
        ),
        **plain,
    )


def _list(value: str | Sequence[str]) -> tuple[str, ...]:
    return tuple(value.split(",")) if isinstance(value, str) else tuple(value)


def _questions(folder: Any) -> dict[tuple[str, str], tuple[str, tuple[str, ...]]]:
    """Question text and golds by (task, question id); empty where the data have moved."""
    from heartloop.errors import HeartloopError
    from heartloop.run.execute import plan_of, prepare
    from heartloop.run.trust import check_received

    try:
        check_received(folder.path, folder.manifest, asks=False)  # reading executes nothing foreign
        prepared = prepare(plan_of(folder), download=False)
    except HeartloopError:
        return {}
    return {
        (task.card.name, question.id): (question.input, task.data.golds[question.id].answers)
        for task in prepared.tasks
        for question in task.data.questions
    }


def _watching(progress: Callable[[Progress], None]) -> Any:
    """A watch that calls ``progress`` from the run's own loop."""

    @contextlib.contextmanager
    def watch(runner: Any, client: Any) -> Iterator[None]:
        def tell() -> None:
            stats = client.stats()
            live = runner.live
            progress(Progress(live.done, live.total, stats.in_flight, stats.tokens))

        async def ticking() -> None:
            while True:
                await asyncio.sleep(0.5)
                tell()

        task = asyncio.get_running_loop().create_task(ticking())
        try:
            yield
        finally:
            task.cancel()
            tell()

    return watch


def register(name: str, function: Any, **facts: Any) -> None:
    """Make an async function a method: ``(question, arm, ask, check=None) -> Trace``.

    Args:
        name: in arms and on the command line.
        function: the method (docs/extending.md).
        **facts: as for `heartloop.methods.register` (``params``, ``summary`` …).
    """
    from heartloop.methods import register as add

    add(name, **facts)(function)


def register_selector(name: str, function: Any, summary: str = "") -> None:
    """Make a function a selector of verifier-free runs.

    Args:
        name: on the command line.
        function: async, of a `heartloop.methods.selectors.Choice`; sets its ``selected``.
        summary: one line for people.
    """
    from heartloop.methods.selectors import SELECTORS, Selector

    if name in SELECTORS:
        raise UsageError(f"a selector named {name!r} is registered already")
    SELECTORS[name] = Selector(function, summary=summary)
