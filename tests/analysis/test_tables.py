"""Comparisons as text."""

from __future__ import annotations

import numpy as np
import pytest

from heartloop.analysis import compare_many, comparison_table
from heartloop.analysis.tables import HEADERS, p_text


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(0)
    names = ("none", "a_b & 5%", "x|y")
    arms = {name: rng.integers(0, 2, (200, 2)).astype(np.int8) for name in names}
    arms["x|y"][:, 0] = -1
    return compare_many(arms, "none", draws=200)


def test_every_arm_has_every_column(found) -> None:
    lines = comparison_table(found, "markdown").splitlines()
    assert len(lines) == 4
    assert all(line.replace("\\|", "").count("|") == len(HEADERS) + 1 for line in lines)
    assert "200 × 2" in lines[2]


def test_latex_escapes_what_names_may_hold(found) -> None:
    text = comparison_table(found, "latex")
    assert r"a\_b \& 5\%" in text
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert all(line.replace(r"\&", "").count("&") == len(HEADERS) - 1 for line in rows)


def test_plain_text_is_aligned(found) -> None:
    header, first, _ = comparison_table(found).splitlines()
    assert header.index("verdict") == first.rindex(found.arms["a_b & 5%"].verdict)


def test_p_values_as_papers_print_them() -> None:
    assert [p_text(p) for p in (0.0004, 0.034, 0.5, 0.99996, 1.0)] == [
        "< .001", ".034", ".500", "1.00", "1.00",
    ]  # fmt: skip


def test_an_unknown_style_is_refused(found) -> None:
    with pytest.raises(ValueError, match="choose plain"):
        comparison_table(found, "html")  # type: ignore[arg-type]
