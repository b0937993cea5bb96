"""What the plan says is what the run does: calls, tokens, dollars, caps, and who is asked first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.cli import main
from heartloop.run.estimate import estimate
from heartloop.run.load import prepare
from heartloop.run.plan import load_plan

LONG = "Let me see. " * 40 + r"The answer is \boxed{4}."
VERDICT = '{"reason":"r","verdict":"INCORRECT"}'


def heartloop(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        raise SystemExit(main(list(arguments)))
    return int(stop.value.code or 0)


def questions(folder: Path, count: int = 6) -> Path:
    file = folder / "mine.csv"
    rows = [f"q{i},What is {i} + {i}?,{2 * i}" for i in range(count)]
    file.write_text("\n".join(["id,question,answer", *rows]) + "\n")
    return file


def replies(text: str) -> Any:
    """A server whose answers are as long as the request allows, and counted in bytes."""

    def reply(body: dict[str, Any]) -> Any:
        said = VERDICT if body["model"] == "j" else text
        prompt = sum(len(m["content"].encode()) for m in body["messages"])
        usage = {"prompt_tokens": prompt, "completion_tokens": body["max_tokens"]}
        message = {"role": "assistant", "content": said}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return 200, {"choices": [choice], "usage": usage}

    return reply


def planned(folder: Path, **fields: Any) -> Any:
    import yaml

    file = folder / "plan.yaml"
    plan = {"tasks": [str(folder / "mine.csv")], "models": ["server/m"], **fields}
    file.write_text(yaml.safe_dump(plan))
    return estimate(prepare(load_plan(file)))


HEART = ("--method", "heart", "--rounds", "2", "--max-tokens", "300")
PLANS = {
    "one turn": ("--method", "single", "--controls", "none", "--max-tokens", "300"),
    "loop": HEART,
    "judged loop": (*HEART, "--mode", "oracle", "--verifier", "judge", "--judge", "server/j"),
    "panel": (*HEART, "--verifier", "simpleqa", "--judge", "server/j,server/m"),
    "merged": (*HEART, "--mode", "verifier-free"),
    "tournament": (*HEART, "--mode", "verifier-free", "--selector", "tournament"),
    "stimuli": ("--stimuli", "emotionprompt:EP01,emotionprompt:EP02", "--max-tokens", "50"),
    "critique": ("--method", "critique", "--helper", "server/h", "--max-tokens", "300"),
}


@pytest.mark.parametrize("name", PLANS)
def test_at_most_is_at_most(name, loopback, tmp_path, capsys):
    """Answers as long as ``max_tokens``, prompts of one token a byte: never above the bound."""
    server = loopback(replies(LONG))
    prices = tmp_path / "prices.yaml"
    price = {"prompt": 2000, "completion": 6000}
    prices.write_text(json.dumps({f"server/{m}": price for m in "mjh"}))
    command = (
        "run", "--task", str(questions(tmp_path)), "--model", "server/m", "--base-url", server.url,
        "--prices", str(prices), "--runs", str(tmp_path / "runs"), "--name", "r", *PLANS[name],
    )  # fmt: skip
    assert heartloop(*command, "--dry-run", "--json") == 0
    assert not server.asked  # a dry run sends nothing
    found = json.loads(capsys.readouterr().out)["estimate"]
    assert heartloop(*command) == 2 and not server.asked  # nobody to ask about the money
    assert "add --yes" in capsys.readouterr().err
    assert heartloop(*command, "--yes") == 0
    paid = json.loads((tmp_path / "runs" / "r" / "summary.json").read_text())["paid"]
    tokens = paid["tokens"]["prompt"] + paid["tokens"]["completion"]
    assert found["calls_least"] <= paid["calls"] <= found["calls_most"]
    assert len(server.asked) <= found["calls_most"]
    assert tokens <= found["tokens_most"]
    assert 0 < paid["cost"] <= found["usd_most"]
    assert found["costs_money"] and not found["unpriced"]


def test_judges_and_choices_are_rows_of_the_plan(tmp_path):
    questions(tmp_path, 5)
    single = [{"name": "single", "method": "single"}]
    alone = planned(tmp_path, arms=single, verifier="exact")
    judged = planned(tmp_path, arms=single, verifier="simpleqa", judge=["server/a", "server/b"])
    assert (alone.calls_most, judged.calls_most) == (5, 15)
    assert [row.name for row in judged.judges] == ["server/a", "server/b"]
    assert not judged.self_judged
    assert planned(tmp_path, arms=single, verifier="simpleqa").self_judged
    table = tmp_path / "mine.csv"
    table.write_text("id,question,choices,answer\n" + 'a,Which?,"[""x"",""y"",""z""]",x\n' * 1)
    choices = planned(tmp_path, arms=single, verifier="choice_loglik")
    assert choices.calls_most == 3


def test_the_price_of_a_judge_and_of_a_server_count(tmp_path, monkeypatch):
    questions(tmp_path)
    single = [{"name": "single", "method": "single"}]
    judge = {"model": "server/j", "price": {"prompt": 10, "completion": 10}}
    found = planned(tmp_path, arms=single, verifier="simpleqa", judge=judge)
    assert found.costs_money and found.usd > 0
    free = planned(tmp_path, arms=single, verifier="simpleqa", judge="server/j")
    assert not free.costs_money and free.usd == 0
    monkeypatch.setenv("HEARTLOOP_API_KEY", "key")
    hosted = planned(tmp_path, arms=single, server={"base_urls": ["https://api.example.com/v1"]})
    assert hosted.costs_money and hosted.unpriced == ("server/m",) and hosted.usd is None
    near = planned(tmp_path, arms=single, server={"base_urls": ["http://10.0.0.7:8000/v1"]})
    assert not near.costs_money


def test_caps_that_cannot_hold_are_refused_before_anything_is_sent(loopback, tmp_path, capsys):
    server = loopback(replies("4"))
    command = (
        "run", "--task", str(questions(tmp_path)), "--model", "server/m", "--base-url", server.url,
        "--runs", str(tmp_path / "runs"), "--method", "single", "--controls", "none",
    )  # fmt: skip
    for more, says in (
        (("--max-usd", "1"), "no price is known for server/m, so --max-usd cannot hold"),
        (("--max-question-tokens", "30"), "no call fits"),
        (("--prices", str(tmp_path / "none.yaml")), "none.yaml"),
    ):
        assert heartloop(*command, *more, "--dry-run") == 2
        assert says in capsys.readouterr().err
        assert heartloop(*command, *more) == 2
    assert not server.asked and not (tmp_path / "runs").exists()
    assert heartloop(*command, "--max-total-tokens", "9", "--dry-run") == 0
    assert "that is more than --max-total-tokens 9" in capsys.readouterr().err


def test_the_rest_of_a_paid_run_is_asked_for_and_a_finished_one_is_not(loopback, tmp_path, capsys):
    server = loopback(replies("4"))
    prices = tmp_path / "prices.yaml"
    prices.write_text(json.dumps({"server/m": {"prompt": 10, "completion": 10}}))
    run = (
        "run", "--task", str(questions(tmp_path)), "--model", "server/m", "--base-url", server.url,
        "--runs", str(tmp_path / "runs"), "--method", "single", "--controls", "none", "--name", "r",
        "--prices", str(prices), "--max-tokens", "50", "--max-total-tokens", "200", "--yes",
    )  # fmt: skip
    assert heartloop(*run) == 3
    asked = len(server.asked)
    resume = ("resume", "r", "--runs", str(tmp_path / "runs"), "--max-total-tokens", "100000")
    assert heartloop(*resume) == 2 and len(server.asked) == asked
    assert "the rest of this run costs" in capsys.readouterr().err
    assert heartloop(*resume, "--yes") == 0
    assert heartloop(*resume) == 0  # nothing is left to pay


def test_draws_that_a_user_wrote_stand_and_matched_ones_are_in_the_range(loopback, tmp_path):
    import yaml

    from heartloop.errors import UsageError

    server = loopback(replies("5"))
    loop = {"name": "loop", "method": "heart", "params": {"rounds": 3}}
    draws = {"name": "draws", "method": "resample", "role": "resample", "params": {"draws": 2}}
    questions(tmp_path)
    fields = {
        "arms": [loop, draws], "sampling": {"max_tokens": 20},
        "server": {"base_urls": [server.url]},
    }  # fmt: skip
    written = planned(tmp_path, **fields)
    assert [row.calls_most for row in written.arms] == [24, 12]
    runs = ("--runs", str(tmp_path / "runs"))
    assert heartloop("run", "--plan", str(tmp_path / "plan.yaml"), "--name", "a", *runs) == 0
    rows = json.loads((tmp_path / "runs" / "a" / "summary.json").read_text())["arms"]
    assert next(row for row in rows if row["arm"] == "draws")["calls"] == 12
    with pytest.raises(UsageError, match="match: fixed"):
        planned(tmp_path, match="tokens", **fields)
    del draws["params"]
    matched = planned(tmp_path, **fields)
    assert heartloop("run", "--plan", str(tmp_path / "plan.yaml"), "--name", "b", *runs) == 0
    manifest = json.loads((tmp_path / "runs" / "b" / "manifest.json").read_text())
    (drawn,) = (n for tasks in manifest["plan"]["draws"]["draws"].values() for n in tasks.values())
    assert drawn > 3
    rows = json.loads((tmp_path / "runs" / "b" / "summary.json").read_text())["arms"]
    assert 12 < next(r for r in rows if r["arm"] == "draws")["calls"] <= matched.arms[1].calls_most
    assert yaml.safe_load((tmp_path / "plan.yaml").read_text())["arms"][1] == draws
