"""Exports read back with other programs' readers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet
import pytest
from synthetic_run import make_run

from heartloop.errors import UsageError
from heartloop.report.export import export, plain_cell
from heartloop.report.page import write_report


def test_every_format_holds_every_candidate_with_the_same_values(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", seeds=(0, 1), unscored=0.2)
    lines = (run.path / "verdicts.jsonl").read_text().splitlines()
    for to in ("parquet", "jsonl", "csv"):
        assert export(run, to, tmp_path / to) == len(lines)
    table = pyarrow.parquet.read_table(tmp_path / "parquet").to_pylist()
    rows = [json.loads(line) for line in (tmp_path / "jsonl").read_text().splitlines()]
    assert table == rows
    with (tmp_path / "csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert [c["outcome"] for c in cells] == [r["outcome"] for r in rows]
    first = json.loads(lines[0])
    assert rows[0]["content_outcome"] == first["content"]["outcome"]
    assert rows[0]["tokens_prompt"] == first["tokens"]["prompt"]
    assert "text" not in rows[0]


def test_texts_come_with_the_whole_conversation(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", questions=10)
    export(run, "jsonl", tmp_path / "x.jsonl", texts=True)
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    late = next(r for r in rows if r["round"] == 2)
    roles = [m["role"] for m in json.loads(late["prompt"])]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert "boxed" in late["text"]


def test_every_row_says_what_the_run_is(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", questions=10)
    lines = (run.path / "verdicts.jsonl").read_text().splitlines(keepends=True)
    (run.path / "verdicts.jsonl").write_text("".join(lines[:20]))
    manifest = run.manifest
    manifest["sessions"] = [{"started": "2026-01-01", "ended": None, "wall_s": 0.0}]
    run.write_manifest(manifest)
    export(run, "jsonl", tmp_path / "x.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert {row["state"] for row in rows} == {"killed"}


@pytest.mark.parametrize(
    "name",
    ["calls.jsonl", "verdicts.jsonl", "verdicts.selector-first.jsonl", "manifest.json",
     "manifest.copy.json", "summary.json", "lock"],
)  # fmt: skip
def test_the_files_of_the_run_are_no_targets(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "a", questions=4)
    before = (run.path / name).read_bytes() if (run.path / name).exists() else None
    link = tmp_path / "link.jsonl"
    link.symlink_to(run.path / name)
    for target in (run.path / name, tmp_path / "a" / ".." / "a" / name, link):
        with pytest.raises(UsageError, match="file of the run itself"):
            export(run, "jsonl", target)
        with pytest.raises(UsageError, match="file of the run itself"):
            write_report([run], target)
    assert (run.path / name).exists() == (before is not None)
    if before is not None:
        assert (run.path / name).read_bytes() == before


def test_only_an_export_of_the_same_kind_is_written_over(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", questions=4)
    (tmp_path / "notes.csv").write_text("my notes\n")
    with pytest.raises(UsageError, match="is no csv export"):
        export(run, "csv", tmp_path / "notes.csv")
    for to in ("csv", "jsonl", "parquet"):
        export(run, to, tmp_path / to)
        assert export(run, to, tmp_path / to) > 0
        with pytest.raises(UsageError, match="is no report"):
            write_report([run], tmp_path / to)
    (tmp_path / "empty.csv").touch()
    assert export(run, "csv", tmp_path / "empty.csv") > 0


def test_a_damaged_run_leaves_the_old_export(tmp_path: Path) -> None:
    run = make_run(tmp_path / "a", questions=10)
    export(run, "csv", tmp_path / "x.csv")
    before = (tmp_path / "x.csv").read_bytes()
    with (run.path / "verdicts.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(UsageError, match=r"verdicts\.jsonl:\d+: "):
        export(run, "csv", tmp_path / "x.csv")
    assert (tmp_path / "x.csv").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "x.csv"]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1", "@x", "\tx", "\rx", "'x"])
def test_no_csv_cell_begins_a_formula_and_every_text_comes_back(text: str) -> None:
    cell = plain_cell(text)
    assert cell[0] == "'" and cell[1:] == text
    assert plain_cell(-1.5) == -1.5 and plain_cell("a=b") == "a=b" and plain_cell(None) is None
