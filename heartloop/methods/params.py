"""Every parameter of a method: its default, what it means, and what values it takes."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from heartloop.methods.schedule_names import check_schedule


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a method.

    Attributes:
        default: its value where the arm says nothing.
        doc: what it means, for people.
        check: returns the value in its final form; raises ValueError with the remedy.
    """

    default: Any
    doc: str
    check: Callable[[Any], Any]


def _whole(least: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"give a whole number of at least {least}")
        return value

    return check


def _number(low: float, high: float, *, open_low: bool = False) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        right = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not right or not low <= value <= high or (open_low and value == low):
            span = f"{low:g} to {high:g}" if high < 1e9 else f"at least {low:g}"
            raise ValueError(f"give a number, {'above ' if open_low else ''}{span}")
        return float(value)

    return check


def _one_of(*choices: str) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in choices:
            near = difflib.get_close_matches(str(value), choices, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"give one of {', '.join(choices)}"
            raise ValueError(hint)
        return str(value)

    return check


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("give true or false")
    return value


def _temperatures(value: Any) -> tuple[float, ...]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return tuple(_number(0.0, 10.0)(one) for one in values)


def _texts(value: Any) -> str | dict[str, str]:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values()):
        return {str(key): text for key, text in value.items()}
    raise ValueError("give one text for all questions, or a mapping from question id to text")


def _traits(value: Any) -> tuple[float, ...]:
    if not isinstance(value, (list, tuple)) or len(value) not in (0, 5):
        raise ValueError(
            "give five numbers from -1 to 1: openness, conscientiousness, extraversion, "
            "agreeableness, emotional stability"
        )
    return tuple(_number(-1, 1)(one) for one in value)


def _optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("give a text")
    return value


def _traces(value: Any) -> dict[str, dict[str, tuple[float, float]]]:
    try:
        return {
            str(question): {
                str(name): (float(own), float(people)) for name, (own, people) in r.items()
            }
            for question, r in value.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            "give question id -> label -> [own, people], in percent, as heartloop esc RUN "
            "--write-traces FILE.json writes it"
        ) from error


