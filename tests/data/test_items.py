"""Items are built when they are asked for; what they say, and what is refused, stays as it was."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.data import TaskData, load_data, resolve_tasks
from heartloop.data.items import Items
from heartloop.data.readers import bbh, bigbench
from heartloop.errors import DataError
from heartloop.methods import render
from heartloop.run.lengths import lengths_of
from heartloop.run.load import load_tasks
from heartloop.run.plan import plan_from_dict

# What the readers that built every item at once made of the 72 published tasks.
AS_BEFORE: list[tuple[dict[str, Any], str]] = [
    ({}, "d4978c564a30341714d506cfbb57d7d29e1e1fb56179a86ee5181d2793988450"),
    (
        {"limit": 5, "sample": 3},
        "b1fee8e3192e0725dc5c59c5dbcf00a1a736e72a912cc693947c0f2c3fabf9af",
    ),
    (
        {"shots": 2, "limit": 20},
        "98ddfdd297ab25e48e65d0e30e299dc71662dda0003089a1d5073aeccaf50ed0",
    ),
]


def said(data: TaskData) -> str:
    golds = data.golds
    return repr(
        [
            (q.id, q.index, q.instruction, q.input, q.answer_format, q.choices, q.cluster,
             [d.text for d in q.demos], golds[q.id].answers, golds[q.id].params)
            for q in data.questions
        ]
    )  # fmt: skip


@pytest.mark.parametrize(("options", "digest"), AS_BEFORE)
def test_published_tasks_say_what_they_said(
    shared_data: Path, options: dict[str, Any], digest: str
) -> None:
    cards = resolve_tasks("bigbench,bbh,instruction_induction")
    found = [load_data(c, data_dir=shared_data, download=False, **options) for c in cards]
    assert hashlib.sha256("\n".join(map(said, found)).encode()).hexdigest() == digest


def file_of(folder: Path, suite: str, name: str, **changes: Any) -> Path:
    """A data folder with one task of 1,000 examples; ``changes`` are laid over example 900."""
    row: dict[str, Any] = {"input": "Is {} even?", "target": "Yes"}
    if suite == "bigbench":
        row = {"input": "Is {} even?", "target_scores": {"Yes": 1, "No, ü": 0}}
    rows = [{**row, "input": row["input"].format(i)} for i in range(1000)]
    rows[900].update(changes)
    (folder / suite).mkdir()
    path = folder / suite / f"{name}.json"
    path.write_text(json.dumps({"task_prefix": "Think.\n", "examples": rows}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("suite", "name", "module"),
    [("bigbench", "navigate", bigbench), ("bbh", "navigate", bbh)],
)
def test_a_limit_builds_what_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suite: str, name: str, module: Any
) -> None:
    built = []

    class Counted(module.Question):  # type: ignore[name-defined,misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            built.append(kwargs["id"])
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(module, "Question", Counted)
    (card,) = resolve_tasks(f"{suite}/{name}")
    data = load_data(card, data_dir=file_of(tmp_path, suite, name), limit=5, shots=0)
    assert not built and len(data.questions) == 5 and data.total == 1000
    assert [data.golds[q.id].question for q in data.questions] == built == list("01234")
    assert data.question("3") is data.questions[3] and len(built) == 5  # those at hand are kept


@pytest.mark.parametrize(
    ("suite", "changes", "told"),
    [
        ("bigbench", {"target_scores": {"Yes": "1"}}, r"target_scores\[Yes\]: must be a number"),
        ("bigbench", {"target_scores": {"Yes": True}}, r"target_scores\[Yes\]: must be a number"),
        ("bigbench", {"target_scores": {}}, "target_scores: is missing or empty"),
        ("bigbench", {"input": None}, "input: is empty"),
        ("bigbench", {"task_prefix": ["a"]}, "task_prefix: must be text, got list"),
        ("bbh", {"target": None}, "target: is empty"),
        ("bbh", {"input": {"a": 1}}, "input: must be text, got dict"),
    ],
)
def test_a_bad_row_is_named_before_anything_is_asked(
    tmp_path: Path, suite: str, changes: dict[str, Any], told: str
) -> None:
    (card,) = resolve_tasks(f"{suite}/navigate")
    folder = file_of(tmp_path, suite, "navigate", **changes)
    with pytest.raises(DataError, match=rf"navigate\.json: examples\[900\]: {told}"):
        load_data(card, data_dir=folder, limit=5)


def test_lengths_are_those_of_the_prompts(tmp_path: Path) -> None:
    folder = file_of(tmp_path, "bigbench", "navigate", task_prefix="Länger als sonst.\n")
    plan = plan_from_dict(
        {"tasks": ["bigbench/navigate"], "models": ["pocket"], "arms": [{"name": "none"}],
         "data_dir": str(folder)}, "plan",
    )  # fmt: skip
    (task,) = load_tasks(plan, download=False)
    prompts = [render(q)[0].content for q in task.data.questions]
    assert lengths_of(task).chars == sum(map(len, prompts)) / 1000
    assert lengths_of(task).bytes == sum(len(p.encode()) for p in prompts) / 1000


def test_numbers_that_a_fast_parser_would_round_stay(tmp_path: Path) -> None:
    folder = file_of(tmp_path, "bbh", "navigate", target=123456789012345678901234)
    (card,) = resolve_tasks("bbh/navigate")
    data = load_data(card, data_dir=folder)
    assert data.golds["900"].answers == ("123456789012345678901234",)


def test_some_of_the_items() -> None:
    from heartloop.data.items import Item
    from heartloop.types import Gold, Question

    every = Items.of([Item(Question(str(i), "t", i, f"q{i}"), Gold(str(i), ("a",)))
                      for i in range(9)])  # fmt: skip
    some = every[2:8].take([4, 0])
    assert [item.question.id for item in some] == ["6", "2"] and some[-1].question.id == "2"
    with pytest.raises(IndexError):
        some[2]
