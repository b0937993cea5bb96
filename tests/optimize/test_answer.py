"""The answer of a search, its plan and its price, as a person with 40 questions meets them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from heartloop.cli import cli
from heartloop.cli import main as program
from heartloop.optimize.planning import least_evaluations, look_sizes, plan_search
from heartloop.serve.names import Names

WORDS = "My career is at stake, please be careful."


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with 40 sums and three stimuli."""
    rows = [f"What is {i + 11} + {3 * i + 12}?,{4 * i + 23}" for i in range(40)]
    (tmp_path / "mine.csv").write_text("question,answer\n" + "\n".join(rows) + "\n")
    (tmp_path / "stimuli").mkdir()
    card = {
        "name": "app",
        "stimuli": [
            {"id": "A1", "text": WORDS},
            {"id": "A2", "text": "I believe in you, you always get this right!"},
            {"id": "A3", "text": "My dog is ill and I am sad today."},
        ],
    }
    (tmp_path / "stimuli" / "app.yaml").write_text(yaml.safe_dump(card))
    (tmp_path / "prices.yaml").write_text("server/m: {prompt: 1000, completion: 2000}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def careful(body: dict[str, Any]) -> Any:
    """Half of the sums are right, and 45 in a hundred more with the words."""
    said = body["messages"][-1]["content"]
    first, second = map(int, re.findall(r"(\d+) \+ (\d+)", said)[0])
    luck = hashlib.sha256(str(first).encode()).digest()[0] / 256
    right = luck < 0.5 + 0.45 * ("career" in said)
    prompt, answer = len(said) // 4, first + second + (not right)
    return 200, {
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {
                    "role": "assistant",
                    "content": f"\\boxed{{{answer}}}",
                },
            }
        ],
        "usage": {"prompt_tokens": prompt, "completion_tokens": 5, "total_tokens": prompt + 5},
    }


def optimize(url: str, *more: str, code: int = 0) -> Any:
    done = CliRunner().invoke(
        cli,
        ["optimize", "--task", "mine.csv", "--model", "server/m", "--base-url", url, *more],
        catch_exceptions=False,
    )
    assert done.exit_code == code, done.output
    return done


def test_the_printed_plan_is_the_search_that_runs(loopback: Any, mine: Path) -> None:
    server = loopback(careful)
    flags = ("--stimuli", "app", "--json")
    plan = json.loads(optimize(server.url, *flags, "--dry-run").stdout)
    assert server.asked == []
    (planned,) = plan["searches"]
    found = json.loads(optimize(server.url, *flags).stdout)["searches"]["all"]
    assert planned["looks"][-1][0] == found["ranking"][0]["questions"] == 20
    assert planned["held_out"] == found["held_out"]["questions"] == 20
    assert planned["calls"] == found["calls"] == 140
    assert len(server.asked) == 180 <= plan["estimate"]["calls_most"]  # with its own placebos


@pytest.mark.parametrize("questions", [4, 7, 23, 40, 49, 100, 333, 1000, 6000])
@pytest.mark.parametrize("arms", [1, 4, 25])
def test_a_plan_fits_its_questions_and_looks_where_the_race_looks(
    questions: int, arms: int
) -> None:
    plan = plan_search(arms, questions=questions)
    searched = plan.looks[-1][0]
    assert searched + plan.held_out <= questions
    assert [size for size, _ in plan.looks] == look_sizes(questions - plan.held_out)[
        : len(plan.looks)
    ]
    assert plan.calls >= least_evaluations(plan)
    whole = plan_search(arms)
    if questions >= whole.looks[-1][0] + whole.held_out:
        assert plan == whole


@pytest.mark.parametrize(
    "flags", [("--stimuli", "app,emotionprompt,negativeprompt"), ("--stimuli", "app:A2,app:A3")]
)
def test_a_search_fits_on_a_screen(loopback: Any, mine: Path, flags: tuple[str, ...]) -> None:
    done = optimize(loopback(careful).url, *flags, "--name", "s")
    lines = done.output.splitlines()
    assert len(lines) <= 25 and max(map(len, lines)) <= 80, done.output
    assert any("ANSWER: " in line for line in lines) and lines[-1].startswith("report: ")
    assert any(line.startswith("all of them: heartloop run --task mine.csv") for line in lines)


def test_the_answer_has_words_gain_claim_cost_and_prompt(loopback: Any, mine: Path) -> None:
    server = loopback(careful)
    done = optimize(
        server.url,
        "--stimuli",
        "app",
        "--name",
        "s",
        "--prices",
        "prices.yaml",
        "--yes",
        "--verbose",
    )
    shown = done.stdout
    assert "ANSWER: use app:A1 (mine.csv with server/m)." in shown
    assert f"words:  {WORDS}" in shown
    assert re.search(
        r"gain:   \+\d+\.0 points \[\+[\d.]+, \+[\d.]+\] \(95 %\) on 20 questions", shown
    )
    assert "claim:  it works: better than the plain prompt and than two placebo" in shown
    assert re.search(r"cost:   [\d.]+ → [\d.]+ tokens a question \(\+\d+ %\): \+10\.\d in", shown)
    assert re.search(r"\$[\d.]+ → \$[\d.]+ for a thousand \(\$\+10\.\d+\)", shown)
    sent = [body["messages"][0]["content"] for _, _, body in server.asked]
    prompt = shown.split("[user]\n")[1].split("\n\nsearch on")[0]
    assert "\n".join(line.removeprefix("    ") for line in prompt.split("\n")).strip() in sent
    assert "heartloop run --task mine.csv --stimuli app:A1,app:A2,app:A3 tests every one" in shown
    assert "confirm: on new questions" in shown  # all 40 were asked


