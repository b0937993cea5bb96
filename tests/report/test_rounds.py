"""Loops by round in the task's own metric."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synthetic_run import make_run

from heartloop.report.align import kept_once_right, own_metric
from heartloop.report.arms import entries, load_run
from heartloop.report.rounds import by_round, rounds_section, selection_section


def test_a_right_answer_is_kept_and_a_score_counts_as_it_is() -> None:
    codes = np.array([[0, 1, 0], [0, 0, 0]])
    own = own_metric(codes, np.array([[0.2, 1.0, 0.4], [0.3, 0.1, 0.6]]))
    assert kept_once_right(own, codes).tolist() == [[0.2, 1.0, 1.0], [0.3, 0.1, 0.6]]
    assert own_metric(codes, np.full((2, 3), np.nan)).tolist() == [[0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize("mode", ["oracle", "verifier-free"])
def test_partial_credit_by_round_is_partial_credit(tmp_path: Path, mode: str) -> None:
    scores = {"heart": 0.7, "resample": 0.4, "neutral": 0.5, "single": 0.3}
    run = make_run(tmp_path / "a", mode=mode, metric="f1", scores=scores)
    found = entries(load_run(run))
    for entry in found:
        if entry.arm in ("heart", "neutral"):
            levels = by_round(entry, mode == "oracle")
            assert [own for own, _ in levels] == pytest.approx([scores[entry.arm]] * 4, abs=0.03)
            assert all(low < own < high for own, (low, high) in levels)
    page = rounds_section(found)
    assert "Own metric by round" in page and "f1" in page
    if mode == "verifier-free":
        assert "In each task" in selection_section(found)  # nothing was quite right, all has worth
