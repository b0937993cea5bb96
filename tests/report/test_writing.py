"""Figures, intervals and tables as text."""

from __future__ import annotations

from heartloop.report.writing import filled, some_rounds, wrapped


def test_a_table_has_room_for_some_rounds_the_first_and_the_last_among_them() -> None:
    assert some_rounds(0) == [] and some_rounds(1) == [0] and some_rounds(6) == [0, 1, 2, 3, 4, 5]
    assert some_rounds(25) == [0, 4, 8, 12, 16, 20, 24]
    for count in range(1, 60):
        shown = some_rounds(count)
        assert shown[0] == 0 and shown[-1] == count - 1 and len(shown) <= 7


def test_a_number_and_its_sign_are_not_parted() -> None:
    text = "the arm was right in 93 % of them, [1.0, 2.0] % at most, give or take ± 3 points"
    for width in range(12, 80):
        lines = wrapped(text, width)
        assert " ".join(lines) == text and filled(text, width) == "\n".join(lines)
        assert not any(line.startswith("%") or line.endswith("±") for line in lines)
