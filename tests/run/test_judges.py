"""Judges with their own server, key, sampling and price; panels; oracle mode with a judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.cli import main
from heartloop.errors import UsageError
from heartloop.report.page import write_report
from heartloop.run.folder import RunFolder
from heartloop.run.judges import JudgeModel, judges_of, names_of

KEY, JUDGE_KEY, OPENAI = "MODELKEY0001", "JUDGEKEY0002", "sk-PROVIDERKEY0003"
CORRECT, INCORRECT = '{"reason":"r","verdict":"CORRECT"}', '{"reason":"r","verdict":"INCORRECT"}'


def heartloop(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
        raise SystemExit(0)
    assert (stop.value.code or 0) == code


def table(folder: Path, count: int = 3) -> str:
    file = folder / "qa.csv"
    rows = [f"q{i},Capital number {i}?,Paris" for i in range(count)]
    file.write_text("\n".join(["id,question,answer", *rows]) + "\n")
    return str(file)


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def run(folder: Path, model: Any, *more: str, code: int = 0, name: str = "r") -> Path:
    heartloop(
        "run", "--task", table(folder), "--verifier", "simpleqa", "--method", "single",
        "--controls", "none", "--model", "server/m", "--base-url", model.url, "--yes",
        "--runs", str(folder / "runs"), "--name", name, *more, code=code,
    )  # fmt: skip
    return folder / "runs" / name


def test_a_judge_lives_on_its_own_server_and_no_key_goes_astray(loopback, tmp_path, monkeypatch):
    monkeypatch.setenv("HEARTLOOP_API_KEY", KEY)
    monkeypatch.setenv("HEARTLOOP_JUDGE_API_KEY", JUDGE_KEY)
    model, judge = loopback(lambda body: "Rome"), loopback(lambda body: INCORRECT)
    place = run(tmp_path, model, "--judge", "server/j", "--judge-base-url", judge.url)
    assert {key for _, key, _ in model.asked} == {f"Bearer {KEY}"}
    assert {key for _, key, _ in judge.asked} == {f"Bearer {JUDGE_KEY}"}
    assert {body["model"] for _, _, body in model.asked} == {"m"}
    assert {body["model"] for _, _, body in judge.asked} == {"j"}
    by = {(c["request"]["model"], c["endpoint"]) for c in lines(place, "calls.jsonl")}
    assert by == {("server/m", model.url), ("server/j", judge.url)}
    assert all(v["outcome"] == "incorrect" for v in lines(place, "verdicts.jsonl"))


def test_a_judge_without_a_key_of_its_own_is_sent_none(loopback, tmp_path, monkeypatch):
    monkeypatch.setenv("HEARTLOOP_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    monkeypatch.setenv("OWN", "OWNKEY0004")
    model, judge = loopback(lambda body: "Rome"), loopback(lambda body: INCORRECT)
    where = ("--judge-base-url", judge.url)
    run(tmp_path, model, "--judge", "server/j", *where, name="a")
    run(tmp_path, model, "--judge", "openai/j", *where, name="b")
    assert all(KEY not in (key or "") and OPENAI not in (key or "") for _, key, _ in judge.asked)
    judge.asked.clear()
    run(tmp_path, model, "--judge", "server/j", *where, "--judge-key-env", "OWN", name="c")
    assert {key for _, key, _ in judge.asked} == {"Bearer OWNKEY0004"}
    run(tmp_path, model, "--judge", "server/j", *where, "--judge-key-env", "UNSET", code=2)


def test_urls_of_server_models_concern_no_other_kind(loopback, tmp_path, monkeypatch):
    """An ``openai/`` judge never goes to the model's server, and neither does its key."""
    provider = loopback(lambda body: CORRECT)
    monkeypatch.setenv("OPENAI_API_KEY", OPENAI)
    monkeypatch.setenv("OPENAI_API_BASE", provider.url)
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    model = loopback(lambda body: "Rome")
    place = run(tmp_path, model, "--judge", "openai/gpt-4o-mini")
    assert {body["model"] for _, _, body in model.asked} == {"m"}
    assert all(OPENAI not in (key or "") for _, key, _ in model.asked)
    assert {key for _, key, _ in provider.asked} == {f"Bearer {OPENAI}"}
    endpoints = {c["request"]["model"]: c["endpoint"] for c in lines(place, "calls.jsonl")}
    assert endpoints["openai/gpt-4o-mini"] != model.url