def _tables(value: Any) -> dict[str, dict[str, tuple[float, ...]]]:
    try:
        return {
            str(table): {str(row): tuple(map(float, point)) for row, point in rows.items()}
            for table, rows in value.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError("give tables of rows of three numbers") from error


PARAMS: dict[str, Param] = {
    "draw": Param(0, "which draw of round 0 is asked for (the `again` control is 1)", _whole(0)),
    "draws": Param(
        5,
        "independent draws; a fraction gives that share of the questions one draw more, picked "
        "by question index, so that a budget of tokens is met on average",
        _number(1, 1e9),
    ),
    "rounds": Param(5, "feedback rounds after round 0", _whole(0)),
    "candidates": Param(1, "draws in every round", _whole(1)),
    "schedule": Param(
        "alternate",
        "how cues are chosen: alternate, static:EMOTION, cycle:A,B,…, random, state, contextual "
        "or bandit (oracle mode only)",
        check_schedule,
    ),
    "first_valence": Param(
        "critical", "side that `alternate` begins with", _one_of("critical", "encouraging")
    ),
    "history": Param(
        "full",
        "what the model is shown of earlier rounds: all, the last answer, or none",
        _one_of("full", "last", "none"),
    ),
    "layout": Param(
        "form-last",
        "what stands at the end of a feedback turn: the task's own answer form (cue, verdict and "
        "reflection before it), or the cue (`cue-last`: the form is not repeated)",
        _one_of("form-last", "cue-last"),
    ),
    "told_missing": Param(
        None,
        "the model is told that its answer was cut, is missing or is not in the form that was "
        "asked for, instead of incorrect; by itself with `form-last` only",
        _optional(_flag),
    ),
    "answer_by": Param(
        "content",
        "what counts as an answer for `goes_on`, `lost` and `told_missing`: whatever either "
        "reading finds (a bare 141 where a box was asked for), or what the task's own metric "
        "reads (`own`)",
        _one_of("content", "own"),
    ),
    "goes_on": Param(
        "answered",
        "the turn that a loop goes on from and hands in: the last one that holds an answer, or "
        "the newest, whatever it holds",
        _one_of("answered", "newest"),
    ),
    "lost": Param(
        2, "end as `lost` after this many turns in a row without an answer; 0: never", _whole(0)
    ),
    "told_wrong": Param(
        True,
        "oracle mode: the model is told that its answer was wrong; verifier-free mode never does",
        _flag,
    ),
    "temperatures": Param(
        (), "temperature of rounds 1, 2, …; the last goes on; none keeps the task's", _temperatures
    ),
    "stop": Param(
        "auto",
        "when to end before the last round: solved (oracle mode), stable (an answer that came "
        "twice in a row ends it, too), never; auto is solved with a verifier and never without",
        _one_of("auto", "solved", "stable", "never"),
    ),
    "cues": Param(None, "card of the cues where it is not the method's own", _optional(_text)),
    "order": Param(1, "`state`: order of the dynamics, 1 or 2", _whole(1)),
    "alpha": Param(0.5, "`state`, first order: weight of the newest attempt", _number(0, 1)),
    "mu": Param(
        0.6,
        "`state`, second order: momentum; 0.95 and more is reported not to recover",
        _number(0, 1),
    ),
    "gain": Param(0.5, "`state`, second order: pull of the newest attempt", _number(0, 10)),
    "dynamics": Param(
        "second",
        "`dialogue`: how the mood moves: first or second order, or none (nothing is told)",
        _one_of("none", "first", "second"),
    ),
    "told": Param(
        "line",
        "`dialogue`: how the model is told its mood: one line of the prompt, an emotional cue that "
        "answers it, or both",
        _one_of("line", "cue", "both"),
    ),
    "hears": Param(
        "both",
        "`dialogue`: what moves the mood: the user's turn, the model's own last answer, or both",
        _one_of("both", "user", "self"),
    ),
    "personality": Param(
        (),
        "`dialogue`: openness, conscientiousness, extraversion, agreeableness and emotional "
        "stability, -1 to 1 each: a constant offset of what is heard",
        _traits,
    ),
    "signal": Param(
        "text",
        "`state` and `contextual`: what moves them: how the attempt came out and the mood of its "
        "words, or how it came out alone (`verdict`), which in oracle mode hardly varies",
        _one_of("text", "verdict"),
    ),
    "tables": Param(
        None, "`state`: valence-arousal-dominance points in place of ours", _optional(_tables)
    ),
    "lag": Param(
        32,
        "`bandit`: a question learns from those at least this many places before it, whatever "
        "the concurrency, so that a resumed run takes the same decisions",
        _whole(1),
    ),
    "force": Param(
        "turn",
        "`budget_force`: ask in a further turn, or continue the model's own last message (the "
        "server must know continue_final_message)",
        _one_of("turn", "continue"),
    ),
    "threshold": Param(
        0.95,
        "`adaptive`: probability that the leading answer stays ahead at which to stop",
        _number(0.5, 1),
    ),
    "window": Param(4, "`adaptive`: draws asked for ahead of the decision", _whole(1)),
    "plan": Param(
        None, "`planner`: the plan, one text or one a question; none asks for it", _optional(_texts)
    ),
    "knowledge": Param(
        None, "`knowledge`: background, one text or one a question", _optional(_texts)
    ),
    "traces": Param(
        None,
        "`traces`: question id -> label -> the model's own share of it so far, and people's, in "
        "percent; written by heartloop esc RUN --arm ARM --write-traces FILE.json",
        _optional(_traces),
    ),
    "shuffled": Param(
        False,
        "`traces`: the own shares are shuffled over the labels, question by question (the control)",
        _flag,
    ),
}
"""Every parameter there is: the one place where defaults stand."""
