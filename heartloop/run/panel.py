"""How far the judges of a panel agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from heartloop.grading.judge import labels_by_judge

Pairs = dict[tuple[str, str, str, str], Counter[tuple[str, str]]]
"""(task, axis, judge, other judge) → how often the one said this and the other that."""


def count_pairs(pairs: Pairs, task: str, detail: str) -> None:
    """Count what the judges of one verdict said, two by two."""
    if "; by " not in detail:
        return
    said = labels_by_judge(detail)
    for (a, first), (b, second) in combinations(said.items(), 2):
        for axis in first.keys() & second.keys():
            key = (task, axis, a, b)
            pairs.setdefault(key, Counter())[first[axis], second[axis]] += 1


def cohen_kappa(counts: Mapping[tuple[str, str], int]) -> float | None:
    """Cohen's κ of two raters (Cohen 1960): agreement beyond that of chance; None where undefined.

    Args:
        counts: (label of the one, label of the other) → how often.
    """
    n = sum(counts.values())
    if not n:
        return None
    first: Counter[str] = Counter()
    second: Counter[str] = Counter()
    for (a, b), count in counts.items():
        first[a] += count
        second[b] += count
    chance = sum(first[label] * second[label] for label in first) / n**2
    equal = sum(count for (a, b), count in counts.items() if a == b) / n
    return None if chance == 1.0 else (equal - chance) / (1.0 - chance)


def panel_rows(pairs: Pairs) -> list[dict[str, Any]]:
    """Agreement of every pair of judges on every axis, for ``summary.json``."""
    return [
        {
            "task": task,
            "axis": axis,
            "judges": [a, b],
            "n": sum(counts.values()),
            "equal": sum(c for (x, y), c in counts.items() if x == y) / sum(counts.values()),
            "kappa": cohen_kappa(counts),
        }
        for (task, axis, a, b), counts in sorted(pairs.items())
    ]