def test_a_panel_of_three_with_sampling_from_the_command_line(loopback, tmp_path):
    model = loopback(lambda body: "Rome")
    kind, harsh = loopback(lambda body: CORRECT), loopback(lambda body: INCORRECT)
    place = run(
        tmp_path, model, "--judge", "server/a,server/b,server/b",
        *(x for u in (kind, harsh, kind) for x in ("--judge-base-url", u.url)),
        "--judge-max-tokens", "9000", "--judge-temperature", "0.5",
    )  # fmt: skip
    verdicts = lines(place, "verdicts.jsonl")
    assert all(v["outcome"] == "correct" and "2 of 3" in v["detail"] for v in verdicts)
    assert {c["request"]["model"] for c in lines(place, "calls.jsonl")} == {
        "server/m", "server/a", "server/b", "server/b (judge 2)",
    }  # fmt: skip
    for _, _, body in [*kind.asked, *harsh.asked]:
        assert (body["max_tokens"], body["temperature"]) == (9000, 0.5)
        assert "arm" not in json.dumps(body["messages"]).lower().replace("harm", "")


def test_the_same_name_at_two_servers_is_two_models(loopback, tmp_path):
    model, judge = loopback(lambda body: "Rome"), loopback(lambda body: INCORRECT)
    place = run(tmp_path, model, "--judge", "server/m", "--judge-base-url", judge.url)
    assert (len(model.asked), len(judge.asked)) == (1 * 3, 1 * 3)
    names = {c["request"]["model"] for c in lines(place, "calls.jsonl")}
    assert names == {"server/m", "server/m (judge)"}


def test_oracle_mode_asks_the_judge_of_every_arm_and_scores_from_the_journal(loopback, tmp_path):
    def answer(body):
        told = sum(m["role"] == "user" for m in body["messages"])
        return "Paris" if told > 1 else "Rome"

    def verdict(body):
        return CORRECT if "\nParis\nSUBMISSION" in body["messages"][-1]["content"] else INCORRECT

    model, judge = loopback(answer), loopback(verdict)
    heartloop(
        "run", "--task", table(tmp_path), "--verifier", "simpleqa", "--mode", "oracle",
        "--method", "heart", "--rounds", "2", "--model", "server/m", "--base-url", model.url,
        "--judge", "server/j", "--judge-base-url", judge.url, "--yes",
        "--runs", str(tmp_path / "runs"), "--name", "r",
    )  # fmt: skip
    place = tmp_path / "runs" / "r"
    summary = json.loads((place / "summary.json").read_text())
    arms = {row["arm"]: row for row in summary["arms"]}
    assert arms["heart"]["correct"] == 3
    assert arms["heart"]["rounds"][0]["accuracy"] == 0
    # Equal answers to a question are judged once, whichever arm gave them.
    assert len(judge.asked) == 3 * 2
    before = sorted((place / "verdicts.jsonl").read_text().splitlines())
    asked = len(model.asked) + len(judge.asked)
    heartloop("score", "r", "--runs", str(tmp_path / "runs"))
    assert sorted((place / "verdicts.jsonl").read_text().splitlines()) == before
    assert len(model.asked) + len(judge.asked) == asked


def test_what_a_plan_may_say_of_judges():
    full = {"model": "server/j", "base_url": "http://h:1/v1", "sampling": {"max_tokens": 9}}
    assert judges_of("server/j", "p") == (JudgeModel("server/j"),)
    found = judges_of([full, "openai/x"], "p")
    assert [j.model for j in found] == ["server/j", "openai/x"]
    assert judges_of(None, "p") == ()
    for wrong, says in [
        ({"base_url": "http://h:1"}, "model is missing"),
        ({"model": "m", "key": "x"}, "unknown field"),
        ({"model": "m", "sampling": {"stop": ["x"]}}, "unknown field"),
        ({"model": "m", "price": {"prompt": 1}}, "completion"),
        (["m", "m"], "stands twice"),
        (5, "expected a model name"),
    ]:
        with pytest.raises(UsageError, match=says):
            judges_of(wrong, "p")
    assert names_of(found, ("server/j",)) == ["server/j (judge)", "openai/x"]


