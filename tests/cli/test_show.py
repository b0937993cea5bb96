"""Pieces of what commands print."""

from __future__ import annotations

from heartloop.cli._show import fitted


def test_a_wide_table_becomes_several_with_the_first_columns_again() -> None:
    heads = ["name", "a", "", "b"]
    rows = [["one", "1" * 30, "word", "2" * 40], ["two", "3", "", "4"]]
    first, second = fitted(heads, rows, right={1, 3}).split("\n\n")
    assert first.splitlines()[0].split() == ["name", "a"] and "word" in first
    assert second.splitlines()[0].split() == ["name", "b"] and "2" * 40 in second
    assert all(len(line) <= 80 for part in (first, second) for line in part.splitlines())
    assert "\n\n" not in fitted(heads, [["x", "1", "w", "2"]], right={1, 3})
