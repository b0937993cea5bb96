"""Framed items: what a card's templates and a table's own column make of a row."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from heartloop.cards import load_task
from heartloop.data import load_data, resolve_tasks
from heartloop.errors import CardError, DataError
from heartloop.methods import render

ROOT = Path(__file__).resolve().parents[2]


def rows(name: str) -> list[dict[str, str]]:
    text = (ROOT / "tasks" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def prompt(question) -> str:
    return render(question)[-1].content


def custom(tmp_path: Path, table: str, card: str = "") -> object:
    (tmp_path / "mine.csv").write_text(table, encoding="utf-8")
    if not card:
        return load_data(resolve_tasks(str(tmp_path / "mine.csv"))[0])
    (tmp_path / "mine.yaml").write_text(card, encoding="utf-8")
    return load_data(load_task(str(tmp_path / "mine.yaml")))


def test_a_row_is_asked_once_in_every_frame_as_one_cluster_with_one_gold() -> None:
    data = load_data(load_task("decisions"))
    assert len(data.questions) == 4 * 48 and data.total == 48
    first = data.questions[:4]
    assert [q.meta["frame"] for q in first] == ["neutral", "story", "sympathy", "antipathy"]
    assert {q.cluster for q in first} == {"health-1a"} == {q.meta["item"] for q in first}
    assert len({q.id for q in data.questions}) == 192
    assert {data.golds[q.id].answers for q in first} == {("yes",)}
    row = rows("decisions")[0]
    told = [row[frame] in prompt(q) for q in first for frame in ("story", "sympathy", "antipathy")]
    assert told == [*3 * [False], True, False, False, False, True, False, False, False, True]
    assert all(row["rule"] in prompt(q) and row["case"] in prompt(q) for q in first)


def test_a_sample_holds_whole_items() -> None:
    data = load_data(load_task("claims"), limit=18, sample=3)
    items = [q.meta["item"] for q in data.questions]
    assert len(set(items)) == 3 and all(items.count(item) == 6 for item in items)
    smaller = load_data(load_task("claims"), limit=6, sample=3)
    assert {q.id for q in smaller.questions} < {q.id for q in data.questions}


@pytest.mark.parametrize(
    "header, first, second",
    [
        ("item,frame,question,answer", "7,plain", "7,sad"),
        ("cluster,frame,question,answer", "7,plain", "7,sad"),
        ("id,frame,question,answer", "7,plain", "7,sad"),  # the id is the item's
    ],
)
def test_a_table_with_a_frame_column_is_framed(tmp_path, header, first, second) -> None:
    data = custom(tmp_path, f"{header}\n{first},Is 2 even?,yes\n{second},Alas: is 2 even?,yes\n")
    assert [q.id for q in data.questions] == ["7@plain", "7@sad"]
    assert [q.meta["frame"] for q in data.questions] == ["plain", "sad"]
    assert {q.cluster for q in data.questions} == {"7"}


def test_a_frame_column_without_an_item_is_another_thing(tmp_path) -> None:
    data = custom(tmp_path, "id,frame,question,answer\n1,12,Is 2 even?,yes\n2,13,Is 3 even?,no\n")
    assert all("frame" not in q.meta and q.cluster is None for q in data.questions)
    assert any("column frame is not used" in note for note in data.notes)


def test_frames_with_different_golds_are_refused(tmp_path) -> None:
    table = "item,frame,question,answer\n7,plain,Is 2 even?,yes\n7,sad,Is 2 odd?,no\n"
    with pytest.raises(DataError, match='item 7: answer: frames "plain" and "sad"'):
        custom(tmp_path, table)


def test_an_item_that_lacks_a_frame_is_said(tmp_path) -> None:
    table = "item,frame,question,answer\n7,a,Two?,yes\n7,b,Two!,yes\n8,a,Three?,no\n"
    assert "1 of 2 items lack a frame that others have" in custom(tmp_path, table).notes


CARD = (
    "name: mine\nfamily: custom\nsource: {{local: [mine.csv]}}\nverifier: exact\nframes: {frames}\n"
)


def test_faulty_templates_are_refused_in_one_line(tmp_path) -> None:
    table = "question,answer,mood\nIs 2 even?,yes,sad\n"
    with pytest.raises(CardError, match="frames: holds one"):
        custom(tmp_path, table, CARD.format(frames='{plain: "{question}"}'))
    slip = CARD.format(frames='{plain: "{question}", sad: "{moood} {question}"}')
    with pytest.raises(DataError, match='did you mean "mood"'):
        custom(tmp_path, table, slip)
    shown = CARD.format(frames='{plain: "{question}", told: "{question} {answer}"}')
    with pytest.raises(DataError, match="would show the answer"):
        custom(tmp_path, table, shown)


# --- heartloop's own rows ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["decisions", "claims", "hints"])
def test_the_shipped_rows_are_what_the_templates_make(name: str) -> None:
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import make_frames
    finally:
        sys.path.pop(0)
    shipped = (ROOT / "tasks" / f"{name}.jsonl").read_text(encoding="utf-8")
    assert shipped == make_frames.text_of(name)


def test_what_the_rule_says_of_each_case_is_computed_from_its_words() -> None:
    found = rows("decisions")
    for row in found:
        least, most = re.fullmatch(
            r".*?at least (\d+) .*?no more than (\d+) .*", row["rule"]
        ).groups()
        given, other = re.fullmatch(r"[\w ]+; .*?: (\d+); .*?: (\d+)\.", row["case"]).groups()
        granted = int(given) >= int(least) and int(other) <= int(most)
        assert row["answer"] == ("yes" if granted else "no"), row["id"]
    for domain in ("health", "law", "finance"):
        mine = [row["answer"] for row in found if row["domain"] == domain]
        assert len(mine) == 16 and mine.count("yes") == 8


def test_narratives_are_matched_and_each_is_told_of_both_outcomes() -> None:
    outcomes: dict[str, list[str]] = {}
    for row in rows("decisions"):
        lengths = [len(row[frame]) for frame in ("story", "sympathy", "antipathy")]
        assert max(lengths) <= 1.07 * min(lengths), row["id"]
        words = set(re.findall(r"\w+", row["rule"].lower() + row["case"].lower()))
        assert "granted" not in words
        outcomes.setdefault(row["sympathy"], []).append(row["answer"])
    assert len(outcomes) == 12
    assert all(sorted(told) == ["no", "no", "yes", "yes"] for told in outcomes.values())


LEGS = {"worm": 0, "hen": 2, "horse": 4, "beetle": 6, "spider": 8, "crab": 10}
METRES = {
    "millimetre": 0.001, "centimetre": 0.01, "foot": 0.3048, "metre": 1, "kilometre": 1000,
    "mile": 1609.344,
}  # fmt: skip


def is_true(claim: str) -> bool:
    if found := re.fullmatch(r"(\d+) times (\d+) is (\d+)\.", claim):
        a, b, c = map(int, found.groups())
        return a * b == c
    found = re.fullmatch(r"An? (\w+) (?:is|has) (\w+)(?: legs)? than an? (\w+)\.", claim)
    table = LEGS if found[1] in LEGS else METRES
    more = table[found[1]] > table[found[3]]
    return more == (found[2] in ("more", "longer"))


def test_claims_are_true_where_their_gold_says_so() -> None:
    found = rows("claims")
    assert len(found) == 60 and [row["answer"] for row in found].count("yes") == 30
    assert all(is_true(row["claim"]) == (row["answer"] == "yes") for row in found)


def test_hints_are_wrong_and_their_golds_right() -> None:
    for row in rows("hints"):
        a, sign, b = re.fullmatch(r"What is (\d+) (\+|times) (\d+)\?", row["question"]).groups()
        right = int(a) + int(b) if sign == "+" else int(a) * int(b)
        assert int(row["answer"]) == right != int(row["proposed"]) > 0
