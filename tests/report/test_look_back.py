"""claim.md: every figure from the claim and its findings, and the table of how they answered."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from synthetic_run import make_run, phrase

from heartloop.errors import UsageError
from heartloop.report.answered import kind_of
from heartloop.report.arms import load_run
from heartloop.report.findings import findings
from heartloop.report.look_back import claim_page, look_back
from heartloop.report.writing import points
from heartloop.run.folder import RunFolder
from heartloop.types import Arm

ARMS = (
    Arm("none", role="none"),
    *(Arm(f"P{i}", stimuli=(phrase(f"P{i}"),), role="placebo") for i in (1, 2)),
    Arm("S0", stimuli=(phrase("S0"),)),
    Arm("S1", stimuli=(phrase("S1"),)),
)
RATES = {"none": 0.5, "P1": 0.5, "P2": 0.5, "S0": 0.8, "S1": 0.52}


def flip(run: RunFolder, arm: str) -> None:
    """Make every right answer of an arm wrong, and every wrong one right."""
    file = run.path / "verdicts.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    other = {"correct": "incorrect", "incorrect": "correct"}
    for line in lines:
        if line["arm"] == arm:
            for place in (line, line["content"]):
                place["outcome"] = other[place["outcome"]]
                place["score"] = 1 - place["score"]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


def written(folder: RunFolder) -> str:
    """The sentence of a run whose page was just written."""
    run = load_run(folder)
    return look_back(run, findings(run))


def test_a_changed_verdict_changes_the_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", arms=ARMS, rates=RATES, questions=300)
    assert "S0 (" in written(run)
    before = (run.path / "claim.md").read_text()
    flip(run, "S0")
    written(run)
    after = (run.path / "claim.md").read_text()
    assert "| works |" in before
    assert "| hurts |" in after
    assert "| works |" not in after


def test_every_figure_is_that_of_a_finding(tmp_path: Path) -> None:
    run = load_run(make_run(tmp_path / "a", arms=ARMS, rates=RATES, questions=200))
    found = findings(run)
    page = claim_page(run, found)
    for heading in ("asked", "fixed beforehand", "found", "not found", "would change"):
        assert heading in page
    for unit, t in found[0].treatments:
        assert f"| {t.arm} | {points(unit.arms[t.arm].own, False)} |" in page
        assert points(t.finding.measured.none.estimate) in page
    assert "S1 on sums: undecided" in page
    assert "questions in all (200 were asked)" in page
    assert "not fixed beforehand" in page


def test_only_the_best_of_several_looks_better_than_it_is(tmp_path: Path) -> None:
    close = {**RATES, "S0": 0.53, "S1": 0.52}
    page = claim_page(load_run(make_run(tmp_path / "a", arms=ARMS, rates=close, questions=200)))
    told = [line for line in page.splitlines() if "as large as it looks" in line]
    assert len(told) == 2
    best = [line for line in told if line.endswith("which for the best of several it is not")]
    seen = {
        line: float(re.search(r"looks \(([+−]?[\d.]+)", line)[1].replace("−", "-")) for line in told
    }
    assert best == [max(told, key=seen.__getitem__)]
    loop = (Arm("heart", "heart"), Arm("single", role="none"), Arm("resample", role="resample"))
    near = {"heart": 0.52, "single": 0.5, "resample": 0.51}
    page = claim_page(load_run(make_run(tmp_path / "b", arms=loop, rates=near, questions=200)))
    assert "as large as it looks" in page and "best of several" not in page


def test_a_claim_that_was_changed_is_refused(tmp_path: Path) -> None:
    from heartloop.run.claim import claim_dict, read_claim

    run = make_run(tmp_path / "a", arms=ARMS, rates=RATES, questions=20)
    manifest = run.manifest
    block = claim_dict(read_claim(manifest))
    run.write_manifest({**manifest, "claim": {**block, "margin": 0.1}})
    with pytest.raises(UsageError, match="changed after the run began"):
        written(run)


@pytest.mark.parametrize(
    ("text", "phrase_", "kind"),
    [
        ("negative", "", "bare"),
        ("The review is clearly a negative one.", "", "sentence"),
        ("0.9", "", "only a number"),
        ("1", "Write your answer and give me a confidence score.", "only a number"),
        ("Yes, I am sure.", "Are you sure?", "about the phrase"),
        ("I will believe in my abilities and strive!", "Believe in your abilities and strive for "
         "excellence.", "about the phrase"),
        ("", "", "empty"),
    ],
)  # fmt: skip
def test_how_an_answer_looks(text: str, phrase_: str, kind: str) -> None:
    assert kind_of(text, False, phrase_) == kind
    assert kind_of(text, True, phrase_) == "cut"
