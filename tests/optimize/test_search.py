"""`heartloop optimize` on a loopback server: finds, refuses, stops, resumes, reuses, writes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from heartloop.cards import load_stimuli
from heartloop.cli import main
from heartloop.errors import UsageError
from heartloop.optimize.arms import search_arms

EP08 = "Embrace challenges as opportunities for growth."
QUESTIONS = 360


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        rows = [
            {"question": f"{name} Problem {n}: what is it?", "answer": str(n)}
            for n in range(QUESTIONS)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    golds = []
    for name in ("one", "two"):
        golds += [{"match": f"{name} Problem {i}:", "answer": i} for i in range(QUESTIONS)]
    (tmp_path / "golds.jsonl").write_text("\n".join(map(json.dumps, golds)))
    return tmp_path


@pytest.fixture
def server(place, mock_server):
    def start(effects, *more):
        (place / "cues.json").write_text(json.dumps(effects))
        options = [
            "--answers",
            str(place / "golds.jsonl"),
            "--cue-ability",
            str(place / "cues.json"),
        ]
        options += ["--ability", "0.5", "--spread", "0.3", "--coupling", "0.8", *more]
        return mock_server(*options)

    return start


def command(url, *more, task="one.jsonl", stimuli="emotionprompt:EP02,EP08,EP10", delta=0.12):
    words = ["optimize", "--task", task, "--model", "server/m", "--base-url", url, "--json"]
    return [*words, *(["--stimuli", stimuli] if stimuli else []), "--delta", str(delta), *more]


def optimize(capsys, *arguments, code=0):
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    out, err = capsys.readouterr()
    assert ended.value.code == code, err
    return json.loads(out) if out else err


def calls(folder):
    return (folder / "calls.jsonl").read_text().count("\n")


def test_a_stimulus_that_helps_is_chosen_and_its_card_can_be_run(place, server, capsys):
    url = server({EP08: 0.2})
    found = optimize(capsys, *command(url, "--name", "s"))
    result = found["searches"]["all"]
    assert result["chosen"] == "emotionprompt:EP08"
    assert 0.1 < result["held_out"]["difference"] < 0.3
    claim = found["claims"]["all"]
    assert claim["word"] == "works"  # and its own placebos do nothing on the same questions
    assert len(claim["placebos"]) == 2
    assert claim["questions"] == result["held_out"]["questions"]
    assert result["paid_calls"] + claim["calls"] == calls(place / "runs/s")
    card = load_stimuli("chosen-s")
    assert EP08 in card.stimuli[0].text and "held-out" in card.notes
    assert json.loads((place / "runs/s/search.json").read_text())["searches"] == found["searches"]
    lines = [json.loads(x) for x in (place / "runs/s/verdicts.jsonl").read_text().splitlines()]
    assert len(lines) == result["calls"] + claim["calls"]


def test_when_nothing_helps_the_answer_is_none_and_no_card_is_written(place, server, capsys):
    found = optimize(capsys, *command(server({EP08: -0.2})))
    assert found["searches"]["all"]["chosen"] is None
    assert not (place / "stimuli").exists()


def test_a_second_search_with_the_first_ones_journal_pays_nothing(place, server, capsys):
    url = server({EP08: 0.2})
    first = optimize(capsys, *command(url, "--name", "a"))["searches"]["all"]
    again = optimize(capsys, *command(url, "--name", "b", "--reuse", "a"))["searches"]["all"]
    assert again["paid_calls"] == again["paid_tokens"] == 0
    assert {**again, "paid_calls": 0, "paid_tokens": 0} == {
        **first, "paid_calls": 0, "paid_tokens": 0
    }  # fmt: skip


def test_a_search_after_a_run_pays_only_for_what_the_run_did_not_ask(place, server, capsys):
    url = server({EP08: 0.2})
    stimuli = "emotionprompt:EP02,EP08"
    run = ["run", "--task", "one.jsonl", "--stimuli", stimuli, "--model", "server/m"]
    optimize(capsys, *run, "--base-url", url, "--name", "r", "--json")
    more = ("--reuse", "r", "--name", "s")
    result = optimize(capsys, *command(url, *more, stimuli=stimuli))["searches"]["all"]
    asked = {row["name"]: row["questions"] for row in result["ranking"]}
    assert result["paid_calls"] in (0, asked["placebo"])  # the run chose a placebo of its own


def test_killed_and_resumed_it_ends_as_if_nothing_had_happened(place, server, capsys):
    url = server({EP08: 0.2}, "--latency", "15")
    arguments = command(url, "--name", "k", "--max-total-tokens", "400000", "--concurrency", "8")
    process = subprocess.Popen(
        [sys.executable, "-m", "heartloop", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    journal = place / "runs/k/calls.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if journal.exists() and journal.read_text().count("\n") > 130:
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = calls(place / "runs/k")
    whole = optimize(capsys, *command(url, "--name", "w", "--max-total-tokens", "400000"))
    result = optimize(capsys, "optimize", "--resume", "k", "--json")["searches"]["all"]
    expected = whole["searches"]["all"]
    assert 0 < before < expected["calls"]
    assert result["ranking"] == expected["ranking"] and result["held_out"] == expected["held_out"]
    keys = [json.loads(line)["key"] for line in journal.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == expected["calls"]


def test_an_interrupt_stops_cleanly_and_tells_how_to_go_on(place, server):
    url = server({}, "--latency", "30")
    process = subprocess.Popen(
        [sys.executable, "-m", "heartloop", *command(url, "--name", "i", "--concurrency", "4")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = place / "runs/i/calls.jsonl"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (journal.exists() and journal.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert json.loads(out)["stopped"] == "interrupted" and "Traceback" not in err


def test_a_token_budget_holds(place, server, capsys):
    url = server({})
    result = optimize(capsys, *command(url, "--max-total-tokens", "20000", delta=0.03))
    result = result["searches"]["all"]
    assert result["paid_tokens"] <= 20000 and result["detectable"] > 0.03
    said = optimize(capsys, *command(server({}), "--max-total-tokens", "300"), code=2)
    assert "first look at 5 arms" in said and "nothing was sent" in said
    assert len(said.splitlines()) == 1


def test_two_tasks_in_one_search_and_apart(place, server, capsys):
    url = server({EP08: 0.2})
    together = optimize(capsys, *command(url, task="one.jsonl,two.jsonl"))
    assert set(together["searches"]) == {"all"}
    assert len(together["searches"]["all"]["by_task"]) == 2
    apart = optimize(capsys, *command(url, "--per-task", task="one.jsonl,two.jsonl"))
    assert len(apart["searches"]) == 2
    assert all(one["chosen"] == "emotionprompt:EP08" for one in apart["searches"].values())
    assert len(apart["cards"]) == 2


def test_schedules_of_a_loop_race_against_the_loop_that_says_nothing(place, server, capsys):
    url = server({}, "--gain", "0.2")
    more = ("--schedule", "alternate", "--schedule", "static:sadness", "--rounds", "1")
    found = optimize(capsys, *command(url, *more, stimuli=None))
    arms = {arm["name"]: arm for arm in found["arms"]}
    assert set(arms) == {"none", "placebo", "alternate", "static:sadness"}
    assert arms["none"]["method"] == "reflect" and arms["placebo"]["method"] == "neutral"
    assert found["searches"]["all"]["chosen"] is None
    assert found["searches"]["all"]["paid_calls"] < found["searches"]["all"]["calls"]


def test_the_plan_is_shown_without_a_call(place, server, capsys):
    url = server({})
    told = optimize(capsys, *command(url, "--dry-run"))
    assert told["arms"][:2] == ["none", "placebo"] and told["questions"] == QUESTIONS
    assert told["searches"][0]["calls"] > 100 and not (place / "runs").exists()


def test_the_table_says_what_is_biased_and_what_is_not(place, server, capsys):
    arguments = [word for word in command(server({EP08: 0.2}), "--name", "t") if word != "--json"]
    with pytest.raises(SystemExit):
        main([*arguments, "--verbose"])
    out = capsys.readouterr().out
    assert "biased upwards" in out and "the search never used" in out
    assert "ANSWER: use emotionprompt:EP08" in out and "card: " in out


def test_arms_are_stimuli_times_placements_and_pairs():
    arms = search_arms("emotionprompt:EP02,EP08", placements=("after_input", "before"), pairs=True)
    names = [arm.name for arm in arms]
    assert names[:2] == ["none", "placebo"] and len(names) == 2 + 3 * 2
    assert "emotionprompt:EP02+emotionprompt:EP08@before" in names
    assert [arm.role for arm in arms[:2]] == ["none", "placebo"]
    assert len(search_arms("emotionprompt", pairs=True)) == 2 + 11 + 55


def test_searches_over_nothing_are_refused(place, server, capsys):
    with pytest.raises(UsageError, match="nothing to search"):
        search_arms(None)
    with pytest.raises(UsageError, match="did you mean"):
        search_arms(None, schedules=["alternat"])
    said = optimize(capsys, *command("http://127.0.0.1:9/v1", "--schedule", "bandit"), code=2)
    assert "bandit" in said
    (place / "runs/x").mkdir(parents=True)
    plan = {"tasks": [], "models": [], "arms": [], "seeds": []}
    manifest = {"plan": plan, "tasks": [], "data": [], "sessions": [], "versions": {}}
    (place / "runs/x/manifest.json").write_text(json.dumps(manifest))
    assert "not a search" in optimize(capsys, "optimize", "--resume", "x", code=2)
