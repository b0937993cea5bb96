"""`heartloop esc` on runs over recorded answers: figures beside counts made by hand."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from heartloop.analysis.preference import LABELS, preference_scores, scores
from heartloop.cli import main
from heartloop.data import load_data, resolve_tasks
from heartloop.errors import UsageError
from heartloop.run.folder import find_folder
from heartloop.run.predictions import load_predictions
from heartloop.run.preference_bias import base_rates

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


@cache
def golds() -> dict[str, tuple[str, str]]:
    """Question → gold label and what was said, of the practice sets."""
    return {
        q.id: (data.golds[q.id].answers[0], data.golds[q.id].params["utterance"])
        for card in resolve_tasks("esconv")
        for data in [load_data(card, practice=True)]
        for q in data.questions
    }


@cache
def predicted(rounds: int = 3) -> dict[tuple[str, int], str]:
    """A predictor that likes Affirmation, more in every round; one answer in nine is no label."""
    rng = random.Random(0)
    found = {}
    for question, (gold, _) in golds().items():
        for number in range(rounds):
            if rng.random() < 1 / 9:
                found[question, number] = "be kind"
            elif rng.random() < 0.3 + 0.2 * number:
                found[question, number] = LABELS[4]
            else:
                found[question, number] = gold if rng.random() < 0.5 else rng.choice(LABELS)
    return found


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs ``single`` and ``refine`` over the practice sets, answered from recordings."""
    folder = tmp_path_factory.mktemp("esc")
    said = golds()
    with (folder / "answers.jsonl").open("w") as file:
        for (question, number), label in predicted().items():
            text = f"Strategy: {label}\nUtterance: {said[question][1].upper()} friend"
            file.write(json.dumps({"id": question, "round": number, "text": text}) + "\n")
    for name, method in (("single", ["single"]), ("refine", ["direct_refine", "--rounds", "2"])):
        with pytest.raises(SystemExit) as stop:
            main(
                ["run", "--task", "esconv", "--practice", "--model",
                 f"replay/{folder / 'answers.jsonl'}", "--method", *method, "--controls", "none",
                 "--selector", "last", "--runs", str(folder / "runs"), "--name", name, "--json"]
            )  # fmt: skip
        assert not stop.value.code
    return folder


def by_hand(number: int) -> np.ndarray:
    w = np.zeros((9, 8))
    for question, (gold, _) in golds().items():
        label = predicted()[question, number]
        w[LABELS.index(label) if label in LABELS else 8, LABELS.index(gold)] += 1
    return w


def test_a_run_gives_the_figures_of_its_confusion_matrix(workspace: Path, cli: Cli) -> None:
    code, out, _ = cli("esc", "single", "--runs", workspace / "runs", "--json", "--draws", 200)
    assert code == 0
    (arm,) = json.loads(out)["arms"]
    w = by_hand(0)
    found = [[arm["confusion"][row][gold] for gold in LABELS] for row in (*LABELS, "unread")]
    np.testing.assert_array_equal(found, w)
    assert arm["unread"] == w[8].sum() > 5 and arm["items"] == w.sum() == 127
    p = preference_scores(w)
    assert list(arm["p"].values()) == pytest.approx(p.tolist(), abs=1e-12)
    assert arm["B"] == pytest.approx(p.std()) and arm["p"][LABELS[4]] > 1.2
    assert arm["Q"] == pytest.approx(float(scores(w).macro))
    assert set(arm["stage_weighted_f1"]) == {"exploration", "comforting", "action"}
    low, high = arm["intervals"]["B"]
    assert low < arm["B"] < high
    assert arm["references"]["gold_marginal"]["mean"] < arm["references"]["uniform"]["mean"]
    assert arm["published"][0] == {"name": "ChatGPT 0-shot", "Q": 0.135, "B": 1.38}
    assert arm["practice"] is True


def test_drift_follows_the_rounds_and_the_last_is_handed_in(workspace: Path, cli: Cli) -> None:
    _, out, _ = cli("esc", "refine", "--runs", workspace / "runs", "--json", "--draws", 50)
    (arm,) = json.loads(out)["arms"]
    for number in range(3):
        p = preference_scores(by_hand(number))
        assert list(arm["drift"]["p"][number].values()) == pytest.approx(p.tolist(), abs=1e-12)
        assert arm["drift"]["B"][number] == pytest.approx(p.std())
    assert arm["B"] == pytest.approx(arm["drift"]["B"][2])
    assert arm["drift"]["slope_B"] > 0


