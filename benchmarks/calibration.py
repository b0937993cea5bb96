"""Do the tests and intervals of ``heartloop compare`` keep what they promise? By simulation.

Writes Markdown tables: false-positive rates of every test without an effect, of the equivalence
test at the edge of its region, coverage of Wilson's and of the difference's interval, power against
simulation, and the error rate of looking after every question. Every experiment goes through the
public functions.

    python benchmarks/calibration.py [--experiments 10000] [-o calibration.md] [--quick]
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np

from heartloop.analysis import paired, power, proportions, score, sequential
from heartloop.analysis._special import binom_pmf

TILT = 0.9  # how strongly a question leans to one arm over its seeds; the leanings cancel out
SIZES = (50, 200, 1000)
DISCORDANCES = (0.1, 0.3)


def mark(rate: float, low: float, high: float) -> str:
    return f"{100 * rate:.2f} {'✓' if low <= rate <= high else '✗'}"


def margins(experiments: int, nominal: float = 0.05) -> float:
    return 2 * math.sqrt(nominal * (1 - nominal) / experiments)


def single(n: int, d: float, delta: float, experiments: int, rng: np.random.Generator) -> dict:
    """One pair a question: only the two discordant counts matter, so equal tables are run once."""
    share = [(d + delta) / 2, (d - delta) / 2, 1 - d]
    tables = rng.multinomial(n, share, experiments)[:, :2]
    kinds, counts = np.unique(tables, axis=0, return_counts=True)
    rates = dict.fromkeys(("exact", "mid-p", "permutation", "bootstrap", "tost", "covered"), 0)
    for (b, c), count in zip(kinds.tolist(), counts.tolist(), strict=True):
        table = paired.PairTable(n - b - c, b, c, 0, n, 1.0)
        if delta:
            rates["tost"] += count * score.tost(table).equivalent
            continue
        test = paired.mcnemar(b, c)
        d_values = np.repeat([1, -1], [b, c])
        low, high = score.score_interval(table)
        sizes = [b, c, n - b - c]
        boot = paired.paired_bootstrap(
            np.repeat([1, 0, 0], sizes), np.repeat([0, 1, 0], sizes), draws=2000, seed=b * 1009 + c
        )
        rates["exact"] += count * (test.p <= 0.05)
        rates["mid-p"] += count * (test.mid_p <= 0.05)
        rates["permutation"] += count * (paired.permutation_test(d_values).mid_p <= 0.05)
        rates["bootstrap"] += count * (boot.p <= 0.05)
        rates["covered"] += count * (low <= 0 <= high)
    return {name: value / experiments for name, value in rates.items()}


def clustered(
    n: int, d: float, delta: float, experiments: int, rng: np.random.Generator, seeds: int = 3
) -> dict:
    """Three seeds a question: differences sit in few questions, each with a leaning of its own."""
    rates = dict.fromkeys(("exact", "mid-p", "permutation", "bootstrap", "tost", "covered"), 0)
    active = min(1.0, 2 * d)
    rate = d / active
    for experiment in range(experiments):
        busy = rng.random(n) < active
        lean = np.where(rng.random(n) < 0.5, TILT, -TILT)
        if delta:
            # the mean leaning is delta / d; leanings stay within [-1, 1]
            lean = np.clip(lean * (1 - delta / d) + delta / d, -1, 1)
        differs = busy[:, None] & (rng.random((n, seeds)) < rate)
        up = rng.random((n, seeds)) < (1 + lean[:, None]) / 2
        a, b = differs & up, differs & ~up
        table = paired.pair_table(a, b)
        if delta:
            rates["tost"] += score.tost(table).equivalent
            continue
        test = paired.permutation_test(paired.cluster_differences(a, b))
        boot = paired.paired_bootstrap(a, b, draws=1000, seed=experiment)
        low, high = score.score_interval(table)
        rates["exact"] += test.p <= 0.05
        rates["permutation"] += test.mid_p <= 0.05
        rates["bootstrap"] += boot.p <= 0.05
        rates["covered"] += low <= 0 <= high
    return {name: value / experiments for name, value in rates.items()}


def false_positives(experiments: int) -> list[str]:
    lines = [
        f"### False positives, % of {experiments:,} experiments at a nominal 5 %",
        "",
        "| n | seeds | discordant | expected pairs | exact | mid-p McNemar | permutation (mid-p) "
        "| bootstrap | TOST at the edge of ±3 points | interval covers |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    top = 0.05 + margins(experiments)
    for seeds in (1, 3):
        for n in SIZES:
            for d in DISCORDANCES:
                rng = np.random.default_rng([n, int(1000 * d), seeds])
                run = single if seeds == 1 else clustered
                start = time.perf_counter()
                null = run(n, d, 0.0, experiments, rng)
                edge = run(n, d, 0.03, experiments, rng)
                expected = n * seeds * d
                inside = (0.04, 0.06) if expected >= 30 else (0.0, 0.06)
                middle = mark(null["mid-p"], *inside) if seeds == 1 else "not valid"
                lines.append(
                    f"| {n} | {seeds} | {d:.0%} | {expected:.0f} | {mark(null['exact'], 0, top)} "
                    f"| {middle} | {mark(null['permutation'], *inside)} "
                    f"| {mark(null['bootstrap'], *inside)} | {mark(edge['tost'], 0, top)} "
                    f"| {100 * null['covered']:.1f} |"
                )
                print(lines[-1], f"{time.perf_counter() - start:.0f} s", file=sys.stderr)
    return lines


def equivalence_edge(experiments: int) -> list[str]:
    lines = [
        "### Equivalence wrongly claimed at the edge of the region (true difference 3 points), %",
        "",
        "| n | seeds | 3.1 % discordant | 4 % | 5 % | 10 % | 20 % |",
        "|---|---|---|---|---|---|---|",
    ]
    top = 0.05 + margins(experiments)
    for seeds, run in ((1, single), (3, clustered)):
        for n in SIZES:
            cells = []
            for d in (0.031, 0.04, 0.05, 0.1, 0.2):
                rng = np.random.default_rng([n, int(1000 * d), seeds, 5])
                cells.append(mark(run(n, d, 0.03, experiments, rng)["tost"], 0, top))
            lines.append(f"| {n} | {seeds} | " + " | ".join(cells) + " |")
    return lines


def wilson_coverage() -> list[str]:
    lines = [
        "### Coverage of Wilson's 95 % interval, exact, over p in [.05, .95]",
        "",
        "| n | averaged over p | minimum | at p |",
        "|---|---|---|---|",
    ]
    grid = np.linspace(0.05, 0.95, 1801)
    for n in SIZES:
        limits = [proportions.wilson(x, n) for x in range(n + 1)]
        low, high = np.array([w.low for w in limits]), np.array([w.high for w in limits])
        cover = np.array([binom_pmf(n, p)[(low <= p) & (p <= high)].sum() for p in grid])
        lines.append(
            f"| {n} | {mark(cover.mean(), 0.94, 0.96)} | {100 * cover.min():.2f} "
            f"| {grid[cover.argmin()]:.3f} |"
        )
    return lines


def cluster_coverage(experiments: int) -> list[str]:
    lines = [
        "### Coverage of the cluster-robust 95 % interval, averaged over mean rates .1 … .9",
        "",
        "| questions | seeds | variance of rates | coverage |",
        "|---|---|---|---|",
    ]
    for n in SIZES:
        for concentration in (1.0, 4.0):
            rng = np.random.default_rng([n, int(concentration)])
            hit = total = 0
            means = np.linspace(0.1, 0.9, 9)
            for mean in means.tolist():
                repeats = max(1, experiments // len(means))
                rates = rng.beta(mean * concentration, (1 - mean) * concentration, (repeats, n))
                right = rng.binomial(3, rates)
                three = np.full(n, 3)
                for row in right:
                    found = proportions.cluster_interval(row, three)[0]
                    assert found.low is not None and found.high is not None
                    hit += found.low <= mean <= found.high
                    total += 1
            lines.append(
                f"| {n} | 3 | m(1-m)/{concentration + 1:g} | {mark(hit / total, 0.94, 0.965)} |"
            )
    return lines


def power_check(experiments: int) -> list[str]:
    lines = [
        "### Power of the reported (mid-p) and of the exact test against simulation, %",
        "",
        "| n | discordant | points | mid-p: computed | simulated | exact: computed | simulated |",
        "|---|---|---|---|---|---|---|",
    ]
    cases = [
        (50, 0.1, 0.08), (100, 0.1, 0.08), (200, 0.1, 0.05), (200, 0.3, 0.1), (900, 0.1, 0.03),
        (1000, 0.3, 0.05), (2156, 0.1, 0.019), (5000, 0.1, 0.012),
    ]  # fmt: skip
    for n, d, delta in cases:
        rng = np.random.default_rng(n)
        tables = rng.multinomial(n, [(d + delta) / 2, (d - delta) / 2, 1 - d], 4 * experiments)
        kinds, counts = np.unique(tables[:, :2], axis=0, return_counts=True)
        p = np.array([[(t := paired.mcnemar(b, c)).mid_p, t.p] for b, c in kinds.tolist()])
        seen = ((p <= 0.05) * counts[:, None]).sum(axis=0) / counts.sum()
        said = [power.paired_power(n, delta, d, exact=exact) for exact in (False, True)]
        lines.append(
            f"| {n} | {d:.0%} | {100 * delta:.1f} | {100 * said[0]:.1f} "
            f"| {mark(seen[0], said[0] - 0.01, said[0] + 0.01)} | {100 * said[1]:.1f} "
            f"| {mark(seen[1], said[1] - 0.01, said[1] + 0.01)} |"
        )
    return lines


def looks(experiments: int) -> list[str]:
    lines = [
        "### Looking after every question: chance of ever being wrong, %",
        "",
        '| questions | discordant | ever "different" without an effect '
        "| interval ever wrong, true difference 5 points "
        "| fixed 5 % test at every look |",
        "|---|---|---|---|---|",
    ]
    for n, d in ((1000, 0.1), (1000, 0.3)):
        rng = np.random.default_rng([n, int(100 * d), 7])
        ever = missed = naive = 0
        for start in range(0, experiments, 50):
            size = min(50, experiments - start)
            u = rng.random((size, n))
            x = (u < d / 2).astype(float) - (u > 1 - d / 2)
            y = (u < d / 2 + 0.025).astype(float) - (u > 1 - d / 2 + 0.025)
            wins, losses = np.cumsum(x > 0, axis=1), np.cumsum(x < 0, axis=1)
            ever += (sequential.log_evidence(x).max(axis=1) >= math.log(20)).sum()
            missed += (sequential.log_evidence(y, 0.05).max(axis=1) >= math.log(20)).sum()
            m = wins + losses
            z = np.abs(wins - losses) / np.sqrt(np.maximum(m, 1))
            naive += ((z > 1.96) & (m >= 10)).any(axis=1).sum()
        top = 0.05 + margins(experiments)
        lines.append(
            f"| {n} | {d:.0%} | {mark(ever / experiments, 0, top)} "
            f"| {mark(missed / experiments, 0, top)} | {100 * naive / experiments:.1f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--experiments", type=int, default=10_000)
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--quick", action="store_true", help="1,000 experiments: a smoke test")
    options = parser.parse_args()
    experiments = 1_000 if options.quick else options.experiments
    parts = [
        wilson_coverage(),
        power_check(experiments),
        looks(experiments),
        cluster_coverage(experiments),
        equivalence_edge(experiments),
        false_positives(experiments),
    ]
    text = "\n\n".join("\n".join(part) for part in parts) + "\n"
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
