"""`resample` is matched on tokens for every model x task by itself, selectors counted."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from heartloop.methods import TokenAverages, draws_for_equal_tokens, expected_tokens
from heartloop.methods.cost import selector_tokens
from heartloop.run import clients
from heartloop.run.arms import build_arms
from heartloop.run.execute import execute, prepare
from heartloop.run.folder import RunFolder
from heartloop.run.plan import Plan
from heartloop.types import Completion, Request, Usage


class Fake:
    """Long answers, or short ones from the model or to the questions of that name; always wrong."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def complete(self, request: Request) -> Completion:
        text = " ".join(m.content for m in request.messages)
        short = "short" in self.name or "Short" in text
        said = ("word " if short else "word " * 300) + "\\boxed{0}"
        return Completion(said, usage=Usage(len(text) // 4 + 1, len(said) // 4 + 1))

    async def close(self) -> None:
        return None


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    for name, word in (("long", "Problem"), ("short", "Short")):
        rows = "".join(f"{word[0]}{i},{word} {i:03d}: what is it?,{i + 1}\n" for i in range(24))
        (tmp_path / f"{name}.csv").write_text("id,question,answer\n" + rows)
    monkeypatch.setattr(clients, "make_model", lambda spec, *_a, **_k: Fake(spec))

    def run(tasks: tuple[str, ...], models: tuple[str, ...], mode: Any, **params: Any) -> Any:
        arms = build_arms("heart", mode=mode, params={"rounds": 5, **params})
        plan = Plan(tasks, models, arms, mode=mode)
        folder = RunFolder(tmp_path / "r")
        folder.path.mkdir()
        asyncio.run(execute(prepare(plan), folder, signals=False))
        spent: dict[Any, list[int]] = defaultdict(list)
        for text in (folder.path / "verdicts.jsonl").read_text().splitlines():
            line = json.loads(text)
            if line["last"]:
                used = line["usage"]["prompt"] + line["usage"]["completion"]
                spent[line["model"], line["task"], line["arm"]].append(used)
        return {key: sum(values) / len(values) for key, values in spent.items()}

    return run


def gaps(spent: dict[Any, float]) -> dict[Any, float]:
    return {
        (model, task): spent[model, task, "resample"] / used - 1
        for (model, task, arm), used in spent.items()
        if arm == "heart"
    }


def test_with_two_models_each_has_its_own_draws(asked: Any) -> None:
    found = gaps(asked(("long.csv",), ("server/short", "server/long"), "oracle", stop="never"))
    assert len(found) == 2 and max(map(abs, found.values())) < 0.06, found


def test_with_two_tasks_each_has_its_own_draws(asked: Any) -> None:
    found = gaps(asked(("long.csv", "short.csv"), ("server/m",), "oracle", stop="never"))
    assert len(found) == 2 and max(map(abs, found.values())) < 0.06, found


@pytest.mark.parametrize("task", ["long.csv", "short.csv"])
def test_without_a_verifier_the_selectors_own_calls_are_counted(asked: Any, task: str) -> None:
    found = gaps(asked((task,), ("server/m",), "verifier-free", stop="never", lost=0))
    assert max(map(abs, found.values())) < 0.06, found


@pytest.mark.parametrize("selector", ["synthesis", "self_score", "tournament", "majority"])
def test_the_equation_of_the_draws_holds(selector: str) -> None:
    [heart, *_] = build_arms("heart", mode="verifier-free")
    tokens = TokenAverages(40, 300)
    draws = draws_for_equal_tokens(heart, "verifier-free", tokens, selector)
    loop = expected_tokens(heart, "verifier-free", tokens)[1].total
    whole, rest = int(draws), draws % 1
    mixed = (1 - rest) * selector_tokens(selector, whole, tokens)
    mixed += rest * selector_tokens(selector, whole + 1, tokens)
    assert draws * 340 + mixed == pytest.approx(
        loop + selector_tokens(selector, 6, tokens), rel=0.01
    )