def test_runs_are_compared_pair_by_pair(workspace: Path, cli: Cli) -> None:
    _, out, _ = cli("esc", "single", "refine", "--runs", workspace / "runs", "--json")
    found = json.loads(out)
    (pair,) = found["differences"]
    first, second = found["arms"]
    assert (pair["first"], pair["second"]) == ("single:single", "refine:direct_refine")
    assert pair["items"] == 127 and 1 < pair["conversations"] < 60
    for name in ("B", "Q", "accuracy"):
        assert pair[name]["difference"] == pytest.approx(second[name] - first[name])
        assert pair[name]["low"] <= pair[name]["difference"] <= pair[name]["high"]
    assert 0 < pair["accuracy"]["p_permutation"] <= 1


def test_the_printed_page_says_what_it_is_and_shows_no_text(workspace: Path, cli: Cli) -> None:
    code, out, _ = cli("esc", "single", "refine", "--runs", workspace / "runs", "--matrix")
    assert code == 0
    for word in (
        "PRACTICE SET", "(unread)", "random, uniform", "random, gold-marginal",
        "published: GPT-4 0-shot", "not a comparison", "by round: B", "paired difference",
        "predicted \\ gold", "B adjusted",
    ):  # fmt: skip
        assert word in out, word
    for _, said in list(golds().values())[:20]:
        assert said not in out


def test_without_more_it_fits_on_a_screen(workspace: Path, cli: Cli) -> None:
    code, out, _ = cli("esc", "single", "refine", "--runs", workspace / "runs", "--draws", 50)
    lines = out.splitlines()
    assert code == 0
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("refine:direct_refine") for line in lines)
    assert any(line.startswith("random labels: Q ") for line in lines)


def test_a_task_alone_takes_the_newest_run_that_has_it(workspace: Path, cli: Cli) -> None:
    runs = workspace / "runs"
    _, out, _ = cli("esc", "--task", "esconv/action", "--runs", runs, "--json", "--draws", 50)
    (arm,) = json.loads(out)["arms"]
    assert arm["run"] == "refine" and arm["task"] == "esconv/action" and arm["items"] == 41
    code, _, err = cli("esc", "--task", "bbh", "--runs", runs)
    assert code == 2 and "no run in" in err
    code, _, err = cli("esc", "single", "--task", "bbh", "--runs", runs)
    assert code == 2 and "has no task 'bbh'" in err
    code, _, err = cli("esc", "--runs", runs)
    assert code == 2 and "give a RUN" in err
    code, _, err = cli("esc", "single", "--arm", "heart", "--runs", runs)
    assert code == 2 and "there are single" in err


def test_one_arms_strategies_become_a_plan_for_another_model(
    workspace: Path, cli: Cli, tmp_path: Path
) -> None:
    plan = tmp_path / "plan.json"
    runs = workspace / "runs"
    code, _, err = cli("esc", "single", "--runs", runs, "--write-plan", plan, "--json")
    assert code == 0 and "strategies of single:single" in err
    mapping = json.loads(plan.read_text())
    named = {q: label for (q, n), label in predicted().items() if n == 0 and label in LABELS}
    assert mapping == {q: f"Use the strategy: {label}" for q, label in named.items()}
    code, _, err = cli(
        "run", "--task", "esconv/action", "--practice", "--method", "planner", "--controls",
        "none", "--param", f"plan=@{plan}", "--model", f"replay/{workspace / 'answers.jsonl'}",
        "--runs", tmp_path, "--name", "planned", "--json",
    )  # fmt: skip
    assert code == 0, err
    asked = (tmp_path / "planned" / "calls.jsonl").read_text()
    wanted = [q for q in mapping if f'"{q}"' in asked]
    assert len(wanted) > 20
    assert asked.count("Follow this plan: Use the strategy: ") == len(wanted)


def test_an_arm_is_shown_its_choices_in_other_conversations_beside_the_base_rate(
    workspace: Path, cli: Cli, tmp_path: Path
) -> None:
    runs, file = workspace / "runs", tmp_path / "traces.json"
    code, _, err = cli("esc", "single", "--runs", runs, "--write-traces", file, "--json")
    assert code == 0 and "choices of single:single" in err
    shares = json.loads(file.read_text())
    found = load_predictions(find_folder("single", runs))[0]
    for i in (0, 50, 126):
        task, asked, _ = found.keys[i]
        rows = [
            found.labels[label]
            for label, key, talk in zip(found.final, found.keys, found.conversations, strict=True)
            if key[0] == task and talk != found.conversations[i] and label >= 0
        ]
        own = {name: round(100 * rows.count(name) / len(rows)) for name in found.labels}
        assert {name: pair[0] for name, pair in shares[asked].items()} == own
        assert 96 <= sum(pair[1] for pair in shares[asked].values()) <= 104
    with pytest.raises(UsageError, match="no items to spare"):
        base_rates(found, {})
    code, _, err = cli("esc", "refine", "single", "--runs", runs, "--write-traces", file)
    assert code == 2 and "takes one arm" in err
    code, out, err = cli(
        "run", "--task", "esconv", "--practice", "--method", "traces", "--param",
        f"traces=@{file}", "--model", "pocket", "--dry-run", "--json",
    )  # fmt: skip
    roles = {arm["name"]: arm["role"] for arm in json.loads(out)["plan"]["arms"]}
    assert roles["traces-shuffled"] == "placebo" and roles["single"] == "none", err


