"""What a reader must be warned of before believing a summary: pure, from plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heartloop.run.doubtful import doubtful_warnings
from heartloop.run.layout import Manifest, Summary

if TYPE_CHECKING:
    from heartloop.run.results import ArmResults

CAP_SHARE = 0.02
UNSCORED_GAP = 0.02
READING_GAP = 0.01


def warnings_for(
    summary: Summary,
    manifest: Manifest,
    results: Sequence[ArmResults] = (),
) -> list[str]:
    """Warnings about a run, the gravest first; empty where there is nothing to warn of.

    Args:
        summary: as in ``summary.json``.
        manifest: of the same run.
        results: the run's arrays where they are at hand: they show repeated greedy runs whatever
            the temperature says.
    """
    return [line for one in warnings_by_kind(summary, manifest, results) for line in one.lines]


@dataclass(frozen=True, slots=True)
class Warned:
    """Warnings of one kind.

    Attributes:
        section: of the report, where what they speak of can be looked at.
        lines: the warnings; each says first what is wrong and where, then what to do about it.
    """

    section: str
    lines: tuple[str, ...]


def warnings_by_kind(
    summary: Summary,
    manifest: Manifest,
    results: Sequence[ArmResults] = (),
) -> list[Warned]:
    """The same warnings, one entry a kind, the gravest kind first."""
    rows = [row for row in summary["arms"] if row["trials"]]
    kinds = [
        ("Tasks", _chance(rows, manifest)),
        ("Answers", _unscored(rows, manifest)),
        ("Plan and provenance", _errors(rows)),
        ("Answers", _cap_hits(rows)),
        ("Plan and provenance", _asked(rows)),
        ("Claim", _readings(rows)),
        ("Answers", doubtful_warnings(summary)),
        ("Plan and provenance", [*_greedy(manifest, results), *_greedy_draws(manifest)]),
        ("Claim", _controls(rows)),
    ]
    return [Warned(section, tuple(dict.fromkeys(lines))) for section, lines in kinds if lines]


def _where(rows: Iterable[Mapping[str, Any]], all_rows: Sequence[Mapping[str, Any]]) -> str:
    """Arms by name, with their tasks and models where those differ; the first few of many."""
    several = len({r["task"] for r in all_rows}) > 1
    models = len({r["model"] for r in all_rows}) > 1
    names = [
        (f"{r['task']} " if several else "") + r["arm"] + (f" [{r['model']}]" if models else "")
        for r in rows
    ]
    if len(names) == len(all_rows) > 1:
        return f"all {len(names)} arms"
    if len(names) > 6:
        return f"{len(names)} of {len(all_rows)} arms" + (" × tasks" if several else "")
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _chance(rows: Sequence[Mapping[str, Any]], manifest: Manifest) -> list[str]:
    chance = {t["task"]: t.get("metric_low") or t.get("chance") or 0.0 for t in manifest["tasks"]}
    below = []
    for row in rows:
        level = chance.get(row["task"], 0.0)
        value = row["score"] if row["score"] is not None else row["accuracy"]
        # Two standard errors of chance itself, so that a fair coin is not warned of.
        if level and value < level - 2 * (level * (1 - level) / row["trials"]) ** 0.5:
            below.append(row)
    if not below:
        return []
    return [
        f"accuracy below chance: {_where(below, rows)}; the grading or the answer format is more "
        "likely at fault than the model"
    ]


def _lost(row: Mapping[str, Any]) -> float:
    return float(sum(row["unscored"].values()) / row["trials"])


def _groups(rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["task"], row["model"]), []).append(row)
    return list(groups.values())


def _unscored(rows: Sequence[Mapping[str, Any]], manifest: Manifest) -> list[str]:
    apart = []
    for group in _groups(rows):
        high, low = max(group, key=_lost), min(group, key=_lost)
        n = high["trials"] + low["trials"]
        pooled = (_lost(high) * high["trials"] + _lost(low) * low["trials"]) / n
        error = (pooled * (1 - pooled) * (1 / high["trials"] + 1 / low["trials"])) ** 0.5
        if _lost(high) - _lost(low) > max(UNSCORED_GAP, 2 * error):
            apart.append((_lost(high) - _lost(low), high, low))
    found = []
    if apart:
        _, high, low = max(apart, key=lambda one: one[0])
        where = f" on {high['task']}" if len(_groups(rows)) > 1 else ""
        more = f" (and {len(apart) - 1} more tasks)" if len(apart) > 1 else ""
        found.append(
            f"arms differ in unscored answers: {high['arm']} {_lost(high):.1%}, "
            f"{low['arm']} {_lost(low):.1%}{where}{more}; read 'of scored' beside 'of all'"
        )
    heavy = [row for row in rows if _lost(row) > 0.1]
    if heavy:
        verifiers = {t["task"]: t.get("verifier") for t in manifest["tasks"]}
        choices = any(verifiers[row["task"]] in ("choice", "choice_text") for row in heavy)
        loglik = (
            "; where the server gives log-probabilities, --verifier choice_loglik leaves none "
            "unscored"
        )
        found.append(
            f"more than 10% of the answers have no verdict: {_where(heavy, rows)}; "
            "heartloop report shows the reasons" + (loglik if choices else "")
        )
    return found


def _errors(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    heavy = [row for row in rows if row["error"] / row["trials"] > 0.01]
    if not heavy:
        return []
    return [
        f"more than 1% of the questions ended in call errors: {_where(heavy, rows)}; "
        "heartloop resume asks them again"
    ]


def _cap_hits(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    heavy = [r for r in rows if r["attempts"] and r["cap_hits"] / r["attempts"] > CAP_SHARE]
    if not heavy:
        return []
    worst = max(r["cap_hits"] / r["attempts"] for r in heavy)
    return [
        f"more than 2% of the answers were cut at max_tokens (up to {worst:.1%}): "
        f"{_where(heavy, rows)}; raise --max-tokens"
    ]


def _asked(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the server made us ask otherwise, and whether that was the same for every arm."""
    found = []
    for group in _groups(rows):
        group = [row for row in group if row["attempts"]]
        attempts = sum(row["attempts"] for row in group)
        where = f"{group[0]['task']}: " if group and len(_groups(rows)) > 1 else ""
        fitted = sum(row.get("fitted", 0) for row in group)
        if fitted:
            found.append(
                f"{where}max_tokens was fitted to the model's context for "
                f"{fitted / attempts:.0%} of the answers"
            )
        shares = [(row.get("fitted_short", 0) / row["attempts"], row["arm"]) for row in group]
        if shares and (high := max(shares))[0] - (low := min(shares))[0] > UNSCORED_GAP:
            found.append(
                f"{where}arms differ in answers that got less room because their prompts are long: "
                f"{high[1]} {high[0]:.1%}, {low[1]} {low[0]:.1%}"
            )
        for name in sorted({name for row in group for name in row.get("left_out", {})}):
            without = sum(row.get("left_out", {}).get(name, 0) for row in group)
            if name != "seed" and 0 < without < attempts:
                found.append(
                    f"{where}{without} of {attempts} answers were asked without {name}, which the "
                    "server does not take, the others with it: they are not drawn alike"
                )
    return found


