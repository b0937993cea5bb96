"""The style of a run: what is planted is found, and nothing where nothing is planted."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import random
from pathlib import Path

import numpy as np
import pytest
from synthetic_run import WORDS, make_run, phrase

from heartloop.analysis.bands import Band
from heartloop.cli import main
from heartloop.report.arms import load_run
from heartloop.report.arrived import Arrived, arrived, lines
from heartloop.report.look_back import claim_page
from heartloop.report.page import build_page
from heartloop.report.study import compare_specs
from heartloop.report.style import Style, mean_over, read_texts, spans, style
from heartloop.report.style_text import render as render_style
from heartloop.report.tables import render
from heartloop.run.claim import read_claim
from heartloop.types import Arm, Stimulus


def said(name: str, text: str) -> Stimulus:
    digest = hashlib.sha256(text.encode()).hexdigest()
    return dataclasses.replace(phrase(name), text=text, sha256=digest)


NONE = Arm("none", role="none")
PLACEBO = Arm("P1", stimuli=(said("P1", "The page has a margin of two lines."),), role="placebo")
GLAD = Arm("glad", stimuli=(said("glad", "I am so happy and delighted today."),))
CROSS = Arm("cross", stimuli=(said("cross", "I am furious, angry and annoyed today."),))
ARMS = (NONE, PLACEBO, GLAD, CROSS)


def measured(folder: Path, text, arms=ARMS, questions: int = 150) -> tuple[Style, list[Arrived]]:  # type: ignore[no-untyped-def]
    rates = {arm.name: 0.05 for arm in arms}
    run = make_run(folder, arms=arms, questions=questions, text=text, rates=rates)
    claim = read_claim(run.manifest)
    (texts,) = read_texts(run).values()
    return style(texts, claim, run.manifest), arrived(texts, claim)


def plain(question: str, arm: str, number: int) -> random.Random:
    return random.Random(f"{question} {arm} {number}")


def filler(luck: random.Random, count: int = 45) -> str:
    return " ".join(luck.choices(WORDS, k=count)) + "."


def planted(question: str, arm: str, number: int, right: bool) -> str:
    """`glad` is longer, apologises in 30 %, repeats its cue in 20 %, and moods follow the cues."""
    luck = plain(question, arm, number)
    text = filler(luck)
    if arm == "glad":
        text += " " + filler(luck, 12)
        text += " I apologize for that." * (luck.random() < 0.3)
        text += " I am so happy and delighted today." * (luck.random() < 0.2)
        text += " This is a joyful thing." * (luck.random() < 0.7)
    if arm == "cross":
        text += " This is an annoying thing." * (luck.random() < 0.7)
    return text


def test_planted_shifts_are_found_and_no_others(tmp_path: Path) -> None:
    found, _ = measured(tmp_path / "run", planted)
    apart = {
        (c.arm, c.control): {name for name, band in c.differences.items() if band.apart}
        for c in found.contrasts
    }
    mood = {"valence", "arousal", "dominance"}
    assert apart[("glad", "none")] == {"sentences", "apology", "cue repeated"} | mood
    assert apart[("glad", "P1")] == apart[("glad", "none")]
    assert {"sentences", "valence"} <= apart[("cross", "none")] <= mood | {"sentences"}
    assert apart[("P1", "none")] == set()
    band = next(c for c in found.contrasts if (c.arm, c.control) == ("glad", "none")).differences
    assert band["apology"].low < 0.3 < band["apology"].high
    assert band["sentences"].estimate == pytest.approx(1 + 0.3 + 0.2 + 0.7, abs=0.25)
    (slope,) = found.carried["all"]
    assert slope.lag == 0
    assert 0.35 < slope.low < slope.high < 0.75  # 70 % take the cue's mood; apologies lower it


def test_nothing_is_found_where_nothing_is_planted(tmp_path: Path) -> None:
    found, checks = measured(tmp_path / "run", lambda q, a, n, r: filler(plain(q, a, n)))
    assert not any(b.apart for c in found.contrasts for b in c.differences.values())
    assert not any(s.low > 0 or s.high < 0 for each in found.carried.values() for s in each)
    assert not any(check.read for check in checks)


@pytest.mark.parametrize(("rate", "words"), [(0.6, "they were read"), (0.2, "no more than any")])
def test_words_arrived_only_where_more_changes_than_by_a_placebo(
    tmp_path: Path, rate: float, words: str
) -> None:
    rates = {"P1": 0.2, "glad": rate, "cross": 0.0}

    def text(question: str, arm: str, number: int, right: bool) -> str:
        changed = plain(question, arm, number).random() < rates.get(arm, 0.0)
        return filler(plain(question, arm if changed else "shared", number))

    _, checks = measured(tmp_path / "run", text, questions=300)
    glad, cross = checks
    assert glad.changed == pytest.approx(rate, abs=0.07)
    assert glad.by_placebo == pytest.approx(0.2, abs=0.07)
    assert words in glad.sentence
    assert glad.read == (rate > 0.2)
    assert "nothing in the answers shows" in cross.sentence


def test_compare_claim_and_page_say_whether_the_words_arrived(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", arms=ARMS, questions=60, text=planted)
    found = compare_specs(["run"], tmp_path, draws=200)
    shown = render(found)
    assert found.to_dict()["arrived"][0]["sentence"] == found.arrived[0].sentence
    page = build_page([load_run(run)])
    for text in (shown, page, claim_page(load_run(run))):
        assert "Did the words arrive?" in text
        assert "glad: the words changed 100 % of the answers, a placebo 100 %" in text
    assert 'id="form"' in page
    assert "apology" in page


def test_without_a_placebo_it_is_said_that_there_is_none(tmp_path: Path) -> None:
    _, (check,) = measured(tmp_path / "run", planted, arms=(NONE, GLAD), questions=60)
    assert check.by_placebo is None
    assert "no placebo was run" in check.sentence


def test_loops_are_compared_round_by_round_with_their_neutral_twins(tmp_path: Path) -> None:
    params = {"rounds": 3}
    arms = (
        Arm("heart", "heart", cues=(said("C", "I am furious today."),), params=params),
        Arm("neutral", "neutral", cues=(phrase("N"),), params=params, role="neutral"),
        Arm("neutral-varied", "neutral-varied", cues=(phrase("V"),), params=params,
            role="neutral-varied"),
        Arm("single", "single", role="none"),
    )  # fmt: skip

    def text(question: str, arm: str, number: int, right: bool) -> str:
        luck = plain(question, arm, number)
        sorry = arm == "heart" and luck.random() < 0.5
        return filler(luck) + " I apologize for the confusion." * sorry

    found, checks = measured(tmp_path / "run", text, arms=arms, questions=120)
    assert {(c.arm, c.control, c.round) for c in found.contrasts} == {
        ("heart", "neutral-varied", n) for n in (1, 2, 3)
    }
    for contrast in found.contrasts:
        assert contrast.differences["apology"].apart
        assert not contrast.differences["direct refusal"].apart
    assert found.levels["single"].keys() == {0}
    assert checks[0].base == "neutral"


def test_the_command_prints_eighty_columns_and_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", arms=ARMS, questions=60, text=planted)

    def printed(*more: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["style", "run", "--runs", str(tmp_path), *more])
        assert (ended.value.code or 0) == code
        return capsys.readouterr().out

    shown, one = printed(), printed("--arm", "glad")
    assert max(map(len, (shown + one).splitlines())) <= 80
    assert "glad − P1" in shown
    assert "Did the words arrive?" in shown
    assert "apology %" in one
    (model,) = json.loads(printed("--json"))["models"]
    assert model["answers"] == 240
    assert any(c["differences"]["apology"]["low"] > 0 for c in model["contrasts"])
    assert model["arrived"][0]["sentence"]
    printed("--arm", "nobody", code=2)
    (run.path / "verdicts.jsonl").unlink()
    printed(code=2)


def test_long_names_of_arms_leave_the_table_in_eighty_columns(tmp_path: Path) -> None:
    found, checks = measured(tmp_path / "r", planted, questions=30)
    long = {arm.name: f"{arm.name}-with-a-longer-name" for arm in ARMS}
    contrasts = tuple(
        dataclasses.replace(
            one,
            arm=long[one.arm],
            control=" and ".join(long[c] for c in one.control.split(" and ")),
        )
        for one in found.contrasts
    )
    levels = {long[name]: rounds for name, rounds in found.levels.items()}
    found = dataclasses.replace(found, levels=levels, contrasts=contrasts)
    shown = render_style([found], [checks])
    one = render_style([found], [checks], long["glad"])
    assert "mean of an arm" in shown and "glad-with-a-longer-name − " in one
    assert max(map(len, [*shown.splitlines(), *one.splitlines()])) <= 80


def test_many_arms_of_which_the_same_is_to_be_said_are_said_together() -> None:
    more = Band(0.2, 0.1, 0.3, 40)
    found = [
        Arrived("m", f"A{i}", "none", ("p",), 0.9, 0.5 + i / 10, more if i < 4 else None, None, 40)
        for i in range(6)
    ]
    assert lines(found) == [
        "% changed (by a placebo): A0 90 (50), A1 90 (60), A2 90 (70), A3 90 (80): they were read.",
        "% changed (by a placebo): A4 90 (90), A5 90 (100): no more than any sentence does.",
    ]
    assert lines(found[:2])[1].startswith("A1: the words changed 90 % of the answers, a placebo 60")


def test_of_many_rounds_three_spans_are_compared() -> None:
    assert spans([0]) == [(0,)] and spans(list(range(1, 9))) == [(n,) for n in range(1, 9)]
    turns = list(range(1, 25))
    assert [(s[0], s[-1], len(s)) for s in spans(turns)] == [(1, 8, 8), (9, 16, 8), (17, 24, 8)]
    one, two = np.array([[1.0, np.nan, np.nan]]), np.array([[3.0, 5.0, np.nan]])
    assert mean_over([one, two]).tolist()[0][:2] == [2.0, 5.0]
    assert np.isnan(mean_over([one, two])[0, 2])
