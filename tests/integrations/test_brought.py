"""Results of other tools: read into a run, paired, compared; what is missing is said."""

from __future__ import annotations

import json

import pytest

from heartloop.api import load
from heartloop.cli import main
from heartloop.errors import UsageError
from heartloop.integrations.brought import Brought, Sample, arm_names, score_of, together, write_run
from heartloop.integrations.lm_eval import read_lm_eval
from heartloop.integrations.tables import read_results
from heartloop.run.folder import RunFolder


def sample_line(number, right, filter="strict", **fields):
    """A line as lm-eval 0.4.13 writes it."""
    said = f"It is {number}."
    return {
        "doc_id": number,
        "doc": {"question": f"q{number}"},
        "target": str(number),
        "arguments": {
            "gen_args_0": {
                "arg_0": [json.dumps([{"role": "user", "content": f"q{number}"}])],
                "arg_1": {"until": ["\n"]},
            }
        },
        "resps": [[said]],
        "filtered_resps": [str(number) if right else "7"],
        "filter": filter,
        "metrics": ["exact_match"],
        "doc_hash": f"{number:064x}"[::-1],
        "exact_match": float(right),
        **fields,
    }


def lm_eval_folder(path, lines, when="2026-01-01T00-00-00.000001", model="m"):
    folder = path / model
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"samples_sums_{when}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (folder / f"results_{when}.json").write_text(
        json.dumps({"model_name": model, "lm_eval_version": "0.4.13"})
    )
    return path


