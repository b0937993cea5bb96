"""Answers that are counted wrong and hold the right one: what a reader should look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from heartloop.grading.content.reading import fold
from heartloop.run.layout import Summary
from heartloop.types import Graded

if TYPE_CHECKING:
    from heartloop.run.unit import Unit

SHARE = 0.02
EXAMPLES = 3
HOLDING = "counted wrong, yet holding the right answer"
_WORDS = 40  # a longer text may name the answer on its way to another
_SHOWN = 100
_NOT_READ = ("judge", "choice_loglik", "mood", "patterns")


def held_gold(unit: Unit, text: str, judged: Graded | None) -> dict[str, str] | None:
    """The gold that a short answer holds as whole words although it was not counted right.

    Returns:
        Gold and answer for a person to look at (empty for private tasks); None where the answer is
        right, long, does not hold it, or is not read by words.
    """
    if judged is None or judged.own.outcome == "correct":
        return None
    if len(text.split(None, _WORDS)) > _WORDS:
        return None
    if unit.task.grader.verifier.kind in _NOT_READ:
        return None
    said = f" {fold(text)} "
    for gold in unit.gold.answers:
        words = fold(gold)
        if len(words) > 1 and f" {words} " in said:
            if unit.task.card.options.get("private"):
                return {}
            return {"gold": _short(gold), "answer": _short(text)}
    return None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


class Doubtful:
    """Counts such answers by task, and keeps those to the first questions as examples."""

    def __init__(self) -> None:
        """Nothing is counted yet."""
        self._wrong: Counter[str] = Counter()
        self._holding: Counter[str] = Counter()
        self._examples: dict[str, dict[str, tuple[int, str]]] = {}
        """By task: an answer, the place of its question, and the gold that it holds."""

    def add(self, final: Mapping[str, Any]) -> None:
        """Count the line that decides a question."""
        if final["outcome"] in ("correct", "error"):
            return
        task = str(final["task"])
        self._wrong[task] += 1
        held = final.get("holds_gold")
        if held is None:
            return
        self._holding[task] += 1
        if not held:
            return
        shown = self._examples.setdefault(task, {})
        answer, place = held["answer"], (final["index"], held["gold"])
        shown[answer] = min(place, shown.get(answer, place))
        if len(shown) > EXAMPLES:
            del shown[max(shown, key=lambda said: (shown[said], said))]

    def summary(self) -> dict[str, dict[str, Any]]:
        """Tasks with more than 2 % of such answers among those that were not counted right."""
        return {
            task: {
                "wrong": self._wrong[task],
                "holding": holding,
                "examples": [
                    {"gold": gold, "answer": answer}
                    for (_, gold), answer in sorted(
                        (place, answer) for answer, place in self._examples.get(task, {}).items()
                    )
                ],
            }
            for task, holding in sorted(self._holding.items())
            if holding > SHARE * self._wrong[task]
        }


def _worst(found: Mapping[str, Any]) -> tuple[str, Any]:
    return max(found.items(), key=lambda item: item[1]["holding"] / item[1]["wrong"])


def examples_line(summary: Summary, width: int) -> str:
    """The worst task's examples on one line of a screen, each cut around the gold it holds."""
    found = summary.get("doubtful") or {}
    examples = _worst(found)[1]["examples"] if found else []
    room = (width - 2) // EXAMPLES - 7
    shown = [f'"{_around(e["answer"], e["gold"], room)}"' for e in examples]
    return "  " + " · ".join(shown) if shown else ""


def _around(answer: str, gold: str, room: int) -> str:
    """So many characters of an answer, with the gold in their middle where it can be."""
    if len(answer) <= room:
        return answer
    at = max(answer.casefold().find(gold.casefold()), 0)
    start = max(0, min(at - (room - len(gold)) // 2, len(answer) - room))
    said = answer[start : start + room].strip()
    return ("…" if start else "") + said + ("…" if start + room < len(answer) else "")


def doubtful_warnings(summary: Summary) -> list[str]:
    """One line for all tasks, with the worst one's examples."""
    found = summary.get("doubtful") or {}
    if not found:
        return []
    name, worst = _worst(found)
    shown = "; ".join(f'"{e["answer"]}" for {e["gold"]}' for e in worst["examples"])
    more = f" (and {len(found) - 1} more tasks over 2 %)" if len(found) > 1 else ""
    share = worst["holding"] / worst["wrong"]
    return [
        f"{HOLDING}: {share:.0%} of them on {name}{more}; form "
        f"may be what is measured{': ' + shown if shown else ''}; one demonstration of the form "
        "for every arm (--shots 1) tells form and content apart"
    ]
