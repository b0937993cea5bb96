"""Writes the pages of docs/ that are generated from the code: ``make docs``."""

from __future__ import annotations

from pathlib import Path

from heartloop.calls import CALL_FIELDS
from heartloop.run import manifest, summary, verdicts

DOCS = Path(__file__).resolve().parent.parent / "docs"


def schema_page() -> str:
    """docs/schema.md: every field of every file that a run writes."""
    parts = [
        "# What a run writes",
        "This page is generated from the code (`make docs`) and held to it by a test.",
        "A run folder holds `manifest.json` and its copy, `calls.jsonl`, `verdicts.jsonl`, "
        "`summary.json`, a `lock` file while a process writes to it, `report.html` once it "
        "was asked for, `batches.jsonl` (with `--batch`: a line a batch, its id, model and "
        "the keys of its requests), and `unfinished.jsonl` (lines as in "
        "`verdicts.jsonl`, of questions that a stopped run left open) once it was scored. Runs "
        "on Ray keep each shard's own run folder in `shards/`. `score --verifier` and "
        "`score --selectors` write `verdicts.LABEL.jsonl` and `summary.LABEL.json` beside them.",
        "The journal `calls.jsonl` is the truth: everything else is rebuilt from it and the cards "
        "by `heartloop score RUN`.",
        _table("calls.jsonl", "one line a call, appended before its answer is used", CALL_FIELDS),
        _table("verdicts.jsonl", "one line a graded candidate of one arm", verdicts.FIELDS),
        _table("manifest.json", "the resolved plan and where everything came from",
               manifest.FIELDS),
        _table("summary.json", "what `run --json` prints", summary.FIELDS),
    ]  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _table(name: str, what: str, fields: dict[str, str]) -> str:
    rows = "\n".join(f"| `{field}` | {text} |" for field, text in fields.items())
    return f"## {name}\n\n{what[0].upper()}{what[1:]}.\n\n| field | meaning |\n|---|---|\n{rows}"


PAGES = {"schema.md": schema_page}


def main() -> None:
    """Write every generated page."""
    for name, page in PAGES.items():
        (DOCS / name).write_text(page(), encoding="utf-8")
        print(f"wrote docs/{name}")


if __name__ == "__main__":
    main()