def command(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code


def test_lm_eval_folders_become_arms_that_are_paired_by_document(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    plain = [sample_line(n, n % 2 == 0) for n in range(40)]
    warm = [sample_line(n, n % 2 == 0 or n % 4 == 1) for n in reversed(range(40))]
    plain += [sample_line(n, True, filter="loose") for n in range(40)]
    lm_eval_folder(tmp_path / "a", plain)
    lm_eval_folder(tmp_path / "b", warm)
    assert command("import", "lm-eval", "a", "b", "--arm", "none", "--arm", "warm", "--name", "r",
                   "--json") == 0  # fmt: skip
    facts = json.loads(capsys.readouterr().out)
    assert facts["answers"] == 80 and facts["arms"] == {"none": 40, "warm": 40}
    assert any("--filter chooses loose" in note for note in facts["notes"])
    run = load("runs/r")
    assert "warm above none" in run.conclusion and "works" not in run.conclusion
    assert "not fixed beforehand" in run.conclusion
    row = next(row for row in run.table() if row["arm"] == "none" and row["answer"] == "7")
    assert row["verdict"] == "incorrect"
    assert command("compare", "r") == 0
    told = capsys.readouterr().out
    assert "+25.0" in told and "above" in told
    for again in (("score", "r"), ("resume", "r")):
        assert command(*again) == 2
        assert "imported from lm-eval 0.4.13" in capsys.readouterr().err
    assert command("report", "r") == 0 and command("export", "r", "--to", "jsonl", "--texts") == 0
    exported = [json.loads(line) for line in open("runs/r/export.jsonl")]
    assert {row["text"] for row in exported} == {f"It is {n}." for n in range(40)}


def test_the_newest_evaluation_is_taken_and_log_likelihoods_have_no_text(tmp_path):
    lm_eval_folder(tmp_path, [sample_line(1, False)], when="2026-01-01T00-00-00.1")
    choice = sample_line(
        1,
        True,
        arguments={"gen_args_0": {"arg_0": "q1", "arg_1": " yes"}},
        resps=[[["-1.5", "False"]], [["-0.5", "True"]]],
    )
    lm_eval_folder(tmp_path, [choice], when="2026-01-02T00-00-00.1")
    found = read_lm_eval(tmp_path, "none")
    assert [(s.score, s.text) for s in found.samples] == [(1.0, None)]
    assert "none: 1 older evaluations were left out" in found.notes


@pytest.mark.parametrize(
    "lines, flags, words",
    [
        (["{"], {}, "samples_sums_.*:1: not a sample of lm-eval"),
        (
            [json.dumps(sample_line(1, True))],
            {"metric": "bleu"},
            "metric bleu: there are exact_mat",
        ),
        ([json.dumps(sample_line(1, True))], {"filter": "loose"}, "--filter loose: .* has strict"),
        ([json.dumps(sample_line(1, True, exact_match=41.5))], {}, "not between 0 and 1"),
    ],
)
def test_what_is_no_result_of_lm_eval_is_named(tmp_path, lines, flags, words):
    file = tmp_path / "samples_sums_2026-01-01T00-00-00.1.jsonl"
    file.write_text("\n".join(lines))
    with pytest.raises(UsageError, match=words):
        read_lm_eval(tmp_path, "none", **flags)


def test_a_table_of_results_with_its_own_column_names(tmp_path):
    file = tmp_path / "results.csv"
    rows = [f"What is {n}?,{v},{'pass' if n % 2 or v == 'B' else 'fail'},it is {n}"
            for v in "AB" for n in range(30)]  # fmt: skip
    file.write_text("\n".join(["prompt text;variant;ok;reply".replace(";", ","), *rows]))
    found = read_results(
        file, {"question": "prompt text", "arm": "variant", "score": "ok", "answer": "reply"}
    )
    assert any("no model" in note for note in found.notes)
    folder = tmp_path / "run"
    folder.mkdir()
    summary = write_run(together([found]), RunFolder(folder))
    assert {row["arm"]: row["accuracy"] for row in summary["arms"]} == {"A": 0.5, "B": 1.0}
    assert "B above A" in load(folder).conclusion


def test_a_missing_column_and_a_strange_score_are_named(tmp_path):
    file = tmp_path / "results.csv"
    file.write_text("question,score\nq1,4\n")
    with pytest.raises(UsageError, match=r"results.csv:2: score: 4(\.0)? is not between 0 and 1"):
        read_results(file, {})
    with pytest.raises(UsageError, match="--arm variant: results.csv has question, score"):
        read_results(file, {"arm": "variant"})
    file.write_text("question,result\nq1,1\n")
    with pytest.raises(UsageError, match="no column 'score'.*name it: --score COLUMN"):
        read_results(file, {})


def test_scores_of_other_tools():
    assert [score_of(v, "x") for v in (True, "C", "i", "0.25", 1, "", None)] == [
        1.0, 1.0, 0.0, 0.25, 1.0, None, None,
    ]  # fmt: skip
    with pytest.raises(UsageError, match="here: 'good' is no score"):
        score_of("good", "here")


def test_an_import_that_was_killed_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lm_eval_folder(tmp_path / "a", [sample_line(n, True) for n in range(3)])
    assert command("import", "lm-eval", "a", "--name", "r") == 0
    (tmp_path / "runs/r/verdicts.jsonl").unlink()
    command("status", "r")
    assert "its import was not finished; delete the folder" in capsys.readouterr().out


def sample(**fields):
    return Sample(
        **{"task": "t", "question": "q", "model": "m", "arm": "a", "score": 1.0, **fields}
    )


def test_arms_of_different_models_twins_and_unpaired_questions(tmp_path):
    with pytest.raises(UsageError, match="different models .*compare RUN RUN"):
        together([Brought("x", [sample(), sample(arm="b", model="n")])])
    with pytest.raises(UsageError, match="1 answers are there twice.*question q"):
        write_run(Brought("x", [sample(), sample(score=0.0)]), RunFolder(tmp_path))
    with pytest.raises(UsageError, match="nothing to import"):
        write_run(Brought("x"), RunFolder(tmp_path))
    both = together([Brought("x", [sample(), sample(arm="b"), sample(question="r")])])
    assert "t: b lacks 1 of 2 questions" in both.notes
    with pytest.raises(UsageError, match="--arm was given 1 times for 2 sources"):
        arm_names(["one"], [tmp_path / "x", tmp_path / "y"])
    with pytest.raises(UsageError, match="two arms are named x"):
        arm_names([], [tmp_path / "x", tmp_path / "z" / "x"])


def test_an_export_for_other_tools_never_writes_into_a_folder_with_something(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    lm_eval_folder(tmp_path / "a", [sample_line(n, True) for n in range(3)])
    assert command("import", "lm-eval", "a", "--name", "r") == 0
    assert command("export", "r", "--to", "inspect", "-o", "a") == 2
    assert "a: is not empty" in capsys.readouterr().err
