"""The claim: from roles alone, fixed in the manifest, the same whatever else is run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heartloop.cli import main
from heartloop.errors import UsageError
from heartloop.run.claim import check_same, claim_dict, claim_of, metric_of, read_claim
from heartloop.types import Arm, Stimulus


def _phrase(name: str, words: int, **options: Any) -> Stimulus:
    return Stimulus(name, "set", " ".join(["word"] * words), "0" * 64, **options)


NONE = Arm("none", role="none")
SHORT = tuple(
    Arm(f"P{i}", stimuli=(_phrase(f"P{i}", 4),), role="placebo", of=("A",)) for i in (1, 2)
)  # fmt: skip
LONG = tuple(
    Arm(f"P{i}", stimuli=(_phrase(f"P{i}", 40),), role="placebo", of=("B",)) for i in (3, 4)
)  # fmt: skip
TASK = {"sums": "accuracy"}


def test_works_needs_both_controls_and_plain_and_equivalence_only_the_plain_prompt() -> None:
    claim = claim_of([NONE, *SHORT, Arm("A", stimuli=(_phrase("A", 5),))], TASK)
    found = [(c.family, c.name, c.controls) for c in claim.contrasts]
    assert found == [
        ("works", "plain prompt", ("none",)),
        ("works", "placebo", ("P1", "P2")),
        ("plain", "plain prompt", ("none",)),
        ("equivalence", "plain prompt", ("none",)),
    ]
    assert claim.kind == "stimuli"


def test_what_an_arm_is_compared_with_does_not_depend_on_other_arms() -> None:
    arm, other = Arm("A", stimuli=(_phrase("A", 5),)), Arm("B", stimuli=(_phrase("B", 43),))
    alone = claim_of([NONE, *SHORT, arm], TASK)
    both = claim_of([NONE, *SHORT, *LONG, arm, other], TASK)
    assert alone.controls["A"] == both.controls["A"]
    assert both.controls["B"]["placebo"] == ("P3", "P4")


def test_a_loop_has_three_contrasts_in_a_fixed_order() -> None:
    arms = [
        Arm("heart", "heart"), Arm("resample", "resample", role="resample"),
        Arm("reflect", "reflect", role="reflect"), Arm("neutral", "neutral", role="neutral"),
        Arm("neutral-varied", "neutral-varied", role="neutral-varied"),
        Arm("single", role="none"), Arm("again", role="again"),
    ]  # fmt: skip
    claim = claim_of(arms, TASK)
    assert [(c.name, c.arm, *c.controls) for c in claim.contrasts] == [
        ("feeling", "heart", "neutral-varied"),
        ("reflection", "reflect", "neutral"),
        ("the loop", "heart", "resample"),
    ]
    assert claim.kind == "loop"


def test_named_arms_are_compared_and_nothing_works() -> None:
    claim = claim_of([Arm("x", role="import"), Arm("y", role="import")], TASK)
    assert (claim.kind, claim.contrasts[0].arm, claim.contrasts[0].controls) == (
        "arms", "y", ("x",),
    )  # fmt: skip


def test_a_changed_block_is_refused_and_an_absent_one_rebuilt() -> None:
    claim = claim_of([NONE, *SHORT, Arm("A", stimuli=(_phrase("A", 5),))], TASK)
    block = json.loads(json.dumps(claim_dict(claim)))
    assert read_claim({"claim": block, "run": "r"}) == claim
    with pytest.raises(UsageError, match="changed after the run began"):
        read_claim({"claim": {**block, "margin": 0.05}, "run": "r"})
    with pytest.raises(UsageError, match="margin would differ"):
        check_same(claim, claim_of([NONE, *SHORT, Arm("A")], TASK, margin=0.02), "r")
    with pytest.raises(UsageError, match="--primary B: no such treatment; there are A"):
        claim_of([NONE, Arm("A")], TASK, primary="B")


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as found:
        main(["run", *words, "--json"])
    return int(found.value.code or 0)


def test_the_manifest_carries_it_and_a_confirmation_asks_other_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_server: Callable[..., str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "q.csv"
    rows = [f"q{i},Problem {i:05d}: what is it?,{i}" for i in range(30)]
    table.write_text("\n".join(["id,question,answer", *rows]), encoding="utf-8")
    url = mock_server("--ability", "0.5")
    where = ("--model", "server/mock", "--base-url", url)
    what = ("--task", str(table), "--stimuli", "emotionprompt:EP02")
    assert _run(*what, "--limit", "10", "--name", "first", *where) == 0
    manifest = json.loads((tmp_path / "runs/first/manifest.json").read_text())
    claim = read_claim(manifest)
    assert claim.fixed
    assert claim.treatments == ("EP02",)
    assert claim.sha256 == manifest["claim"]["sha256"]

    same = ("--claim-from", "first", "--name", "second", "--base-url", url)
    assert _run(*same) == 2  # the same questions confirm nothing
    assert _run(*same, "--exclude-questions", "first") == 0
    second = json.loads((tmp_path / "runs/second/manifest.json").read_text())
    assert second["claim"]["confirms"] == claim.sha256
    asked = [
        {json.loads(line)["question"] for line in (tmp_path / f"runs/{n}/verdicts.jsonl").open()}
        for n in ("first", "second")
    ]
    assert len(asked[0]) == len(asked[1]) == 10
    assert not asked[0] & asked[1]


def test_a_dialogue_is_no_loop_and_claims_no_gain() -> None:
    arms = [
        Arm("dialogue", "dialogue"),
        Arm("stateless", "dialogue", params={"dynamics": "none"}, role="none"),
        Arm("first-order", "dialogue", params={"dynamics": "first"}, role="first-order"),
    ]
    claim = claim_of(arms, {"state25": metric_of("mood", "accuracy")})
    assert claim.kind == "arms"
    assert [(c.family, c.name, c.arm, *c.controls) for c in claim.contrasts] == [
        ("arms", "a mood told", "dialogue", "stateless"),
        ("arms", "second order against first", "dialogue", "first-order"),
    ]
    assert claim.metric == {"state25": "mood of the last answer"}
