"""How long ``compare`` takes on 100,000 paired rows with 10,000 bootstrap draws, and its memory.

    python benchmarks/compare_speed.py [--rows 100000] [--seeds 1,3] [--draws 10000]

Prints one row a case; memory is the peak of the process above its start.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np

from heartloop.analysis import compare_arms


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--seeds", default="1,3")
    parser.add_argument("--draws", type=int, default=10_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    print("| rows | seeds | clusters | draws | seconds | peak memory above start, MB |")
    print("|---|---|---|---|---|---|")
    for seeds in (int(s) for s in options.seeds.split(",")):
        shape = (options.rows, seeds)
        rate = rng.beta(1, 1, options.rows)[:, None]
        a, b = ((rng.random(shape) < rate).astype(np.int8) for _ in range(2))
        a[rng.random(shape) < 0.02] = -1
        for name, clusters in (
            ("questions", None),
            ("tables of 20", np.arange(options.rows) // 20),
            ("uneven tables", rng.integers(0, options.rows // 10, options.rows)),
        ):
            before, start = peak(), time.perf_counter()
            compare_arms(a, b, clusters=clusters, draws=options.draws)
            seconds = time.perf_counter() - start
            print(
                f"| {options.rows:,} | {seeds} | {name} | {options.draws:,} | {seconds:.1f} "
                f"| {peak() - before:.0f} |"
            )


if __name__ == "__main__":
    main()
