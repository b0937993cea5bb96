"""Usage errors of run, score and status: one line with the remedy, exit 2, no traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from heartloop.calls.lock import FolderLock
from heartloop.cli import main


@pytest.fixture
def sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a task of six sums and recordings of three draws each; the working folder."""
    monkeypatch.chdir(tmp_path)
    rows = [f"What is {i} + {i}?,{2 * i}\n" for i in range(1, 7)]
    (tmp_path / "sums.csv").write_text("question,answer\n" + "".join(rows))
    with (tmp_path / "draws.jsonl").open("w") as file:
        for i in range(6):
            for draw in range(3):
                value = 2 * (i + 1) if (i + draw) % 2 else 99
                text = f"So \\boxed{{{value}}}"
                file.write(json.dumps({"index": i, "draw": draw, "text": text}) + "\n")
    return tmp_path


def call(*arguments: str) -> int:
    """The exit code of a command line."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    code = ended.value.code
    assert isinstance(code, int)
    return code


REPLAY = ("run", "--task", "sums.csv", "--model", "replay/draws.jsonl")
RESAMPLE = (*REPLAY, "--method", "resample", "--param", "draws=3", "--controls", "none")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--selector", "majority"), "add --mode verifier-free"),
        (("--sample", "1"), "give --limit"),
        (("--extra-body", "3"), "expected a JSON object"),
        (("--replay-field", "text"), "expected OURS=THEIRS"),
        (("--placement", "sytem"), "is none of"),
        (("--rounds", "x"), "heartloop run --help"),
    ],
)
def test_a_flag_that_would_do_nothing_is_refused_in_one_line(
    sums: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], said: str
) -> None:
    assert call(*RESAMPLE, *flags) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.count("\n") == 1 and seen.err.startswith("heartloop: ")
    assert said in seen.err
    assert not (sums / "runs").exists()


@pytest.mark.parametrize("way", ["run", "optimize"])
def test_a_dry_run_shows_no_plan_that_lacks_its_second_model(
    sums: Path, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    flags = ("--task", "sums.csv", "--method", "critique", "--stimuli", "emotionprompt:EP02")
    assert call(way, *flags, "--dry-run") == 2
    seen = capsys.readouterr()
    assert seen.out == "" and "critique needs a second model; name one with --helper" in seen.err
    assert call(way, *flags, "--helper", "pocket", "--dry-run") == 0


def test_a_run_in_use_is_not_scored_over(sums: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*RESAMPLE, "--name", "a") == 0
    before = (sums / "runs/a/verdicts.jsonl").read_bytes()
    lock = FolderLock(sums / "runs/a")
    try:
        assert call("score", "a") == 1
    finally:
        lock.release()
    assert "in use by" in capsys.readouterr().err
    assert (sums / "runs/a/verdicts.jsonl").read_bytes() == before
    assert call("score", "a") == 0


def test_a_killed_run_is_never_called_done(sums: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*RESAMPLE, "--name", "a") == 0
    folder = sums / "runs/a"
    kept = [x for x in (folder / "calls.jsonl").read_text().splitlines() if '"draw":2' not in x]
    (folder / "calls.jsonl").write_text("\n".join(kept) + "\n")
    (folder / "summary.json").unlink()  # as a kill -9 leaves it
    capsys.readouterr()
    before = (folder / "verdicts.jsonl").read_bytes()
    assert call("score", "a") == 2  # nothing good is replaced by less
    assert "--force" in capsys.readouterr().err
    assert (folder / "verdicts.jsonl").read_bytes() == before
    assert sorted(p.name for p in folder.iterdir() if p.name.startswith(".")) == []
    assert call("score", "a", "--force") == 0
    assert "heartloop resume" in capsys.readouterr().out
    assert json.loads((folder / "summary.json").read_text())["stopped"] == "interrupted"
    assert call("status", "a", "--json") == 0
    assert json.loads(capsys.readouterr().out)["state"] == "damaged"


def test_selectors_that_cannot_ask_say_so(sums: Path, capsys: pytest.CaptureFixture[str]) -> None:
    free = ("--mode", "verifier-free", "--selector", "majority")
    assert call(*RESAMPLE, *free, "--name", "a") == 0
    capsys.readouterr()
    assert call("score", "a", "--selectors", "first,synthesis") == 0
    seen = capsys.readouterr()
    assert "error" in seen.out.splitlines()[0]
    assert "no_recording" in seen.err


def test_another_verifier_is_not_given_the_runs_own_conclusion(
    sums: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*RESAMPLE, "--name", "a") == 0
    assert "100.0 % [" in capsys.readouterr().out
    assert call("score", "a", "--verifier", "exact") == 0
    seen = capsys.readouterr().out
    assert "100.0 % [" not in seen
    assert "summary.verifier-exact.json" in seen


def test_json_on_stdout_is_the_summary_and_nothing_else(
    sums: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*RESAMPLE, "--json") == 0
    summary: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert summary["arms"][0]["correct"] == 6
    assert summary["paid"]["calls"] == 18


PLAN = """\
task: sums.csv
model: replay/draws.jsonl
arms:
  - {name: one}
  - {name: loop, method: heart, params: {rounds: 1, schedule: "static:anger"}}
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("static:anger", "static:angr", "did you mean 'anger'?"),
        ("rounds: 1, ", "rounds: one, ", "rounds: 'one'"),
        ("params: {rounds: 1, schedule: \"static:anger\"}", "params: 3", "expected a mapping"),
        ("arms:", "sampling: {temperature: hot}\narms:", "sampling: temperature"),
        ("arms:", "sampling: {top_p: 2}\narms:", "from 0 to 1"),
        ("arms:", "limits: {concurency: 3}\narms:", "did you mean 'concurrency'?"),
        ("arms:", "limits: {max_usd: cheap}\narms:", "limits: max_usd"),
        ("arms:", "margin: big\narms:", "margin: expected a share"),
        ("arms:", "practice: maybe\narms:", "expected true or false"),
        ("arms:", "seeds: []\narms:", "seeds: expected whole numbers"),
    ],
)  # fmt: skip
def test_a_slip_in_a_plan_file_is_named(
    sums: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    assert old in PLAN
    (sums / "plan.yaml").write_text(PLAN.replace(old, new))
    assert call("run", "--plan", "plan.yaml") == 2
    seen = capsys.readouterr().err
    assert said in seen and seen.count("\n") == 1


def test_a_loop_in_a_plan_file_gets_its_cues(sums: Path) -> None:
    from heartloop.run.plan import load_plan

    (sums / "plan.yaml").write_text(PLAN)
    assert len(load_plan(sums / "plan.yaml").arms[1].cues) == 48


def test_flags_beside_a_plan_file_are_used_or_refused(
    sums: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sums / "plan.yaml").write_text(PLAN)
    for flag in (("--rounds", "0"), ("--temperature", "0"), ("--seeds", "1"), ("--logprobs",)):
        assert call("run", "--plan", "plan.yaml", *flag) == 2
        assert f"{flag[0]} and --plan exclude" in capsys.readouterr().err
    assert call("run", "--plan", "plan.yaml", "--max-total-tokens", "5", "--name", "a") == 3
    assert "--max-total-tokens 5" in capsys.readouterr().err


def test_help_names_every_method_and_selector(capsys: pytest.CaptureFixture[str]) -> None:
    from heartloop.methods import SELECTORS, SPECS

    assert call("run", "--help") == 0
    words = set(capsys.readouterr().out.replace(",", " ").replace(".", " ").split())
    assert {*SPECS, *SELECTORS} <= words


def test_a_dry_run_asks_only_when_told_to_probe(
    sums: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr("heartloop.run.pilot.probe", lambda prepared: asked.append(prepared))
    monkeypatch.setattr("heartloop.cli.run.asyncio.run", lambda found: found)
    assert call(*RESAMPLE, "--dry-run") == 0
    assert not asked
    assert call(*RESAMPLE, "--dry-run", "--probe") == 0
    assert len(asked) == 1
    paid = ("run", "--task", "sums.csv", "--model", "openai/gpt-4o-mini", "--dry-run", "--probe")
    assert call(*paid) == 2 and len(asked) == 1  # nobody to ask, so nothing is sent
    assert call(*paid, "--yes") == 0 and len(asked) == 2


def test_draws_at_temperature_0_are_warned_of(
    sums: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*RESAMPLE, "--temperature", "0", "--json") == 0
    warned = json.loads(capsys.readouterr().out)["warnings"]
    assert any("draws of resample are one answer repeated" in line for line in warned)
    assert call(*RESAMPLE, "--json") == 0
    assert "repeated" not in str(json.loads(capsys.readouterr().out)["warnings"])


@pytest.mark.parametrize(("method", "least"), [("single", 3.0), ("reflect", 3.1)])
def test_draws_are_matched_to_a_loop_and_to_nothing_else(
    sums: Path, method: str, least: float
) -> None:
    arms = [
        {"name": "first", "stimuli": "emotionprompt:EP02"},
        {"name": "second", "method": method, "params": {"rounds": 4} if "fl" in method else {}},
        {"name": "draws", "method": "resample", "role": "resample"},
    ]
    if method == "single":  # a number that the user wrote stands
        arms[2]["params"] = {"draws": 3}
    plan = {"task": "sums.csv", "model": "replay/draws.jsonl", "arms": arms}
    (sums / "plan.yaml").write_text(json.dumps(plan))
    assert call("run", "--plan", "plan.yaml", "--name", "a", "--json") == 0
    plan = json.loads((sums / "runs/a/manifest.json").read_text())["plan"]
    if method == "single":
        assert plan["arms"][2]["params"]["draws"] == 3
        return
    (matched,) = (n for tasks in plan["draws"]["draws"].values() for n in tasks.values())
    assert matched > least