def _readings(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Treatments whose difference to their first control changes its sign with the reading.

    Over all tasks of a model at once, nothing within its own noise, and one line for all of them.
    """
    found: list[tuple[float, str]] = []
    for model in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == model]
        controls = [row["arm"] for row in mine if row["role"] != "treatment"]
        plain = [row["arm"] for row in mine if row["role"] == "none"]
        for arm in dict.fromkeys(row["arm"] for row in mine if row["role"] == "treatment"):
            for control in (plain or controls)[:1]:
                (strict, content, n), (strict_0, content_0, n_0) = (
                    _pooled(mine, name) for name in (arm, control)
                )
                gaps = strict - strict_0, content - content_0
                noise = 2 * (0.5 / min(n, n_0)) ** 0.5 * (strict * (1 - strict) * 4) ** 0.5
                if gaps[0] * gaps[1] < 0 and abs(gaps[0] - gaps[1]) > max(READING_GAP, noise):
                    text = (
                        f"{arm} against {control} is {100 * gaps[0]:+.1f} points by the task's own "
                        f"metric, {100 * gaps[1]:+.1f} by content"
                    )
                    found.append((abs(gaps[0] - gaps[1]), text))
    if not found:
        return []
    more = f" (and {len(found) - 1} more arms)" if len(found) > 1 else ""
    return [f"the sign changes with the reading: {max(found)[1]}{more}"]


def _pooled(rows: Sequence[Mapping[str, Any]], arm: str) -> tuple[float, float, int]:
    """Accuracy by own metric and by content of one arm over its tasks, and its trials."""
    mine = [row for row in rows if row["arm"] == arm]
    n = sum(row["trials"] for row in mine)
    own = sum(row["accuracy"] * row["trials"] for row in mine) / n
    content = sum(row["accuracy_content"] * row["trials"] for row in mine) / n
    return own, content, n


def _greedy(manifest: Manifest, results: Sequence[ArmResults]) -> list[str]:
    seeds = manifest["plan"]["seeds"]
    if len(seeds) < 2:
        return []
    asked = manifest["plan"].get("sampling", {}).get("temperature")
    cold = [t["task"] for t in manifest["tasks"] if t["sampling"].get("temperature", asked) == 0]
    if cold:
        return [
            f"temperature 0: {len(seeds)} seeds of {', '.join(cold[:3])} are one run repeated; "
            "they are not counted as replicates"
        ]
    from heartloop.analysis import repeated_runs

    for part in results:
        # Answers and lengths stand for the texts here; compare looks at the texts themselves.
        seen = [
            [f"{part.classes[i, j, 0]}/{part.round_tokens[i, j, 0]}" for j in range(len(seeds))]
            for i in range(len(part.questions))
        ]
        if len(seen) >= 20 and len(repeated_runs(seen).keep) < len(seeds):
            return [
                f"the seeds' answers of {part.arm} are all but identical: does the server ignore "
                "temperature or seed? Copies are not counted as replicates"
            ]
    return []


def _greedy_draws(manifest: Manifest) -> list[str]:
    """Arms that draw several answers to one prompt at temperature 0, where all are the same."""
    asked = manifest["plan"].get("sampling", {}).get("temperature")
    if not any(t["sampling"].get("temperature", asked) == 0 for t in manifest["tasks"]):
        return []
    several = [
        arm["name"]
        for arm in manifest["plan"].get("arms", ())
        if arm["method"] in ("resample", "adaptive") or arm["params"].get("candidates", 1) > 1
    ]
    if not several:
        return []
    return [
        f"temperature 0: the draws of {', '.join(several[:4])} are one answer repeated, so they "
        "are no fair measure of resampling; raise --temperature"
    ]


def _controls(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    roles = {row["role"] for row in rows}
    if "treatment" not in roles:
        return []
    if len(roles) == 1:
        return ["no control was run: a gain of these arms cannot be told from that of asking again"]
    if roles <= {"treatment", "none", "again"}:
        return [
            "no matched control was run (resample, neutral, placebo …): a difference may come from "
            "more calls or more words rather than from feeling"
        ]
    return []