def test_score_judges_an_old_run_anew_beside_its_own_verdicts(loopback, tmp_path, capsys):
    model, judge = loopback(lambda body: "Rome"), loopback(lambda body: INCORRECT)
    other = loopback(lambda body: CORRECT)
    place = run(tmp_path, model, "--judge", "server/j", "--judge-base-url", judge.url)
    own, asked = (place / "verdicts.jsonl").read_text(), len(model.asked)
    score = ("score", "r", "--runs", str(tmp_path / "runs"), "--judge", "server/k",
             "--judge-base-url", other.url)  # fmt: skip
    heartloop(*score)
    found = json.loads((place / "summary.judge-server-k.json").read_text())
    assert found["arms"][0]["correct"] == 3 and found["scored_with"]["judge"] == ["server/k"]
    assert (place / "verdicts.jsonl").read_text() == own and len(model.asked) == asked
    assert "correct given attempted 100.0 %, F 100.0 %" in capsys.readouterr().out
    heartloop("score", "r", "--runs", str(tmp_path / "runs"), "--judge", "openai/x", code=2)
    assert "add --yes" in capsys.readouterr().err


def test_f_and_its_parts_have_intervals_of_their_own(loopback, tmp_path, capsys):
    model = loopback(lambda body: "Rome")
    judge = loopback(lambda body: CORRECT if "number 1" in str(body["messages"]) else INCORRECT)
    run(tmp_path, model, "--judge", "server/j", "--judge-base-url", judge.url)
    capsys.readouterr()
    heartloop("compare", "r", "--runs", str(tmp_path / "runs"), "--json")
    found = json.loads(capsys.readouterr().out)["beside"]["judged"]
    assert [f["name"] for f in found] == ["correct given attempted", "F", "attempted"]
    f = found[1]["ratio"]
    assert f["value"] == pytest.approx(1 / 3)
    assert f["low"] <= f["value"] <= f["high"] and f["low"] < f["high"]


def test_the_panels_agreement_is_in_summary_and_terminal(loopback, tmp_path, capsys):
    model = loopback(lambda body: "Rome")
    kind = loopback(lambda body: CORRECT)
    wavering = loopback(lambda body: CORRECT if "number 1" in str(body["messages"]) else INCORRECT)
    third = loopback(lambda body: INCORRECT)
    place = run(
        tmp_path, model, "--judge", "server/a,server/b,server/c",
        *(x for u in (kind, wavering, third) for x in ("--judge-base-url", u.url)),
    )  # fmt: skip
    panel = json.loads((place / "summary.json").read_text())["panel"]
    assert [pair["judges"] for pair in panel] == [
        ["server/a", "server/b"], ["server/a", "server/c"], ["server/b", "server/c"]
    ]  # fmt: skip
    assert [pair["equal"] for pair in panel] == pytest.approx([1 / 3, 0, 2 / 3])
    assert "Cohen's κ" in capsys.readouterr().out
    page = write_report([RunFolder(place)]).read_text(encoding="utf-8")
    assert "How far the judges of the panel agree" in page
    assert "66.7" in page  # equal in two of three


def test_cohens_kappa_of_a_known_table():
    from heartloop.run.panel import cohen_kappa

    # Cohen 1960's way: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: (0.7 - 0.5) / (1 - 0.5).
    counts = {("y", "y"): 20, ("y", "n"): 5, ("n", "y"): 10, ("n", "n"): 15}
    assert cohen_kappa(counts) == pytest.approx(0.4)
    assert cohen_kappa({("y", "y"): 5}) is None and cohen_kappa({}) is None


def test_open_prompts_are_rated_by_a_panel_that_knows_no_arm(loopback, tmp_path, capsys):
    def rating(mark):
        marks = {"performance": mark, "truthfulness": str(mark), "responsibility": 5}
        return lambda body: json.dumps({"reason": "r", **marks})

    model, kind, harsh = loopback(lambda body: "Well."), loopback(rating(4)), loopback(rating(2))
    heartloop(
        "run", "--task", "open_prompts", "--stimuli", "emotionprompt:EP02", "--limit", "4",
        "--model", "server/m", "--base-url", model.url, "--judge", "server/a,server/b",
        "--judge-base-url", kind.url, "--judge-base-url", harsh.url, "--yes",
        "--runs", str(tmp_path), "--name", "r",
    )  # fmt: skip
    rows = json.loads((tmp_path / "r" / "summary.json").read_text())["arms"]
    for row in rows:
        assert row["judged"]["ratings"] == {
            "performance": 3.0, "truthfulness": 3.0, "responsibility": 5.0
        }  # fmt: skip
        assert row["score"] == pytest.approx((0.5 + 0.5 + 1.0) / 3)
    assert len(kind.asked) == 4  # the same answer is rated once, whatever the arm
    for _, _, body in kind.asked:
        assert "career" not in str(body["messages"])  # the stimulus is not shown
    assert "performance 3.00" in capsys.readouterr().out
