"""Exports read back with other programs' readers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet
from synthetic_run import make_run

from heartloop.report.export import export


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
