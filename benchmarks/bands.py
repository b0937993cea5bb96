"""How often any of 20 simultaneous bands leaves out zero although nothing differs.

    python benchmarks/bands.py            # 600 tables a kind, about two minutes

Every table has 20 arms that share one control, as the measures of ``heartloop style`` do.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from heartloop.analysis.bands import bands

ARMS = 20
Draw = Callable[[np.random.Generator, tuple[int, int]], NDArray[np.float64]]

KINDS: dict[str, tuple[int, float, Draw]] = {
    "lengths (exponential), 200 questions": (200, 0.0, lambda r, s: r.exponential(1, s)),
    "shares of 5 %, 300 questions": (300, 1.0, lambda r, s: (r.random(s) < 0.05).astype(float)),
    "moods, 60 % missing, 300 questions": (
        300,
        0.0,
        lambda r, s: np.where(r.random(s) < 0.6, np.nan, r.normal(0, 0.3, s)),
    ),
}


def main() -> None:
    """Print the share of tables with any band apart from zero, nominally 5 %."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=600)
    tables = parser.parse_args().tables
    rng = np.random.default_rng(7)
    for name, (questions, unit, draw) in KINDS.items():
        wrong = 0
        for trial in range(tables):
            differences = draw(rng, (ARMS, questions)) - draw(rng, (1, questions))
            wrong += any(b.apart for b in bands(differences, unit=unit, flips=500, seed=trial))
        print(f"{name}: {100 * wrong / tables:.1f} %")


if __name__ == "__main__":
    main()
