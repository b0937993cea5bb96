"""`heartloop esc --confusion`: the published vector, degenerate tables, and files that are none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from heartloop.analysis.preference import LABELS
from heartloop.cli.esc import esc_command
from heartloop.errors import UsageError

FIXTURES = Path(__file__).parent.parent / "fixtures" / "preference_bias"


def esc(*arguments: str) -> str:
    done = CliRunner().invoke(esc_command, list(arguments), catch_exceptions=False)
    return done.output


def analysed(path: Path) -> dict[str, Any]:
    def no_constant(text: str) -> float:
        raise AssertionError(f"{text} is no JSON number")

    found: dict[str, Any] = json.loads(
        esc("--confusion", str(path), "--json"), parse_constant=no_constant
    )
    return found


def test_the_published_vector_to_six_digits() -> None:
    found = analysed(FIXTURES / "confusion.csv")
    expected = json.loads((FIXTURES / "expected.json").read_text())
    for name in ("B", "Q", "weighted_f1", "accuracy"):
        assert found[name] == pytest.approx(expected[name], abs=1e-6)
    for name in ("p", "f1"):
        assert [found[name][label] for label in LABELS] == pytest.approx(expected[name], abs=1e-6)
        assert list(found[name]) == list(LABELS)
    assert found["references"]["uniform"]["mean"] > found["references"]["gold_marginal"]["mean"]
    assert len(found["published"]) == 11 and found["mle_exists"] is True


def write(path: Path, rows: list[list[float]], extra: list[float] | None = None) -> Path:
    labels = [f"L{i}" for i in range(len(rows))]
    lines = ["predicted\\gold," + ",".join(labels)]
    lines += [f"{name}," + ",".join(map(str, row)) for name, row in zip(labels, rows, strict=True)]
    if extra:
        lines.append("unread," + ",".join(map(str, extra)))
    path.write_text("\n".join(lines) + "\n")
    return path


EIGHT = range(8)


@pytest.mark.parametrize(
    ("rows", "bias", "note"),
    [
        ([[9 * (i == j) for j in EIGHT] for i in EIGHT], 0.0, "no confusions at all"),
        ([[9 * (i == 2) for _ in EIGHT] for i in EIGHT], math.sqrt(7), "never passed over: L2"),
        ([[(i not in (1, 6)) * (2 + (i + j) % 5) for j in EIGHT] for i in EIGHT], None, "L1, L6"),
        ([[0] * 8 for _ in EIGHT], 0.0, "no confusions at all"),
        ([[(j != 3) * (2 + (i * j) % 7) for j in EIGHT] for i in EIGHT], None, "passed over: L3"),
    ],
    ids=["perfect", "constant", "two never predicted", "empty", "absent from gold"],
)
def test_degenerate_tables_are_finite_and_named(
    tmp_path: Path, rows: list[list[float]], bias: float | None, note: str
) -> None:
    found = analysed(write(tmp_path / "w.csv", rows))
    if bias is not None:
        assert found["B"] == pytest.approx(bias, abs=1e-9)
    assert sum(found["p"].values()) == pytest.approx(8)
    assert any(note in text for text in found["notes"])
    assert note in esc("--confusion", str(tmp_path / "w.csv"))


def test_an_unread_row_costs_accuracy_and_is_no_preference(tmp_path: Path) -> None:
    rows: list[list[float]] = [[5, 2, 1], [1, 6, 2], [2, 1, 7]]
    without = analysed(write(tmp_path / "a.csv", rows))
    with_row = analysed(write(tmp_path / "b.csv", rows, [3, 3, 3]))
    assert with_row["p"] == without["p"] and with_row["B"] == without["B"]
    assert with_row["unread"] == 9 and with_row["items"] == 36
    assert with_row["accuracy"] == pytest.approx(18 / 36) != without["accuracy"]
    assert with_row["confusion"]["unread"] == {"L0": 3, "L1": 3, "L2": 3}
    assert with_row["published"] == []  # these are not the labels of the paper


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: the header must be"),
        ("x,A\nA,1\n", "1: the header must be"),
        ("x,A,A\nA,1,2\n", "each once"),
        ("x,A,B\nA,1,2\nC,1,2\n", "3: 'C' is no label"),
        ("x,A,B\nA,1,2\nA,1,2\n", "3: 'A' stands twice"),
        ("x,A,B\nA,1\n", "2: 1 counts, the header has 2"),
        ("x,A,B\nA,1,two\n", "2: counts must be numbers"),
        ("x,A,B\nA,1,-2\n", "2: counts must be finite"),
        ("x,A,B\nA,1,nan\n", "2: counts must be finite"),
        ("x,A,B\nA,1,2\n", "no row for 'B'"),
    ],
)
def test_files_that_are_no_table_are_refused_in_one_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "w.csv"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        esc("--confusion", str(path))
    assert message in str(caught.value) and "w.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_run_beside_it_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        esc("--confusion", str(tmp_path / "none.csv"))
    with pytest.raises(UsageError, match="stands alone"):
        esc("last", "--confusion", str(FIXTURES / "confusion.csv"))
