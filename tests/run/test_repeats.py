from __future__ import annotations

import pytest

from heartloop.run.repeats import Draw, repeat_figures, repeat_lines


def draws(*rows: str) -> dict[str, list[Draw]]:
    """Rows such as ``1101``: right and wrong draws; a wrong one answers "x"."""
    return {
        f"q{i}": [("correct", "y", 1.0) if c == "1" else ("incorrect", "x", 0.0) for c in row]
        for i, row in enumerate(rows)
    }


def test_the_family_by_hand() -> None:
    found = repeat_figures(draws("1100", "0000", "1111"), whole=True)
    assert found is not None and (found["draws"], found["questions"]) == (4, 3)
    one, two, four = found["by_k"]
    assert [x["k"] for x in found["by_k"]] == [1, 2, 4]
    assert [one[n][0] for n in ("pass", "all", "maj")] == pytest.approx([0.5] * 3)
    # two of four right: 1 - C(2,2)/C(4,2) = 5/6; both right C(2,2)/C(4,2) = 1/6; a vote 1/2
    assert two["pass"][0] == pytest.approx((5 / 6 + 0 + 1) / 3)
    assert two["all"][0] == pytest.approx((1 / 6 + 0 + 1) / 3)
    assert two["maj"][0] == pytest.approx(0.5)
    assert four["pass"][0] == pytest.approx(2 / 3) and four["all"][0] == pytest.approx(1 / 3)
    assert all(x[n][1] <= x[n][0] <= x[n][2] for x in found["by_k"] for n in ("pass", "maj"))
    assert "best" not in one  # without partial credit it is pass@k
    assert found["sd_between_questions"] > 0 and found["sd_between_draws"] > 0


def test_partial_credit_has_the_best_of_k() -> None:
    rows = {"q": [("incorrect", "a", 0.5), ("incorrect", "b", 0.25)]}
    found = repeat_figures(rows, whole=True)
    assert found is not None
    assert [x["best"][0] for x in found["by_k"]] == pytest.approx([0.375, 0.5])


def test_single_answers_and_draws_that_stop_when_right_have_no_such_figures() -> None:
    assert repeat_figures(draws("1", "0"), whole=True) is None
    assert repeat_figures(draws("0001", "01"), whole=False) is None
    assert repeat_figures({}, whole=True) is None


def test_lines_are_per_cent_with_intervals() -> None:
    row = {"arm": "resample", "task": "t", "repeats": repeat_figures(draws("10", "11"), whole=True)}
    first = repeat_lines([row, {"arm": "a", "task": "t", "repeats": None}])[0]
    assert first[:2] == ["resample (t)", "1"] and first[2].startswith("75.0 [")