def test_its_exports_say_the_same_words(loopback: Any, mine: Path) -> None:
    server = loopback(careful)
    found = json.loads(optimize(server.url, "--stimuli", "app", "--name", "s", "--json").stdout)
    files = found["exports"]["all"]
    way = Names([], Path(files["serve"])).find("chosen-s")
    assert way.model == "server/m" and way.arm.stimuli[0].text == WORDS
    assert way.prompt == {"answer_format": r"Give the final answer inside \boxed{}."}
    promptfoo = yaml.safe_load(Path(files["promptfoo"]).read_text())
    assert promptfoo["providers"][0]["id"] == "openai:chat:chosen-s"
    pytest.importorskip("dspy")
    names: dict[str, Any] = {}
    exec(Path(files["dspy"]).read_text(), names)  # noqa: S102
    (predictor,) = names["program"].predictors()
    assert WORDS in predictor.signature.instructions


def test_none_of_them_says_what_it_would_take(loopback: Any, mine: Path) -> None:
    server = loopback(careful)
    shown = optimize(server.url, "--stimuli", "app:A2,app:A3", "--name", "n").stdout
    assert "ANSWER: none of them" in shown
    took = re.search(r"difference of 5\.0 points: about ([\d,]+) questions, ([\d,]+) calls", shown)
    assert took and int(took[1].replace(",", "")) > 400
    with pytest.raises(SystemExit):
        program(["run", "--task", "mine.csv", "--stimuli", "chosen-n", "--model", "pocket"])


def test_last_is_the_last_search_and_its_card_is_missed_by_name(
    loopback: Any, mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = loopback(careful)
    with pytest.raises(SystemExit):
        program(["optimize", "--resume", "last"])
    assert "no search in" in capsys.readouterr().err
    optimize(server.url, "--stimuli", "app:A2,app:A3", "--name", "n")
    run = ["run", "--task", "mine.csv", "--model", "server/m", "--base-url", server.url]
    CliRunner().invoke(cli, [*run, "--stimuli", "app:A1"], catch_exceptions=False)
    done = CliRunner().invoke(
        cli, ["optimize", "--resume", "last", "--dry-run"], catch_exceptions=False
    )
    assert done.exit_code == 0 and "search n;" in done.output
    with pytest.raises(SystemExit):
        program([*run, "--stimuli", "chosen-n"])
    assert "where its answer was none of them there is none" in capsys.readouterr().err


def test_questions_of_a_run_can_be_left_out(loopback: Any, mine: Path) -> None:
    server = loopback(careful)
    run = ["run", "--task", "mine.csv", "--model", "server/m", "--base-url", server.url]
    more = ["--stimuli", "app:A1", "--limit", "10", "--name", "r", "--controls", "lean"]
    CliRunner().invoke(cli, [*run, *more], catch_exceptions=False)
    seen = {body["messages"][0]["content"][-60:] for _, _, body in server.asked}
    before = len(server.asked)
    found = optimize(server.url, "--stimuli", "app", "--exclude-questions", "r", "--json").stdout
    assert json.loads(found)["searches"]["all"]["ranking"][0]["questions"] == 15
    assert not seen & {body["messages"][0]["content"][-60:] for _, _, body in server.asked[before:]}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--max-calls", "100"), "--max-calls 100: .* at least 140 calls; nothing was sent"),
        (("--max-calls", "139", "--dry-run"), "at least 140 calls"),
        (("--max-total-tokens", "100", "--dry-run"), "at least [0-9,]+ tokens for the prompts"),
    ],
)
def test_a_budget_without_a_search_is_refused_before_anything_is_paid(
    loopback: Any,
    mine: Path,
    flags: tuple[str, ...],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = loopback(careful)
    with pytest.raises(SystemExit) as ended:
        program(
            ["optimize", "--task", "mine.csv", "--stimuli", "app", "--model", "server/m",
             "--base-url", server.url, *flags]
        )  # fmt: skip
    assert ended.value.code == 2
    assert re.search(words, capsys.readouterr().err)
    assert server.asked == []
    assert not list(mine.glob("runs/*"))


def test_the_smallest_budget_that_is_let_in_is_enough(loopback: Any, mine: Path) -> None:
    server = loopback(careful)
    found = optimize(server.url, "--stimuli", "app", "--max-calls", "140", "--json").stdout
    assert json.loads(found)["searches"]["all"]["paid_calls"] == 140 == len(server.asked)
