"""The answer in one sentence: a run's claim and its results, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from heartloop.errors import HeartloopError
from heartloop.report.arms import Loaded
from heartloop.report.arrived import Arrived, checked, clause
from heartloop.report.findings import findings
from heartloop.report.search import is_search, search_sentence
from heartloop.report.sentence import sentence
from heartloop.report.study import provenance
from heartloop.report.units import Findings
from heartloop.run.claim import read_claim
from heartloop.run.state import headline
from heartloop.types import Claim


def conclude(folder: Path) -> str:
    """The run's conclusion in one sentence; empty where nothing was answered.

    Raises:
        UsageError: the folder is no run, has no verdicts, or its claim was changed.
    """
    from heartloop.report.arms import load_run
    from heartloop.run.folder import RunFolder

    return conclusion_of(load_run(RunFolder(Path(folder))))


def conclusion_of(
    run: Loaded,
    found: Sequence[Findings] | None = None,
    read: Sequence[Arrived] | None = None,
) -> str:
    """The same for a run that was read already.

    A search (``heartloop optimize``) gives its own answer, from its held-out questions. The
    manipulation check stands in the sentence of a whole run: of a stopped one the answers at hand
    are those that came first.

    Args:
        run: the run.
        found: its findings, where they are at hand.
        read: its manipulation check, where it is at hand.
    """
    if is_search(run):
        return _prefix(run) + search_sentence(run) + "."
    claim = read_claim(run.manifest)
    parts = []
    if read is None:
        read = _read(run, claim)
    for one in findings(run, claim) if found is None else found:
        mine = [c for c in read if c.model == one.model] if run.state.whole else []
        beyond = {t.arm for unit, t in one.treatments if not unit.silent and t.finding.both}
        text = sentence(one, claim, clause(mine, beyond))
        parts.append(f"{one.model}: {text}" if text and one.several > 1 else text)
    if not any(parts):
        return ""
    whole = "; ".join(part for part in parts if part)
    start = whole[0].upper() if whole.startswith("no phrase") else whole[0]
    return f"{_prefix(run)}{start}{whole[1:]}."


def _read(run: Loaded, claim: Claim) -> Sequence[Arrived]:
    """The manipulation check; nothing where the answers are not at hand."""
    if not run.state.whole:
        return ()
    try:
        return checked(run, claim)
    except HeartloopError:
        return ()


def _prefix(run: Loaded) -> str:
    words = []
    for text in provenance(run.manifest):
        if text.startswith("PRACTICE"):
            words.append("PRACTICE SET")
        elif text.startswith("SIMULATED"):
            words.append("SIMULATED")
        else:
            words.append("pocket, a tiny embedded model")
    if not run.state.whole:
        # What a decided run came to is the sentence itself: not said twice.
        words.append(headline(run.state).partition(" (decided: ")[0])
    return f"[{'; '.join(words)}] " if words else ""
