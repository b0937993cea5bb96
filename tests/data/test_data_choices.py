"""Choices in every shape of a column, and answers as letters, labels, texts or positions."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.data import TaskData, load_data, resolve_tasks
from heartloop.errors import DataError

CITIES = ["Paris", "Lyon", "Nice", "Metz"]
Q = "Which is by the sea?"


def load(path: Path) -> TaskData:
    (card,) = resolve_tasks(str(path))
    return load_data(card, download=False)


def write(folder: Path, rows: list[dict[str, Any]], name: str = "a.jsonl") -> Path:
    path = folder / name
    if name.endswith(".csv"):
        with path.open("w", newline="") as out:
            table = csv.DictWriter(out, list(rows[0]))
            table.writeheader()
            table.writerows(rows)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def columns(names: list[str], answer: Any, key: str = "answer") -> dict[str, Any]:
    return {"question": Q, **dict(zip(names, CITIES, strict=True)), key: answer}


@pytest.mark.parametrize(
    "row",
    [
        {"question": Q, "choices": CITIES, "answer": "C"},
        {"question": Q, "choices": CITIES, "answer": "(c)"},
        {"question": Q, "choices": CITIES, "answer": "C."},
        {"question": Q, "choices": CITIES, "answer": "C) Nice"},
        {"question": Q, "choices": CITIES, "answer": "nice"},
        {"question": Q, "choices": CITIES, "answer": 2},
        {"question": Q, "options": CITIES, "label": 2},
        {"question": Q, "Options": CITIES, "Answer": "Nice"},
        {
            "question": Q,
            "choices": {"text": CITIES, "label": ["A", "B", "C", "D"]},
            "answerKey": "C",
        },
        {
            "question": Q,
            "choices": {"text": CITIES, "label": ["1", "2", "3", "4"]},
            "answerKey": "3",
        },
        {
            "question": Q,
            "choices": [{"label": x, "text": t} for x, t in zip("ABCD", CITIES, strict=True)],
            "answerKey": "C",
        },
        {"question": Q, "options": dict(zip("ABCD", CITIES, strict=True)), "answer": "C"},
        columns(["A", "B", "C", "D"], "C"),
        columns(["a", "b", "c", "d"], "c"),
        columns(["option1", "option2", "option3", "option4"], "3"),
        columns(["option1", "option2", "option3", "option4"], "option3"),
        columns(["option_a", "option_b", "option_c", "option_d"], "C"),
        columns(["Option A", "Option B", "Option C", "Option D"], "Option C"),
        columns(["choice_a", "choice_b", "choice_c", "choice_d"], "Nice"),
        columns(["opa", "opb", "opc", "opd"], "c"),
        columns(["ending0", "ending1", "ending2", "ending3"], "2", "label"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_choices_and_answer_in_many_shapes(tmp_path: Path, row: dict[str, Any], name: str) -> None:
    if name == "a.csv":  # lists as JSON, and (second file) as Python prints them
        for number, dump in enumerate((json.dumps, str)):
            flat = {k: dump(v) if isinstance(v, (list, dict)) else v for k, v in row.items()}
            check(load(write(tmp_path, [flat], f"{number}.csv")))
    else:
        check(load(write(tmp_path, [row], name)))


def check(data: TaskData) -> None:
    (question,) = data.questions
    assert question.choices == tuple(CITIES) and data.card.verifier == "choice"
    assert question.input == Q + "\n(A) Paris\n(B) Lyon\n(C) Nice\n(D) Metz"
    gold = data.golds[question.id]
    assert gold.answers == ("Nice",) and gold.params["letter"] == "C"
    assert not any("not used" in note for note in data.notes)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("Paris|Lyon|Nice|Metz", CITIES),
        ("Paris | Lyon | Nice | Metz", CITIES),
        ("A) Paris|B) Lyon|C) Nice|D) Metz", CITIES),
        ("(A) Paris|(B) Lyon|(C) Nice|(D) Metz", CITIES),
        ("A. Paris\nB. Lyon\nC. Nice\nD. Metz", CITIES),
        ("1) Paris|2) Lyon|3) Nice|4) Metz", CITIES),
        ('["A. Paris", "B. Lyon", "C. Nice", "D. Metz"]', CITIES),
        ('["a|b", "c", "Nice"]', ["a|b", "c", "Nice"]),
        ("3.5|4.5|5.5", ["3.5", "4.5", "5.5"]),
        ("A) x|C) y|D) z", ["A) x", "C) y", "D) z"]),  # not in order: part of the texts
        ("[0,1]|[1,2]|[2,3]", ["[0,1]", "[1,2]", "[2,3]"]),
    ],
)
def test_a_cell_of_choices(tmp_path: Path, cell: str, shown: list[str]) -> None:
    data = load(write(tmp_path, [{"question": Q, "choices": cell, "answer": "C"}], "a.csv"))
    assert data.questions[0].choices == tuple(shown)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("|x|<2|x>3", "may be no separator"),
        ("y=|x|+1|y=2", "may be no separator"),
        ("the value |x| is 2|none", "may be no separator"),
        ("Paris", "needs 2 to 26 texts"),
        ("Paris||Nice", "needs 2 to 26 texts, none empty"),
        ("Paris|Paris|Nice", "the same choice twice"),
    ],
)
def test_a_cell_that_cannot_be_told_apart_is_refused(tmp_path: Path, cell: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load(write(tmp_path, [{"question": Q, "choices": cell, "answer": "A"}], "a.csv"))


@pytest.mark.parametrize(
    ("answers", "letters", "said"),
    [
        ([0, 3], "AD", "counted from 0"),
        ([1, 4], "AD", "counted from 1"),
        ([1, 2], "BC", "counted from 0, as published sets do"),
        (["1", "4"], "AD", "counted from 1"),
    ],
)
def test_positions_are_counted_from_what_the_table_shows(
    tmp_path: Path, answers: list[Any], letters: str, said: str
) -> None:
    rows = [{"question": f"{Q} {a}", "choices": CITIES, "answer": a} for a in answers]
    data = load(write(tmp_path, rows))
    assert "".join(g.params["letter"] for g in data.golds.values()) == letters
    assert any(said in note for note in data.notes)


def test_positions_outside_and_from_both_ends_are_refused(tmp_path: Path) -> None:
    rows = [{"question": f"{Q} {a}", "choices": CITIES, "answer": a} for a in (0, 4)]
    with pytest.raises(DataError, match='"4" is no position among 4 choices counted from 0'):
        load(write(tmp_path, rows))


def test_numbers_that_are_choices_are_no_positions(tmp_path: Path) -> None:
    rows = [{"question": "2 + 2?", "choices": ["1", "2", "3", "4"], "answer": "4"}]
    assert load(write(tmp_path, rows)).golds["0"].params["letter"] == "D"


def test_wrong_answers_in_columns_are_mixed_with_the_right_one(tmp_path: Path) -> None:
    row = {"question": Q, "Correct Answer": "Nice"}
    row |= {f"Incorrect Answer {i}": c for i, c in enumerate(("Paris", "Lyon", "Metz"), 1)}
    data = load(write(tmp_path, [row], "a.csv"))
    (question,) = data.questions
    assert set(question.choices) == set(CITIES) and data.golds[question.id].answers == ("Nice",)


def test_fewer_options_in_one_row_and_columns_that_are_no_options(tmp_path: Path) -> None:
    rows = [
        {"question": "Q1?", "A": "x", "B": "y", "C": "z", "answer": "B"},
        {"question": "Q2?", "A": "x", "B": "y", "C": "", "answer": "B"},
    ]
    data = load(write(tmp_path, rows, "a.csv"))
    assert [len(q.choices) for q in data.questions] == [3, 2]
    other = load(write(tmp_path, [{"question": "Q?", "answer": "z", "x": "1", "b": "2"}], "b.csv"))
    assert not other.questions[0].choices
    assert any("columns x, b are not used" in note for note in other.notes)
