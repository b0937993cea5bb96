"""Broken files end as one line that names the file, the place, the field and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from heartloop.data.rows import example_rows, read_json, read_rows
from heartloop.errors import DataError


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


@pytest.mark.parametrize(
    ("name", "layout", "text", "expected"),
    [
        ("a.jsonl", "jsonl", '{"question": "x"}\n{broken\n', "a.jsonl:2: not valid JSON"),
        ("b.jsonl", "jsonl", '{"a": 1}\n\n[1, 2]\n', "b.jsonl:3: must be a JSON object"),
        ("c.jsonl", "jsonl", "\n\n", "c.jsonl: holds no rows"),
        ("d.jsonl", "jsonl", b"\xff\xfe\x00", "d.jsonl: not UTF-8"),
        ("e.csv", "csv", "question,answer\na,b\nx,y,z\n", "e.csv:3: has 3 fields"),
        ("f.csv", "csv", "question,question\na,b\n", "f.csv:1: question: the column stands twice"),
        ("g.csv", "csv", 'question,answer\n"open,b\n', "not valid CSV"),
        ("h.csv", "csv", "", "h.csv: holds no rows"),
        ("i.csv", "csv", "question,answer\na\0,b\n", "i.csv: holds NUL bytes"),
        ("j.json", "json", '{"x": 1}', "j.json: must hold a list of objects"),
        ("k.json", "json", '[{"a": 1}, 2]', "k.json: must hold a list of objects"),
    ],
)
def test_a_broken_table_names_its_place(
    tmp_path: Path, name: str, layout: str, text: str | bytes, expected: str
) -> None:
    with pytest.raises(DataError) as caught:
        read_rows(write(tmp_path, name, text), layout)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "not valid JSON"),
        ('{"name": "x"}', "examples: is missing"),
        ('{"examples": []}', "examples: is empty"),
        ('{"examples": [{"input": "a"}, 3]}', "examples[1]: must be an object"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_broken_task_file_names_its_place(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(DataError, match=r"t\.json") as caught:
        example_rows(write(tmp_path, "t.json", text))
    assert expected in str(caught.value)


def test_a_missing_file_and_an_unreadable_folder_are_data_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_json(tmp_path / "absent.json")
    with pytest.raises(DataError, match="cannot be read"):
        read_rows(tmp_path, "jsonl")


def test_csv_cells_keep_line_breaks_quotes_and_odd_separators(tmp_path: Path) -> None:
    text = '\ufeffquestion,answer\r\n"one\ntwo, ""three""",4\r\nfour\u2028five\x0bsix,\r\n'
    rows = read_rows(write(tmp_path, "t.csv", text), "csv")
    assert [row.data for row in rows] == [
        {"question": 'one\ntwo, "three"', "answer": "4"},
        {"question": "four\u2028five\x0bsix", "answer": None},
    ]
    assert [row.where.rsplit(":", 1)[1] for row in rows] == ["2", "4"]


def test_fields_of_the_wrong_kind_are_named(tmp_path: Path) -> None:
    row = read_rows(write(tmp_path, "t.jsonl", '{"a": [1], "b": true, "c": 2, "d": " "}'), "jsonl")[
        0
    ]
    assert row.text("c") == "2" and row.texts("a") == ("1",) and row.text("x", None) is None
    for field, call in (("a", row.text), ("b", row.text), ("x", row.text), ("d", row.filled)):
        with pytest.raises(DataError, match=rf"t\.jsonl:1: {field}: "):
            call(field)


def test_numbers_of_any_length_and_odd_ones_are_read_as_json_reads_them(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 18446744073709551616, "b": 1.5}\n{"a": 1e400, "b": NaN}\n')
    big, odd = (row.data for row in read_rows(path, "jsonl"))
    assert big == {"a": 18446744073709551616, "b": 1.5}
    path.write_text('{"a": 1e400, "b": NaN}\n')
    (again,) = (row.data for row in read_rows(path, "jsonl"))
    for one in (odd, again):
        assert one["a"] == float("inf") and one["b"] != one["b"]
