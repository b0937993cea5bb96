"""Tasks without code: tables with a question and an answer, and YAML cards over them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.data import TaskData, load_data, resolve_tasks
from heartloop.data.golds import looks_mathematical
from heartloop.errors import CardError, DataError, UsageError


def table(folder: Path, rows: list[dict[str, Any]], name: str = "mine.jsonl") -> str:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def load(spec: str, **options: Any) -> TaskData:
    (card,) = resolve_tasks(spec)
    return load_data(card, download=False, **options)


def test_numbers_and_latex_go_to_math(tmp_path: Path) -> None:
    rows = [
        {"question": "1+1", "answer": 2},
        {"question": "half", "answer": "\\frac{1}{2}"},
        {"question": "share", "answer": "12.5%"},
        {"question": "big", "answer": "1,234"},
    ]
    data = load(table(tmp_path, rows))
    assert data.card.verifier == "math" and data.card.name == "mine"
    assert data.golds["0"].answers == ("2",)
    assert data.questions[0].answer_format == "Give the final answer inside \\boxed{}."
    assert data.sha256 == data.expected_sha256 == data.card.sha256


def test_choices_go_to_choice_with_letters_shown_and_answers_as_text(tmp_path: Path) -> None:
    rows = [
        {"question": "Which flies?", "answer": "B", "choices": ["dog", "bird"], "id": "q1"},
        {"question": "Which swims?", "answer": "fish", "choices": ["fish", "hen"], "id": "q2"},
    ]
    data = load(table(tmp_path, rows))
    assert data.card.verifier == "choice"
    assert data.questions[0].input == "Which flies?\n(A) dog\n(B) bird"
    assert data.questions[0].choices == ("dog", "bird") and data.questions[0].id == "q1"
    assert data.golds["q1"].answers == ("bird",) and data.golds["q1"].params == {"letter": "B"}
    assert data.golds["q2"].answers == ("fish",) and data.golds["q2"].params == {"letter": "A"}
    assert data.chance == 0.5


def test_other_answers_go_to_text_and_lists_are_alternatives(tmp_path: Path) -> None:
    data = load(table(tmp_path, [{"question": "Capital of Italy?", "answer": ["Rome", "Roma"]}]))
    assert data.card.verifier == "text"
    assert data.golds["0"].answers == ("Rome", "Roma")


def test_csv_with_ids_choices_clusters_and_demonstrations(tmp_path: Path) -> None:
    (tmp_path / "quiz.csv").write_text(
        "id,question,answer,choices,cluster,demo\n"
        "a,Which is red?,apple,apple|leaf,t1,\n"
        "b,Which is green?,leaf,apple|leaf,t1,false\n"
        "c,Which is blue?,sky,sky|mud,t2,true\n"
    )
    plain = load(str(tmp_path / "quiz.csv"))
    assert [q.id for q in plain.questions] == ["a", "b"]
    assert [q.cluster for q in plain.questions] == ["t1", "t1"]
    shown = load(str(tmp_path / "quiz.csv"), shots=1)
    assert [q.id for q in shown.questions] == ["a", "b"]
    assert shown.questions[0].demos[0].text == "Which is blue?\n(A) sky\n(B) mud\nAnswer: A"
    with pytest.raises(UsageError, match="--shots 2: quiz has 1 demonstrations"):
        load(str(tmp_path / "quiz.csv"), shots=2)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"question": "x"}], "mine.jsonl:1: answer: is missing"),
        ([{"question": "x", "answer": "y"}, {"question": " ", "answer": "y"}], ":2: question: is"),
        ([{"answer": "y"}], ":1: question: is missing"),
        ([{"question": "x", "answer": {"a": 1}}], ":1: answer: is an object without text"),
        ([{"question": "x", "answer": []}], ":1: answer: is empty"),
        ([{"question": "x", "answer": "c", "choices": ["a", "b"]}], ':1: answer: "c" is none of'),
        ([{"question": "x", "answer": "a", "choices": ["a"]}], ":1: choices: needs 2 to 26"),
        ([{"question": "x", "answer": "a", "choices": ["a", "a"]}], ":1: choices: holds the same"),
        (
            [{"question": "x", "answer": "y", "id": 1}, {"question": "z", "answer": "y", "id": 1}],
            'mine.jsonl:2: id: "1" stands twice',
        ),
        ([{"question": "x", "answer": "y", "demo": "maybe"}], ':1: demo: "maybe" is neither'),
        ([{"question": "x", "answer": "y", "demo": True}], "every row is a demonstration"),
    ],
)
def test_a_broken_row_names_file_line_and_field(
    tmp_path: Path, rows: list[dict[str, Any]], expected: str
) -> None:
    with pytest.raises(DataError) as caught:
        load_data(resolve_tasks(table(tmp_path, rows))[0])
    assert expected in str(caught.value)


def test_an_absent_table_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        resolve_tasks(str(tmp_path / "nothing.jsonl"))


def test_a_yaml_card_reads_its_own_columns_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").mkdir()
    table(
        tmp_path / "tasks",
        [
            {"frage": "Was ist $\\frac{1}{2}$ von 4?", "loesung": "2", "level": 1},
            {"frage": "Was ist {4}?", "loesung": "4", "level": 2},
        ],
        "kopf.jsonl",
    )
    (tmp_path / "tasks" / "kopf.yaml").write_text(
        "name: kopf\nlicence: own\nsource: {local: [kopf.jsonl]}\n"
        "fields: {question: frage, answer: loesung}\n"
        "prompt:\n  instruction: Rechne.\n  input: 'Aufgabe {level}: {question} in {Kopf}'\n"
        "options: {where: {level: 1}, meta: [level]}\n"
    )
    data = load("kopf")
    assert data.card.verifier == "math"
    assert [q.input for q in data.questions] == [
        "Aufgabe 1: Was ist $\\frac{1}{2}$ von 4? in {Kopf}"
    ]
    assert data.questions[0].meta["level"] == 1
    assert data.origin == "card"
    assert any("1 of 2 rows" in note for note in data.notes)


@pytest.mark.parametrize(
    ("template", "said"),
    [("{qestion}", 'did you mean "question"?'), ("What is it?", "names no column")],
)
def test_a_prompt_that_leaves_the_question_out_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, template: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").mkdir()
    table(tmp_path / "tasks", [{"question": "1+1?", "answer": "2"}], "sums.jsonl")
    (tmp_path / "tasks" / "sums.yaml").write_text(
        "name: sums\nlicence: own\nsource: {local: [sums.jsonl]}\n"
        f"prompt: {{input: '{template}'}}\n"
    )
    with pytest.raises(DataError, match="prompt.input") as error:
        load("sums")
    assert said in str(error.value)


@pytest.mark.parametrize(
    "answer", ["2", "-3.5", "1/2", "1,234,567", "12 %", "$5", "3e8", "$x^2$", "\\pi", "x^2+1"]
)
def test_numbers_and_latex_are_mathematical(answer: str) -> None:
    assert looks_mathematical(answer)


@pytest.mark.parametrize("answer", ["Rome", "", "-", "1,23,4 apples", "two", "a b", "2 cats", "/"])
def test_words_are_not_mathematical(answer: str) -> None:
    assert not looks_mathematical(answer)


# --- what --task names ---------------------------------------------------------------------


def test_lists_suites_and_patterns_are_expanded_once_and_in_order() -> None:
    names = [card.name for card in resolve_tasks("bigbench/snarks, bigbench ,bbh/logical_*")]
    assert names[0] == "bigbench/snarks" and len(names) == 21 + 3
    assert names[-3:] == [
        "bbh/logical_deduction_five_objects",
        "bbh/logical_deduction_seven_objects",
        "bbh/logical_deduction_three_objects",
    ]
    assert all(card.suite == "bigbench" for card in resolve_tasks("bigbench"))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("", "names no task"),
        (" , ", "names no task"),
        ("olympiade", 'did you mean "olympiad'),
        ("bbh/zzz*", "matches no task"),
        ("bbh/nothing", 'unknown task "bbh/nothing"'),
        ("nothing.yaml", "no such card file"),
    ],
)
def test_a_wrong_name_is_a_usage_error(spec: str, expected: str) -> None:
    with pytest.raises(UsageError, match=".*") as caught:
        resolve_tasks(spec)
    assert expected in str(caught.value)


def test_two_different_tasks_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    rows = [{"question": "x", "answer": "y"}]
    first, second = table(tmp_path, rows), table(tmp_path / "other", rows)
    with pytest.raises(UsageError, match="both named mine"):
        resolve_tasks(f"{first},{second}")


def test_a_suite_is_not_loaded_as_a_task() -> None:
    from heartloop.cards import load_task

    with pytest.raises(UsageError, match="is a suite"):
        load_data(load_task("bigbench"))


def test_demonstrations_have_the_form_that_the_prompt_demands_and_are_turns(tmp_path: Path) -> None:
    rows = [{"question": f"{n} + {n}?", "answer": str(2 * n), "id": n} for n in range(1, 6)]
    shown = load(table(tmp_path, rows), shots=2)
    first = shown.questions[0]
    assert first.shots_as == shown.shots_as == "turns" and len(first.demos) == 2
    for demo in first.demos:
        n = int(demo.input.split()[0])
        assert demo.output == f"\\boxed{{{2 * n}}}" and demo.text == f"{demo.input}\n{demo.output}"
    assert load(table(tmp_path, rows), shots=2, shots_as="text").questions[0].shots_as == "text"
    plain = load(table(tmp_path, rows))
    assert plain.shots_as is None and plain.questions[0].shots_as == "text"


def test_a_card_with_its_own_layout_of_demonstrations_keeps_it(tmp_path: Path) -> None:
    table(tmp_path, [{"question": f"Q{n}", "answer": f"W{n}"} for n in range(4)])
    own = tmp_path / "own.yaml"
    own.write_text(
        "name: own\nsource: {local: [mine.jsonl]}\nprompt: {demo: '{question} => {answer}'}\n"
    )
    shown = load(str(own), shots=1)
    assert shown.shots_as == "text" and " => W" in shown.questions[0].demos[0].text
    own.write_text(own.read_text() + "options: {shots_as: loud}\n")
    with pytest.raises(CardError, match="shots_as: 'loud' is neither turns nor text"):
        load(str(own), shots=1)


@pytest.mark.parametrize(
    ("answers", "verifier", "why"),
    [
        (["4", "1,234", "2.5e-4"], "math", "numbers or formulas, such as '4'"),
        (["yes", "no", "Yes"], "label", "yes or no"),
        (["true"], "label", "yes or no"),
        (["red", "blue"] * 5, "label", "2 labels"),
        (["Rome", "Oslo", "Bern"], "text", "short texts, such as 'Rome'"),
        (["It is because " + "very " * 20 + "warm."] * 3, "f1", "--verifier judge"),
    ],
)
def test_the_verifier_is_chosen_from_the_golds_and_says_why(
    tmp_path: Path, answers: list[str], verifier: str, why: str
) -> None:
    rows = [{"question": f"Q{i}?", "answer": a} for i, a in enumerate(answers)]
    data = load(table(tmp_path, rows))
    assert data.card.verifier == verifier and why in data.card.chosen
    if verifier == "label":
        assert {label.casefold() for label in data.card.params["labels"]} >= set(
            a.casefold() for a in answers
        )


def test_a_table_is_opened_once_and_again_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from heartloop.data.readers import table

    opened = []
    real = table.rows_and_notes

    def counted(path: Path, layout: str) -> Any:
        opened.append(path)
        return real(path, layout)

    monkeypatch.setattr(table, "rows_and_notes", counted)
    path = tmp_path / "t.csv"
    path.write_text("question,answer\nWhat is 1 + 1?,2\n")
    (card,) = resolve_tasks(str(path))
    assert load_data(card).golds["0"].answers == ("2",) and len(opened) == 1
    (card,) = resolve_tasks(str(path))
    path.write_text("question,answer\nWhat is 1 + 1?,22\nWhat is 1 + 2?,3\n")
    assert load_data(card).golds["0"].answers == ("22",) and len(opened) == 3
