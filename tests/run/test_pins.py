"""What a run's arms mean is pinned: no run mixes two wordings, and runs say where they differ."""

import json

import pytest

from heartloop.cli import main
from heartloop.errors import UsageError
from heartloop.methods import PARAMS, wordings
from heartloop.methods.params import Param
from heartloop.run.pins import changes, saying, words

NEW = "Somebody looked at your answer, and it does not hold."


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(12)]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    monkeypatch.setattr(wordings, "VERDICT_WRONG", wordings.VERDICT_WRONG)  # put back at the end
    return tmp_path


def command(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code


def run(place, url, name, *more, code=0):
    ended = command(
        "run", "--task", "sums.jsonl", "--method", "reflect", "--controls", "none", "--name", name,
        "--model", "server/m", "--base-url", url, "--json", *more,
    )  # fmt: skip
    assert ended == code
    return json.loads((place / f"runs/{name}/manifest.json").read_text())


def told(folder):
    """How often each verdict was told, over the calls of a run."""
    text = (folder / "calls.jsonl").read_text()
    return {said: text.count(said) for said in (wordings.VERDICT_WRONG, NEW)}


def test_the_manifest_holds_words_and_resolved_parameters(place, loopback):
    manifest = run(place, loopback(lambda body: "\\boxed{7}").url, "a", "--rounds", "1")
    meaning = manifest["meaning"]
    assert meaning["words"]["VERDICT_WRONG"] == wordings.VERDICT_WRONG
    assert any(name.startswith("judge.") for name in meaning["words"])
    assert meaning["params"]["reflect"]["rounds"] == 1
    assert meaning["params"]["reflect"]["history"] == PARAMS["history"].default
    assert len(meaning["sha256"]) == 64


def test_a_run_begun_with_other_words_is_not_gone_on_with_by_mistake(place, loopback, capsys):
    url = loopback(lambda body: "\\boxed{7}").url
    run(place, url, "a", "--rounds", "2", "--max-total-tokens", "200", "--max-tokens", "5", code=3)
    old = wordings.VERDICT_WRONG
    before = (place / "runs/a/calls.jsonl").read_text().count(old)
    wordings.VERDICT_WRONG = NEW  # as an upgrade would
    assert command("resume", "a", "--max-total-tokens", "900000") == 2
    said = capsys.readouterr().err
    assert "the words VERDICT_WRONG" in said and "--as-begun" in said and "new run" in said
    assert command("resume", "a", "--max-total-tokens", "900000", "--as-begun") == 0
    text = (place / "runs/a/calls.jsonl").read_text()
    assert NEW not in text and text.count(old) > before
    assert wordings.VERDICT_WRONG == NEW  # what comes next in this process says today's words


def test_a_changed_default_is_named_and_the_old_one_can_be_kept(
    place, loopback, capsys, monkeypatch
):
    url = loopback(lambda body: "\\boxed{7}").url
    run(place, url, "a", "--max-total-tokens", "200", "--max-tokens", "5", code=3)
    fewer = Param(2, PARAMS["rounds"].doc, PARAMS["rounds"].check)
    monkeypatch.setitem(PARAMS, "rounds", fewer)
    assert command("resume", "a", "--max-total-tokens", "900000") == 2
    assert "parameters of reflect: rounds 5 and 2" in capsys.readouterr().err
    assert command("resume", "a", "--max-total-tokens", "900000", "--as-begun") == 0
    rounds = [json.loads(x)["round"] for x in (place / "runs/a/verdicts.jsonl").open()]
    assert max(rounds) == 5


def test_compare_names_the_words_that_differ(place, loopback, capsys):
    url = loopback(lambda body: "\\boxed{7}").url
    run(place, url, "a", "--rounds", "1")
    wordings.VERDICT_WRONG = NEW
    run(place, url, "b", "--rounds", "1")
    assert command("compare", "a", "b") == 2
    assert "the words VERDICT_WRONG" in capsys.readouterr().err


def test_scoring_finds_what_was_asked_with_words_of_the_past(place, loopback, capsys):
    run(place, loopback(lambda body: "\\boxed{7}").url, "a", "--rounds", "1")
    lines = sorted((place / "runs/a/verdicts.jsonl").read_text().splitlines())
    wordings.VERDICT_WRONG = NEW
    assert command("score", "a") == 0
    assert sorted((place / "runs/a/verdicts.jsonl").read_text().splitlines()) == lines
    assert wordings.VERDICT_WRONG == NEW


def test_two_runs_in_one_process_never_share_words_that_differ(place):
    today = wordings.VERDICT_WRONG
    with saying({"VERDICT_WRONG": NEW}):
        assert wordings.VERDICT_WRONG == NEW
        with saying({"VERDICT_WRONG": NEW, "GONE": "unknown names are passed over"}):
            pass
        assert wordings.VERDICT_WRONG == NEW
        with pytest.raises(UsageError, match="process of its own"), saying({}):
            pass
    assert wordings.VERDICT_WRONG == today


def test_parameters_that_were_typed_are_no_hidden_difference():
    arms = [{"name": "reflect", "method": "reflect", "params": {"rounds": 1}}]
    one = {"sha256": "1", "words": words(), "params": {"reflect": {"rounds": 1, "candidates": 1}},
           "prompts": "p", "judge_prompts": "j"}  # fmt: skip
    two = {**one, "sha256": "2", "params": {"reflect": {"rounds": 3, "candidates": 1}}}
    assert changes(one, two, arms, typed=False) == []
    assert changes(one, two, arms) == ["parameters of reflect: rounds 1 and 3"]


def test_a_dialogue_from_before_there_were_personalities_goes_on():
    arms = [{"name": "d", "method": "dialogue", "params": {}}]
    today = {"sha256": "2", "words": words(), "params": {"d": {"mu": 0.1, "personality": []}},
             "prompts": "p", "judge_prompts": "j"}  # fmt: skip
    assert changes({**today, "sha256": "1", "params": {"d": {"mu": 0.1}}}, today, arms) == []


def test_a_run_from_before_answers_were_found_by_content_ends_as_lost_as_it_did(place, loopback):
    url = loopback(lambda body: "141").url
    now = PARAMS["answer_by"]
    with pytest.MonkeyPatch.context() as then:
        then.setitem(PARAMS, "answer_by", Param("own", now.doc, now.check))
        run(place, url, "a", "--max-total-tokens", "200", "--max-tokens", "5", code=3)
    path = place / "runs/a/manifest.json"
    manifest = json.loads(path.read_text())
    for params in manifest["meaning"]["params"].values():
        params.pop("answer_by", None)
    manifest["meaning"]["sha256"] = "older"
    path.write_text(json.dumps(manifest))
    assert command("resume", "a", "--max-total-tokens", "900000") == 0
    text = (place / "runs/a/calls.jsonl").read_text()
    assert wordings.ANSWER_UNFORMED not in text and wordings.ANSWER_MISSING in text
    rounds = [json.loads(x)["round"] for x in (place / "runs/a/verdicts.jsonl").open()]
    assert max(rounds) == 1
    run(place, url, "b", "--rounds", "3")
    (row,) = json.loads((place / "runs/b/summary.json").read_text())["arms"]
    assert [r["answered"] for r in row["rounds"]] == [1.0] * 4  # by content, if not by the metric
    assert row["unscored"] == {"unparsed": 12}
