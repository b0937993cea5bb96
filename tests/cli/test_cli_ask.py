"""``heartloop ask`` and ``heartloop render``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from heartloop.cli import cli
from heartloop.cli import main as program


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "mine.csv"
    path.write_text("question,answer\nWhat is 31 + 76?,107\nWhat is 2 + 2?,4\n", encoding="utf-8")
    return str(path)


def told(*arguments: str) -> str:
    done = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_ask_shows_what_was_sent_and_what_came_back(loopback: Any) -> None:
    server = loopback(lambda body: f"answer {len(body['messages'])}")
    where = ("--model", "server/m", "--base-url", server.url)
    shown = told("ask", "What is 3 + 4?", "--stimuli", "EP02", *where)
    sent = server.asked[0][2]["messages"]
    assert sent == [
        {"role": "user", "content": "This is very important to my career.\n\nWhat is 3 + 4?"}
    ]
    assert "[user]\nThis is very important to my career.\n\nWhat is 3 + 4?\n" in shown
    assert "answer 1\n" in shown and "1 call, 15 tokens" in shown
    plain = told("ask", "What is 3 + 4?", *where)
    assert "arm single" in plain and "important" not in plain


def test_ask_of_a_loop_has_every_call_and_the_choice(loopback: Any) -> None:
    server = loopback(lambda body: f"answer {len(body['messages'])}")
    found = json.loads(
        told(
            "ask", "Who?", "--rounds", "2", "--selector", "last", "--json",
            "--model", "server/m", "--base-url", server.url,
        )
    )  # fmt: skip
    assert len(found["calls"]) == len(server.asked) == 3
    asked: list[Any] = []
    for call, (_, _, body) in zip(found["calls"], server.asked, strict=True):
        asked = (asked if call["goes_on"] else []) + call["messages"]
        assert asked == body["messages"]
        asked = [*asked, {"role": "assistant", "content": call["answer"]}]
    assert found["answer"] == "answer 5" and found["selected"] == {"round": 2, "draw": 0}
    assert found["verdict"] is None


def test_a_question_of_a_task_is_graded(loopback: Any, table: str) -> None:
    server = loopback(lambda body: "It is 4.")
    found = told(
        "ask", "--task", table, "--question", "1", "--model", "server/m", "--base-url", server.url
    )
    assert "What is 2 + 2?" in found and "verdict: unscored (unparsed)" in found
    assert "by content: correct" in found


def test_render_shows_what_a_run_sends(loopback: Any, table: str, tmp_path: Path) -> None:
    server = loopback(lambda body: "4")
    flags = ("--task", table, "--stimuli", "EP02", "--model", "server/m")
    shown = json.loads(told("render", *flags, "--question", "1", "--json"))
    run = (*flags, "--base-url", server.url, "--runs", str(tmp_path / "runs"))
    told("run", *run, "--controls", "matched", "--json")
    sent = [body["messages"] for _, _, body in server.asked]
    for arm in shown["arms"]:
        if arm["arm"] != "EP02 demand-only":
            assert [c["messages"] for c in arm["calls"]][0] in sent, arm
    assert {"none", "again", "EP02"} <= {arm["arm"] for arm in shown["arms"]}


def test_render_of_a_loop_and_the_difference_of_two_arms(table: str) -> None:
    where = ("--task", table, "--rounds", "1", "--model", "server/m")
    loop = told("render", *where, "--arm", "heart")
    assert "⟨answer of round 0⟩" in loop and "it is not correct" in loop
    lines = told("render", *where, "--diff", "heart", "reflect").splitlines()
    assert lines[:2] == ["--- heart", "+++ reflect"]
    changed = [line for line in lines[2:] if line[0] in "+-"]
    assert len(changed) == 2 and all(line[0] == "-" for line in changed)  # the cue, its blank line
    one = told("render", *where, "--diff", "heart", "heart")
    assert one == "the two arms send the same messages\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask",), "give a question"),
        (("render", "Who?", "--task", "olympiad"), "give a question"),
        (("ask", "Who?", "--stimuli", "emotionprompt", "--model", "pocket"), "several arms"),
        (("ask", "Who?", "--question", "1", "--model", "pocket"), "belong to --task"),
        (("render", "Who?", "--model", "pocket", "--arm", "EP02"), "no such arm"),
        (("render", "--task", "olympiad", "--question", "x", "--model", "pocket"), "--question x"),
        (("ask", "Who?", "--model", "openai/gpt-4o-mini"), "Without a terminal add --yes"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        program(list(arguments))
    assert ended.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in error


def test_an_empty_question_is_refused(heartloop, capsys):
    heartloop("ask", " ", "--model", "pocket", code=2)
    assert "the question is empty" in capsys.readouterr().err
