"""``compare --by`` and the columns of an export: a table's own columns reach the analysis."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from synthetic_run import make_run, phrase

from heartloop.cli import main
from heartloop.errors import UsageError
from heartloop.report import by_column
from heartloop.report.by_column import FEW, SHUFFLES
from heartloop.run.results import load_results
from heartloop.types import Arm

ARMS = (Arm("none", role="none"), *(Arm(f"S{i}", stimuli=(phrase(f"S{i}"),)) for i in (1, 2)))


def heartloop(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


def _labelled(monkeypatch: pytest.MonkeyPatch, label: dict[str, str]) -> None:
    monkeypatch.setattr(
        by_column, "column_of", lambda *_: {("sums", q): v for q, v in label.items()}
    )


def test_a_difference_that_changes_with_the_column_is_told_from_one_that_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "a", arms=ARMS, questions=300, rates={"S1": 0.5, "S2": 0.5})
    right = {r.arm: r.outcomes[:, 0] == 1 for r in load_results(run)}
    gain = right["S1"].astype(int) - right["none"]
    order = np.random.default_rng(1).permutation(300)
    # S1 gains on the questions of x alone; the rest is split at random.
    label = {f"q{i}": "x" if gain[i] > 0 and i % 4 else f"y{order[i] % 2}" for i in range(300)}
    _labelled(monkeypatch, label)
    (found,) = by_column.by_column(["a"], tmp_path, "kind")
    changes = {change.arm: change for change in found.changes}
    assert changes["S1"].p == pytest.approx(1 / (SHUFFLES + 1))
    assert changes["S1"].p_holm == pytest.approx(2 / (SHUFFLES + 1))
    assert [c.value for c in found.cells if c.arm == "S1"] == ["x", "y0", "y1"]
    cell = next(c for c in found.cells if c.arm == "S1" and c.value == "x")
    mask = np.array([label[f"q{i}"] == "x" for i in range(300)])
    assert cell.questions == mask.sum() > FEW
    assert cell.estimate == pytest.approx(gain[mask].mean()) == 1.0
    assert cell.low is not None and cell.low > 0.5
    _labelled(monkeypatch, {f"q{i}": f"y{order[i] % 3}" for i in range(300)})
    (null,) = by_column.by_column(["a"], tmp_path, "kind")
    assert all(c.p_holm is not None and c.p_holm > 0.05 for c in null.changes)


def test_intervals_hold_for_all_cells_and_small_cells_have_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "a", arms=ARMS, questions=100)
    _labelled(monkeypatch, {f"q{i}": "b" if i < 90 else "a" for i in range(99)})
    (found,) = by_column.by_column(["a"], tmp_path, "kind")
    assert found.unknown == 1
    small, large = (c for c in found.cells if c.arm == "S1")
    assert (small.value, small.questions, small.low) == ("a", 9, None)
    _labelled(monkeypatch, {f"q{i}": "b" for i in range(90)})
    (alone,) = by_column.by_column(["a"], tmp_path, "kind")
    one = alone.cells[0]
    assert large.low is not None and one.low is not None
    assert large.high - large.low > one.high - one.low  # wider: two cells were looked at
    assert all(change.p is None for change in alone.changes)
    text = by_column.render([found])
    assert "note: under 20 questions, no interval: a" in text
    assert "1 questions without a known kind left out" in text
    assert "Descriptive" in text and "no word is said" in text
    assert "cannot be tested" in by_column.render([alone], markdown=True)
    _labelled(monkeypatch, {f"q{i}": f"v{i % 25:02}" for i in range(100)})
    (every,) = by_column.by_column(["a"], tmp_path, "kind")
    wide = by_column.render([every])
    assert "no interval: v00, v01, v02, and 22 more" in wide
    assert max(map(len, wide.splitlines())) <= 80


def test_too_many_values_and_wrong_arms_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(tmp_path / "a", arms=ARMS)
    with pytest.raises(UsageError, match="data of a are not where the run found them"):
        by_column.by_column(["a"], tmp_path, "kind")
    _labelled(monkeypatch, {f"q{i}": str(i) for i in range(40)})
    with pytest.raises(UsageError, match="40 different values on sums, at most 30"):
        by_column.by_column(["a"], tmp_path, "kind")
    with pytest.raises(UsageError, match="--control x: no such control here; there are none"):
        by_column.by_column(["a"], tmp_path, "kind", control="x")
    with pytest.raises(UsageError, match="a:none is a control"):
        by_column.by_column(["a:none"], tmp_path, "kind")
    _labelled(monkeypatch, {f"q{i}": str(i % 10) for i in range(40)})
    (found,) = by_column.by_column(["a:S1", "a:S2"], tmp_path, "kind")
    assert {(c.arm, c.control) for c in found.cells} == {("S2", "S1")}
    assert [c.value for c in found.cells] == [str(i) for i in range(10)]


def test_columns_of_a_table_of_ones_own_reach_compare_and_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [f"q{i},{i}+1?,{i + 1},{'FR' if i % 3 else 'DE'},sum {i + 1}" for i in range(12)]
    Path("t.csv").write_text("\n".join(["id,question,answer,Country,why", *rows]) + "\n")
    asked = (
        "--task",
        "t.csv",
        "--stimuli",
        "emotionprompt:EP01",
        "--model",
        "pocket",
        "--yes",
    )
    assert heartloop("run", *asked, "--name", "t") == 0
    assert heartloop("tasks", "check", "t.csv") == 0
    assert "Country, why are not used in prompts" in capsys.readouterr().out
    assert heartloop("compare", "t", "--by", "Country", "--json") == 0
    (table,) = json.loads(capsys.readouterr().out)
    assert table["descriptive"]
    assert [(c["value"], c["questions"]) for c in table["cells"]] == [("DE", 4), ("FR", 8)]
    assert heartloop("compare", "t", "--by", "country") == 2
    assert "did you mean Country?" in capsys.readouterr().err
    assert heartloop("compare", "t", "--by", "answer") == 2
    said = capsys.readouterr().err
    assert "what is asked and its gold are none" in said and "there are Country, id, why" in said
    assert heartloop("compare", "t", "--by", "") == 2
    assert "--by: names no column; write one" in capsys.readouterr().err
    for to in ("jsonl", "csv", "parquet"):
        assert heartloop("export", "t", "--to", to) == 0
    lines = [json.loads(x) for x in Path("runs/t/export.jsonl").read_text().splitlines()]
    for line in lines:
        number = int(line["question"][1:])
        assert line["gold"] == str(number + 1)
        assert line["column_Country"] == ("FR" if number % 3 else "DE")
        assert line["column_why"] == f"sum {number + 1}"
    # The data have moved: the copy in the run folder serves.
    Path("t.csv").unlink()
    assert heartloop("compare", "t", "--by", "Country") == 0
    assert "t by Country" in capsys.readouterr().out


def test_golds_and_columns_of_private_tasks_are_not_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text("question,answer,topic\n1+1?,2,SECRETTOPIC\n2+2?,SECRETGOLD,b\n")
    Path("t.yaml").write_text(
        "name: t\nfamily: custom\nsource: {local: [t.csv]}\nverifier: text\n"
        "options: {private: true}\n"
    )
    asked = ("--task", "t.yaml", "--method", "single", "--model", "pocket", "--yes")
    assert heartloop("run", *asked, "--name", "p") == 0
    assert heartloop("export", "p", "--to", "jsonl") == 0
    text = Path("runs/p/export.jsonl").read_text()
    assert '"gold":null' in text and "SECRET" not in text
