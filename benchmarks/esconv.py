"""The built ESConv sets beside the paper's mix of labels, and what the analysis of them costs.

    python benchmarks/esconv.py --data DIR [--draws 1000]

Prints the size and the label shares of the three sets and of their union, beside those of the 1,611
items of the published test vector; the figures of random predictors on them; and the time of 1,000
bootstrap resamples over conversations. Shares and figures are exact, times are this machine's.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np

from heartloop.analysis.preference import (
    LABELS,
    confusion_matrix,
    conversation_confusions,
    maximum_likelihood,
    preference_bias,
    preference_scores,
    reference_bias,
)
from heartloop.data import load_data, resolve_tasks

PAPER = (276, 111, 184, 203, 295, 258, 184, 100)
"""Golds of the published test vector, in the order of the labels."""


def row(name: str, counts: np.ndarray, conversations: int | str) -> str:
    shares = " | ".join(f"{100 * c / counts.sum():.1f}" for c in counts)
    return f"| {name} | {int(counts.sum()):,} | {conversations} | {shares} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", required=True, help="folder with esconv/")
    parser.add_argument("--draws", type=int, default=1000)
    options = parser.parse_args()
    gold, talks, hashes = [], [], []
    print(f"| set | items | conversations | {' | '.join(LABELS)} |")
    print("|---" * (3 + len(LABELS)) + "|")
    for card in resolve_tasks("esconv", data_dir=options.data):
        data = load_data(card, data_dir=options.data)
        labels = [LABELS.index(data.golds[q.id].answers[0]) for q in data.questions]
        gold += labels
        talks += [str(q.cluster) for q in data.questions]
        own = len({q.cluster for q in data.questions})
        print(row(card.name, np.bincount(labels, minlength=8), own))
        hashes += [f"{card.name}: {note}" for note in data.notes if "sha256" in note]
    counts = np.bincount(gold, minlength=8)
    print(row("esconv, all three", counts, len(set(talks))))
    print(row("paper, test vector", np.array(PAPER), "130"))
    print("\n" + "\n".join(hashes))
    shares = counts / counts.sum()
    print("\n| random predictor | Q % | B | 95 % of B |\n|---|---|---|---|")
    for name, chance in (("uniform", None), ("gold-marginal", shares)):
        for what, mix in (("built sets", counts), ("paper", np.array(PAPER))):
            share = None if chance is None else mix / mix.sum()
            r = reference_bias(mix, share)
            span = f"{r.low:.3f}–{r.high:.3f}"
            print(f"| {name}, {what} | {100 * r.macro:.2f} | {r.mean:.3f} | {span} |")
    rng = np.random.default_rng(0)
    given = np.where(rng.random(len(gold)) < 0.2, gold, rng.choice(8, len(gold), p=shares[::-1]))
    w = confusion_matrix(given, gold, 8)
    by = conversation_confusions(given, gold, talks, 8)
    start = time.perf_counter()
    report = preference_bias(by_conversation=by, draws=options.draws)
    seconds = time.perf_counter() - start
    print(f"\n{options.draws} resamples of {len(by)} conversations, with both references and "
          f"every interval: {seconds:.2f} s (B {report.preference.bias:.3f})")  # fmt: skip
    p20, p1000, direct = preference_scores(w), preference_scores(w, 1000), maximum_likelihood(w)
    print(f"p after 20 iterations against 1,000: at most {np.abs(p20 - p1000).max():.1e} apart")
    if direct is not None:
        print(f"against direct maximum likelihood: {np.abs(p1000 - np.array(direct)).max():.1e}")
    print(f"items a conversation: {max(Counter(talks).values())} at most")


if __name__ == "__main__":
    main()