def test_a_file_as_parameter_is_read_or_refused_in_one_line(tmp_path: Path, cli: Cli) -> None:
    start = ["run", "--task", "esconv", "--practice", "--model", "pocket", "--dry-run",
             "--method", "knowledge", "--controls", "none", "--param"]  # fmt: skip
    (tmp_path / "facts.txt").write_text("People need people.\n")
    code, out, err = cli(*start, f"knowledge=@{tmp_path / 'facts.txt'}", "--json")
    assert code == 0, err
    assert json.loads(out)["plan"]["arms"][0]["params"] == {"knowledge": "People need people."}
    code, _, err = cli(*start, f"knowledge=@{tmp_path / 'none.txt'}")
    assert code == 2 and "cannot be read" in err and "\n" not in err.strip()
    (tmp_path / "bad.json").write_text("{")
    code, _, err = cli(*start, f"knowledge=@{tmp_path / 'bad.json'}")
    assert code == 2 and "not valid JSON" in err


def test_an_oracle_loop_gives_its_first_answers_only(
    workspace: Path, cli: Cli, tmp_path: Path
) -> None:
    code, _, err = cli(
        "run", "--task", "esconv", "--practice", "--model", f"replay/{workspace / 'answers.jsonl'}",
        "--method", "direct_refine", "--rounds", "2", "--controls", "none", "--mode", "oracle",
        "--runs", tmp_path, "--name", "oracle", "--json",
    )  # fmt: skip
    assert code == 0, err
    _, out, _ = cli("esc", "oracle", "--runs", tmp_path, "--json", "--draws", 50)
    (arm,) = json.loads(out)["arms"]
    assert list(arm["p"].values()) == pytest.approx(preference_scores(by_hand(0)).tolist())
    assert "drift" not in arm and "oracle mode" in arm["notes"][0]


