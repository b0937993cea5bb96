"""Ten stimuli that do nothing, and how "the best of ten" makes them look like +4 points.

    python docs/examples/best_of_ten.py [--quick]

Simulates a control and ten arms whose true accuracy on every question is that of the control, as
sampling at a temperature would give it, and reads each experiment with
``heartloop.analysis.best_of_arms``. Prints a Markdown table; the seed is fixed.
"""

from __future__ import annotations

import sys

import numpy as np

from heartloop.analysis import best_of_arms

ARMS = 10
TASKS, QUESTIONS = 24, 90
WORLDS = 100
QUICK = 20


def experiment(rng: np.random.Generator, questions: int) -> np.ndarray:
    """Correctness of the control (row 0) and ten useless arms, shape (11, questions)."""
    # Most questions are nearly always right or nearly always wrong: about 17 % of the answers
    # differ between two draws of the same prompt.
    rate = rng.beta(0.25, 0.25, questions)
    return (rng.random((ARMS + 1, questions)) < rate).astype(float)


def rows(found: list) -> list[tuple[str, np.ndarray]]:
    """What each way of reading says, one value an experiment."""
    table = [
        ("best stimulus of each task, chosen on its test items", "per_task_maximum"),
        ("best stimulus overall, chosen on the test items", "selected_maximum"),
        ("the same maximum, predicted from noise alone", "noise_maximum"),
        ("chosen on one half, measured on the other", "held_out"),
        ("cross-fitted over questions", "cross_fitted"),
        ("cross-fitted over tasks", "over_tasks"),
    ]
    out = []
    for label, name in table:
        values = [getattr(best, name) for best in found]
        if values[0] is None:
            continue
        out.append((label, np.array([getattr(v, "gain", v) for v in values], dtype=float)))
    return out


def main() -> None:
    """Print the table."""
    worlds = QUICK if "--quick" in sys.argv else WORLDS
    rng = np.random.default_rng(20230714)
    tasks = np.repeat(np.arange(TASKS), QUESTIONS)
    suite = [
        best_of_arms(experiment(rng, len(tasks)), tasks=tasks, repeats=5) for _ in range(worlds)
    ]
    one = [best_of_arms(experiment(rng, QUESTIONS), repeats=5) for _ in range(5 * worlds)]
    lines = ["| gain over the control, points | one task | 24 tasks | true |", "|---|---|---|---|"]
    single = dict(rows(one))
    for label, values in rows(suite):
        left = f"{100 * single[label].mean():+.1f}" if label in single else ""
        lines.append(f"| {label} | {left} | {100 * values.mean():+.1f} | 0 |")
    covered = np.mean(
        [b.cross_fitted.low <= 0 <= b.cross_fitted.high for b in suite]  # type: ignore[operator]
    )
    lines.append("")
    lines.append(
        f"Means of {5 * worlds} and {worlds} experiments; the cross-fitted 95 % interval "
        f"holds 0 in {covered:.0%} of the latter."
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
