r"""``heartloop esc``: the preference-bias analysis of runs and of confusion matrices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from heartloop.cli._esc import (
    headline,
    label_table,
    print_differences,
    print_quality,
    print_ratings,
    print_whole,
    references,
    screen,
)
from heartloop.cli._judges import judge_options, judges_from
from heartloop.errors import UsageError

if TYPE_CHECKING:
    from heartloop.analysis.text_quality import ResponseQuality
    from heartloop.run.predictions import Predictions
    from heartloop.run.preference_bias import Difference
    from heartloop.run.response_quality import Ratings


@click.command("esc", short_help="Preference-bias analysis of emotional-support strategies.")
@click.argument("runs", nargs=-1)
@click.option("--task", metavar="T", help="Only this task or suite; without RUN: the last run.")
@click.option("--arm", "arms", multiple=True, metavar="NAME", help="Only these arms.")
@click.option(
    "--confusion",
    type=click.Path(dir_okay=False),
    metavar="FILE.csv",
    help="A confusion matrix instead of runs.",
)
@click.option("--data", type=click.Path(file_okay=False), help="Where the data are, if they moved.")
@click.option("--runs", "runs_dir", type=click.Path(file_okay=False), help="Where run folders are.")
@click.option("--draws", type=click.IntRange(10), default=1000, show_default=True, metavar="N",
              help="Bootstrap resamples of conversations.")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of the resampling.")
@click.option("--quality", is_flag=True, help="Score utterances: BLEU, ROUGE-L, Distinct.")
@judge_options
@click.option("--yes", is_flag=True, help="Do not ask before spending money.")
@click.option("--matrix", is_flag=True, help="Print everything and the confusion matrix.")
@click.option("--verbose", is_flag=True, help="Print every label, reference and test.")
@click.option("--write-plan", type=click.Path(dir_okay=False), metavar="FILE.json",
              help="Write one arm's strategies as a plan for --method planner.")  # fmt: skip
@click.option("--write-traces", type=click.Path(dir_okay=False), metavar="FILE.json",
              help="Write one arm's choices beside the base rate for --method traces.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def esc_command(**options: Any) -> None:
    """Does a model prefer some labels, whatever is called for?

    \b
    heartloop esc RUN                            Q, bias B, preference p, drift, paired differences
    heartloop esc RUN1 RUN2 --json               the same of several runs, as data
    heartloop esc --confusion FILE.csv           header predicted\\gold and the gold labels
    """
    if options["confusion"]:
        if options["runs"] or options["task"]:
            raise UsageError("--confusion: stands alone; leave out RUN and --task")
        _confusion(Path(options["confusion"]), options)
        return
    from heartloop.run.preference_bias import analyse, analysis_dict, difference_dict

    found = _predictions(options)
    if options["write_plan"]:
        _write_plan(found, Path(options["write_plan"]))
    if options["write_traces"]:
        _write_traces(found, options)
    analyses = [analyse(f, draws=options["draws"], seed=options["seed"]) for f in found]
    differences = _differences(found, options)
    quality = _quality(found, options) if options["quality"] else []
    ratings = _ratings(found, options) if options["judge"] else []
    if options["as_json"]:
        from dataclasses import asdict

        rows = [analysis_dict(a) for a in analyses]
        for row, marks in zip(rows, quality, strict=False):
            row["quality"] = asdict(marks)
        for row, rated in zip(rows, ratings, strict=False):
            row["ratings"] = asdict(rated)
        plain = {"arms": rows, "differences": [difference_dict(d) for d in differences]}
        click.echo(json.dumps(plain, indent=2))
        return
    if not (options["verbose"] or options["matrix"] or quality or ratings):
        screen(analyses, differences)
        return
    print_whole(analyses, options)
    for one, marks in zip(found, quality, strict=False):
        print_quality(marks, one.name)
    print_ratings(ratings)
    if differences:
        click.echo()
        print_differences(differences)


def _predictions(options: dict[str, Any]) -> list[Predictions]:
    from heartloop.cli._config import runs_folder
    from heartloop.run.folder import find_folder
    from heartloop.run.predictions import load_predictions

    place = runs_folder(options["runs_dir"])
    names = options["runs"]
    if not names and not options["task"]:
        raise UsageError("give a RUN (a name, a folder or last), --task or --confusion FILE.csv")
    if names:
        folders = list(
            {f.path.resolve(): f for f in (find_folder(n, place) for n in names)}.values()
        )
    else:
        folders = [_last_with(options["task"], place)]
    found = [
        one
        for folder in folders
        for one in load_predictions(folder, task=options["task"], data_dir=options["data"])
    ]
    known = {one.arm for one in found}
    for name in options["arms"]:
        if name not in known:
            raise UsageError(f"--arm {name}: no such arm; there are {', '.join(sorted(known))}")
    return [one for one in found if not options["arms"] or one.arm in options["arms"]]


def _last_with(task: str, place: Path) -> Any:
    """The newest run that has a task or suite."""
    from heartloop.run.folder import list_folders

    for folder in reversed(list_folders(place)):
        if any(task in (t["task"], t["suite"]) for t in folder.manifest["tasks"]):
            return folder
    raise UsageError(f"--task {task}: no run in {place}/ has it; heartloop status lists them")


def _write_plan(found: list[Predictions], path: Path) -> None:
    from heartloop.run.folder import write_json
    from heartloop.run.preference_bias import plan_of

    one = _only(found, "--write-plan")
    plan = plan_of(one)
    write_json(path, plan)
    click.echo(f"{path}: strategies of {one.name} for {len(plan)} questions", err=True)


def _write_traces(found: list[Predictions], options: dict[str, Any]) -> None:
    from heartloop.run.folder import write_json
    from heartloop.run.predictions import run_data
    from heartloop.run.preference_bias import base_rates, traces_of

    path = Path(options["write_traces"])
    one = _only(found, "--write-traces")
    (folder,) = _folders(found, options).values()
    spare = {
        name: data.demo_answers for name, data in run_data(folder, data_dir=options["data"]).items()
    }
    shares = traces_of(one, base_rates(one, spare))
    write_json(path, shares)
    click.echo(f"{path}: choices of {one.name} for {len(shares)} questions", err=True)


def _only(found: list[Predictions], flag: str) -> Predictions:
    if len(found) != 1:
        names = ", ".join(one.arm for one in found)
        raise UsageError(f"{flag}: takes one arm; choose it with --arm ({names})")
    return found[0]


def _differences(found: list[Predictions], options: dict[str, Any]) -> list[Difference]:
    """Every arm against the first that shares its questions: ``none`` where there is one.

    Behind them every treatment against the placebos of its run.
    """
    from heartloop.run.preference_bias import compare

    groups: dict[tuple[str, ...], list[Predictions]] = {}
    for one in found:
        groups.setdefault(one.labels, []).append(one)
    differences = []
    for group in groups.values():
        base = next((one for one in group if one.role == "none"), group[0])
        pairs = [(base, one) for one in group if one is not base]
        pairs += [
            (placebo, one)
            for one in group
            for placebo in group
            if one.role == "treatment" and placebo.role == "placebo" and one.run == placebo.run
        ]
        for first, second in pairs:
            made = compare(first, second, draws=options["draws"], seed=options["seed"])
            differences += [made] if made else []
    return differences


def _folders(found: list[Predictions], options: dict[str, Any]) -> dict[str, Any]:
    from heartloop.cli._config import runs_folder
    from heartloop.run.folder import find_folder

    place = runs_folder(options["runs_dir"])
    named = [find_folder(name, place) for name in options["runs"]]
    named = named or [_last_with(options["task"], place)]
    return {folder.name: folder for folder in named}


def _quality(found: list[Predictions], options: dict[str, Any]) -> list[ResponseQuality]:
    from heartloop.run.response_quality import response_quality

    folders = _folders(found, options)
    return [response_quality(folders[one.run], one, data_dir=options["data"]) for one in found]


def _ratings(found: list[Predictions], options: dict[str, Any]) -> list[Ratings]:
    import asyncio

    from heartloop.cli._money import confirm_cost
    from heartloop.run.response_quality import rate

    rated: list[Ratings] = []
    judges = judges_from(options)
    unpriced = [j.model for j in judges if not j.model.startswith(("pocket", "server/", "hf/"))]
    unpriced += [j.model for j in judges if j.base_url and "://127." not in j.base_url]
    cost = {"costs_money": bool(unpriced), "unpriced": unpriced}
    calls = sum(len(one.keys) for one in found) * len(judges)
    confirm_cost(cost, options["yes"], f"rating by judges, at most {calls:,} calls,")
    for name, folder in _folders(found, options).items():
        arms = [one for one in found if one.run == name]
        rated += asyncio.run(rate(folder, arms, judges, data_dir=options["data"]))
    return rated


# --- Printing ----------------------------------------------------------------------------


def _confusion(path: Path, options: dict[str, Any]) -> None:
    from heartloop.analysis.preference import preference_bias
    from heartloop.run.preference_bias import read_confusion, report_dict

    labels, counts = read_confusion(path)
    report = preference_bias(counts, labels, seed=options["seed"])
    if options["as_json"]:
        click.echo(json.dumps(report_dict(report, counts), indent=2))
        return
    click.echo(headline([(path.name, report, 0)]))
    label_table(report, counts)
    references([(path.name, report)], labels)
    for note in report.notes:
        click.echo(f"note: {note}")