def test_any_label_task_is_analysed_and_others_are_refused(cli: Cli, tmp_path: Path) -> None:
    rng = random.Random(1)
    moods = ("happy", "sad", "angry")
    rows = [
        {"id": f"q{i}", "question": f"How does number {i} feel?", "answer": rng.choice(moods),
         "cluster": str(i // 3)} for i in range(60)
    ]  # fmt: skip
    (tmp_path / "moods.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    said = [{"id": r["id"], "text": rng.choice((*moods, "sad", "dunno"))} for r in rows]
    (tmp_path / "said.jsonl").write_text("".join(json.dumps(r) + "\n" for r in said))
    free = [{**r, "answer": f"it is {i}"} for i, r in enumerate(rows)]
    (tmp_path / "free.jsonl").write_text("".join(json.dumps(r) + "\n" for r in free))
    for name in ("moods", "free"):
        code, _, err = cli(
            "run", "--task", tmp_path / f"{name}.jsonl", "--method", "single", "--controls", "none",
            "--model", f"replay/{tmp_path / 'said.jsonl'}", "--runs", tmp_path, "--name", name,
            "--json",
        )  # fmt: skip
        assert code == 0, err
    _, out, _ = cli("esc", "moods", "--runs", tmp_path, "--json", "--draws", 50)
    (arm,) = json.loads(out)["arms"]
    assert arm["labels"] == ["angry", "happy", "sad"] and arm["published"] == []
    assert arm["unread"] == sum(s["text"] == "dunno" for s in said)
    right = sum(s["text"] == r["answer"] for s, r in zip(said, rows, strict=True))
    assert arm["accuracy"] == pytest.approx(right / 60)
    code, _, err = cli("esc", "free", "--runs", tmp_path)
    assert code == 2 and "is no label task" in err


def test_response_quality_reads_the_utterances(workspace: Path, cli: Cli) -> None:
    pytest.importorskip("sacrebleu")
    pytest.importorskip("rouge_score")
    _, out, _ = cli("esc", "single", "--runs", workspace / "runs", "--json", "--quality",
                    "--draws", 50)  # fmt: skip
    marks = json.loads(out)["arms"][0]["quality"]
    assert marks["responses"] == 127
    assert 0.5 < marks["bleu_4"] < marks["bleu_2"] < 1  # one word too many, case aside
    assert 0.8 < marks["rouge_l"] < 1 and 0 < marks["distinct_1"] < marks["distinct_2"] < 1


def test_the_report_part_draws_bars_heat_map_and_drift_and_shows_no_text(
    workspace: Path,
) -> None:
    from heartloop.report.arms import load_run
    from heartloop.report.esc import esc_section
    from heartloop.report.page import build_page
    from heartloop.run.folder import RunFolder

    folder = RunFolder(workspace / "runs" / "refine")
    whole = build_page([load_run(folder)])
    assert '<section id="preference">' in whole and '<a href="#preference">' in whole
    page = esc_section(folder, draws=20)
    assert page.count("<svg") == 4  # bars, heat map, B by round, p by round
    for word in ("exploration", "(unread)", "reference values on other items", "round 2"):
        assert word in page
    assert "style=" not in page and "<script" not in page  # the page's policy allows neither
    for _, said in list(golds().values())[:20]:
        assert said not in page and said not in whole


def test_the_report_part_is_empty_or_says_why_it_cannot_be(workspace: Path, tmp_path: Path) -> None:
    from heartloop.report.esc import esc_section

    other = tmp_path / "other"
    other.mkdir()
    whole = json.loads((workspace / "runs" / "single" / "manifest.json").read_text())
    tasks = [{**whole["tasks"][0], "task": "olympiad", "verifier": "math"}]
    (other / "manifest.json").write_text(json.dumps({**whole, "tasks": tasks}))
    assert esc_section(other) == ""
    moved = tmp_path / "moved"
    moved.mkdir()
    source = workspace / "runs" / "single"
    manifest = json.loads((source / "manifest.json").read_text())
    manifest["tasks"][0]["question_ids_sha256"] = "0" * 64
    (moved / "manifest.json").write_text(json.dumps(manifest))
    (moved / "verdicts.jsonl").write_bytes((source / "verdicts.jsonl").read_bytes())
    assert "are not those that the run asked" in esc_section(moved)


def test_the_manifest_says_that_texts_are_private(workspace: Path) -> None:
    manifest = json.loads((workspace / "runs" / "single" / "manifest.json").read_text())
    assert all(task["private"] is True for task in manifest["tasks"])
    assert all("sha256 of the set" in data["notes"][-1] for data in manifest["data"])


def test_variants_of_the_task_are_paired_by_question(
    workspace: Path, cli: Cli, tmp_path: Path
) -> None:
    for task in ("esconv", "esconv_balanced"):
        code, _, err = cli(
            "run", "--task", task, "--practice", "--shots", "8", "--method", "single", "--controls",
            "none", "--model", f"replay/{workspace / 'answers.jsonl'}", "--runs", tmp_path,
            "--name", task, "--json",
        )  # fmt: skip
        assert code == 0, err
    _, out, _ = cli("esc", "esconv", "esconv_balanced", "--runs", tmp_path, "--json")
    (pair,) = json.loads(out)["differences"]
    assert pair["items"] == 127 and pair["B"]["difference"] == 0


def test_many_unread_predictions_are_said(workspace: Path, cli: Cli) -> None:
    _, out, _ = cli("esc", "--verbose", "single", "--runs", workspace / "runs")
    assert "predictions could not be read: they cost Q and accuracy" in out


def test_by_log_likelihood_every_answer_is_a_label(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli(
        "run", "--task", "esconv_loglik", "--practice", "--limit", "2", "--method", "single",
        "--controls", "none", "--model", "pocket", "--runs", tmp_path, "--name", "likely", "--json",
    )  # fmt: skip
    assert code == 0, err
    _, out, _ = cli("esc", "likely", "--runs", tmp_path, "--json", "--draws", 20)
    (arm,) = json.loads(out)["arms"]
    assert arm["items"] == 6 and arm["unread"] == arm["errors"] == 0
    assert arm["labels"] == list(LABELS)
    assert len(arm["stage_weighted_f1"]) == 3


def test_the_sentence_of_a_support_run_is_on_preference_bias(workspace: Path, cli: Cli) -> None:
    code, out, _ = cli(
        "run", "--task", "esconv", "--practice", "--model", f"replay/{workspace / 'answers.jsonl'}",
        "--stimuli", "emotionprompt:EP02", "--mode", "verifier-free", "--runs", workspace / "runs",
        "--name", "words",
    )  # fmt: skip
    assert code == 0
    manifest = json.loads((workspace / "runs" / "words" / "manifest.json").read_text())
    assert set(manifest["claim"]["metric"].values()) == {"preference bias B, then macro-F1 Q"}
    assert "preference bias not told apart from the plain prompt (none: B" in out.replace("\n", " ")
    code, out, _ = cli("compare", "words", "--runs", workspace / "runs")
    assert "preference bias not told apart" in out
