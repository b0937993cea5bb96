"""Files as other programs write them: what is odd is said or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.data import TaskData, load_data, resolve_tasks
from heartloop.errors import DataError, UsageError

SUMS = [("What is 4 + 4?", "8"), ("What is 6 + 7?", "13")]
PLAIN = "question,answer\nWhat is 4 + 4?,8\nWhat is 6 + 7?,13\n"


def load(path: Path, **options: Any) -> TaskData:
    (card,) = resolve_tasks(str(path))
    return load_data(card, download=False, **options)


def pairs(data: TaskData) -> list[tuple[str, str]]:
    return [(q.meta["raw_input"], data.golds[q.id].answers[0]) for q in data.questions]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", PLAIN.encode()),
        ("a.csv", PLAIN.replace(",", ";").encode()),
        ("a.csv", ("sep=;\r\n" + PLAIN.replace(",", ";")).encode()),
        ("a.csv", PLAIN.replace(",", "\t").encode()),
        ("a.csv", PLAIN.replace(",", "|").encode()),
        ("a.tsv", PLAIN.replace(",", "\t").encode()),
        ("a.csv", b"\xef\xbb\xbf" + PLAIN.encode()),
        ("a.csv", PLAIN.encode("utf-16")),
        ("a.csv", b"\xfe\xff" + PLAIN.encode("utf-16-be")),
        ("a.csv", PLAIN.encode("utf-16-le")),
        ("a.csv", PLAIN.encode("utf-32")),
        ("a.csv", PLAIN.replace("question,answer", "Question , ANSWER").encode()),
        ("a.csv", PLAIN.replace("\n", "\r\n").encode()),
        ("a.csv", (PLAIN + ",\n,\n").encode()),
        ("a.csv", PLAIN.replace("\n", ",,\n").encode()),
        ("a.csv", PLAIN.replace("question,answer", "prompt,target").encode()),
        ("a.json", json.dumps([{"question": q, "answer": a} for q, a in SUMS]).encode()),
        ("a.jsonl", json.dumps([{"question": q, "answer": a} for q, a in SUMS]).encode()),
        (
            "a.json",
            b"".join(json.dumps({"question": q, "answer": a}).encode() + b"\n" for q, a in SUMS),
        ),
        ("a.json", json.dumps({"data": [{"question": q, "answer": a} for q, a in SUMS]}).encode()),
        (
            "a.json",
            json.dumps({"question": [q for q, _ in SUMS], "answer": [a for _, a in SUMS]}).encode(),
        ),
        (
            "a.json",
            json.dumps(
                {"question": {"0": SUMS[0][0], "1": SUMS[1][0]}, "answer": {"0": 8, "1": 13}}
            ).encode(),
        ),
    ],
)
def test_one_table_in_the_dress_of_many_programs(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    data = load(path)
    assert pairs(data) == SUMS and data.card.verifier == "math"


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    columns = {
        "question": ["Which swims?", "Which flies?"],
        "choices": [["hen", "cod"], ["cod", "hen"]],
        "answer": [1, 1],
    }
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    data = load(tmp_path / "a.parquet")
    assert [data.golds[q.id].answers[0] for q in data.questions] == ["cod", "hen"]
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"b\.parquet: no Parquet file"):
        load(tmp_path / "b.parquet")


def test_windows_letters_are_read_with_a_note_and_other_alphabets_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(
        "question,answer\nGrößte Stadt Österreichs – ganz sicher?,Wien\n".encode("cp1252")
    )
    data = load(path)
    assert data.questions[0].meta["raw_input"] == "Größte Stadt Österreichs – ganz sicher?"
    assert any("Windows-1252" in note for note in data.notes)
    path.write_bytes("question,answer\nСтолица Франции?,Париж\n".encode("cp1251"))
    with pytest.raises(DataError, match="not UTF-8 text"):
        load(path)
    path.write_bytes("question,answer\n日本の首都は?,東京\n".encode("shift-jis"))
    with pytest.raises(DataError, match="not UTF-8 text"):
        load(path)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"question": "q \ud83d", "answer": "4"}], "a.jsonl:1: question: holds half"),
        ([{"question": "q", "answer": ["4", "\udc00"]}], "a.jsonl:1: answer: holds half"),
        (
            [{"question": "What is this?", "image": "cat.png", "answer": "a cat"}],
            "image: holds a picture",
        ),
        (
            [{"question": "Q", "Audio_Path": "a.wav", "answer": "x"}],
            "Audio_Path: holds a picture, sound",
        ),
        (
            [{"messages": [{"role": "user", "content": [{"type": "image_url"}]}], "answer": "x"}],
            "a picture",
        ),
        ([{"messages": [{"role": "user", "content": "Hi"}]}], "answer: is missing"),
        (
            [{"messages": [{"role": "narrator", "content": "Hi"}], "answer": "x"}],
            "expected system, user",
        ),
        ([{"messages": [{"role": "system", "content": "Hi"}], "answer": "x"}], "nothing is asked"),
        ([{"frage": "Q", "antwort": "x"}], "name it in a card: `fields: {question: COLUMN}`"),
        ([{"question": "Q", "lösung": "x"}], "fields: {answer: COLUMN}"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    tmp_path: Path, rows: list[dict[str, Any]], said: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError) as caught:
        load(path)
    assert said in str(caught.value)


def test_other_suffixes_are_refused_with_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match=r"\.xlsx is no table .* \.csv"):
        load(tmp_path / "a.xlsx")
    with pytest.raises(UsageError, match="unknown task"):
        load(tmp_path / "b.xlsx")


def test_unused_columns_the_line_that_is_added_and_double_questions_are_said(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,answer,level,subject\nWhat is 4+4?,8,1,x\nWhat is 4+4?,9,2,x\n")
    notes = " | ".join(load(path).notes)
    assert "columns level, subject are not used" in notes
    assert "every question ends in: Give the final answer inside \\boxed{}." in notes
    assert 'the same question has different answers: "8" and "9"' in notes
    path.write_text("question,answer\nWhat is 4+4?,8\nWhat is 4+4?,8\n")
    assert "1 questions stand twice" in load(path).notes


def test_worked_answers_and_published_shapes_of_golds(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows: list[dict[str, Any]] = [
        {"question": "1", "answer": "3+4=<<3+4=7>>7 eggs\n#### 7"},
        {"question": "2", "answer": "#### 1,234"},
        {"question": "3", "answer": ["5", "five"]},
        {"question": "4", "answer": {"spans": ["6"], "types": ["number"]}},
        {"question": "5", "answer": {"text": ["7", "seven"], "answer_start": [3, 3]}},
        {"question": "6", "answer": {"value": "8", "aliases": ["eight"]}},
        {"question": "7", "answer": [["red", "blue"], ["blue and red"]]},
        {"question": "8", "answer": True},
        {"question": "9", "answer": 2.5},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = load(path)
    assert [data.golds[q.id].answers for q in data.questions] == [
        ("7",), ("1,234",), ("5", "five"), ("6",), ("7", "seven"), ("8", "eight"),
        ("red, blue", "blue and red"), ("True",), ("2.5",),
    ]  # fmt: skip
    assert any("what follows ####" in note for note in data.notes)
    csv = tmp_path / "b.csv"
    csv.write_text('question,answer\nQ1,"[""Rome"", ""Roma""]"\nQ2,"[1, 2]"\n')
    assert [g.answers for g in load(csv).golds.values()] == [("Rome", "Roma"), ("[1, 2]",)]


def test_chat_rows_are_questions_with_history(tmp_path: Path) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hi!"},
        {"role": "user", "content": [{"type": "text", "text": "What is 4 + 4?"}]},
    ]
    path = tmp_path / "a.jsonl"
    tuned = {"messages": [*turns, {"role": "assistant", "content": "8"}]}
    other = {"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]}
    for row, asked in (({"messages": turns, "answer": 8}, 8), (tuned, 8), (other, 4)):
        path.write_text(json.dumps(row))
        data = load(path)
        (question,) = data.questions
        assert data.golds[question.id].answers == (str(asked),)
        if "messages" in row:
            assert question.system == "Be brief."
            assert [(m.role, m.content) for m in question.history] == [
                ("user", "Hello"),
                ("assistant", "Hi!"),
            ]
            assert question.input == "What is 4 + 4?"


def test_a_system_column_is_the_system_message(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("question,answer,System\nQ1?,x,Be kind.\nQ2?,y,\n")
    first, second = load(path).questions
    assert (first.system, second.system) == ("Be kind.", None)
    card = tmp_path / "own.yaml"
    card.write_text("source: {local: a.csv}\nprompt: {system: 'You help. {System}'}\n")
    assert load(card).questions[0].system == "You help. Be kind."


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        (
            "{system: '{sytem}', input: '{question}'}",
            'no column of the data; did you mean "system"',
        ),
        ("{system: 'As {role}.'}", "prompt.system: {role} is no column of the data; there are"),
        ("{instruction: 'Say {answer}.'}", "would show the answer"),
        ("{input: '{question} {answer}'}", "would show the answer"),
        ("{input: '{qestion}'}", 'did you mean "question"'),
    ],
)
def test_a_slot_is_filled_or_refused(tmp_path: Path, prompt: str, said: str) -> None:
    (tmp_path / "a.csv").write_text("question,answer,system\nQ1?,x,Be kind.\n")
    card = tmp_path / "own.yaml"
    card.write_text(f"source: {{local: a.csv}}\nprompt: {prompt}\n")
    with pytest.raises(DataError) as caught:
        load(card)
    assert said in str(caught.value)


@pytest.mark.parametrize("form", ["", "answer_format: ''", "answer_format: ' '"])
def test_nothing_is_added_to_a_prompt_of_ones_own(tmp_path: Path, form: str) -> None:
    (tmp_path / "a.csv").write_text("question,answer\n1 + 1?,2\n")
    card = tmp_path / "own.yaml"
    rest = f", {form}" if form else ""
    card.write_text(
        "source: {local: a.csv}\nverifier: math\n"
        f"prompt: {{instruction: 'Put it in \\boxed{{x}}.', input: '{{question}}'{rest}}}\n"
    )
    (question,) = load(card).questions
    assert (question.instruction, question.input) == ("Put it in \\boxed{x}.", "1 + 1?")
    assert question.answer_format == ""
    card.write_text("source: {local: a.csv}\nverifier: math\n")
    assert "boxed" in load(card).questions[0].answer_format
