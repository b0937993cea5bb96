"""The layout of ``manifest.json`` and ``summary.json``, so that a misspelt field is no field.

What each field means is in `heartloop.run.manifest.FIELDS` and `heartloop.run.summary.FIELDS`
(docs/schema.md); a test holds the names there and here to be the same. Fields of the second class
of a pair may be absent: in older folders, or where they have no meaning.
"""

from __future__ import annotations

from typing import Any, TypedDict


class SessionFacts(TypedDict, total=False):
    """One session of a run; ``ended`` and ``stopped`` come when it ends."""

    started: str
    ended: str | None
    wall_s: float
    command: str
    stopped: str | None


class _TaskFacts(TypedDict):
    task: str
    mode: Any
    card_sha256: str
    verifier: str
    verifier_sha256: str
    metric: str
    metric_low: float
    metric_high: float
    sampling: dict[str, Any]
    questions: int
    question_ids_sha256: str


class TaskFacts(_TaskFacts, total=False):
    """What the manifest says of a task."""

    suite: str | None
    chance: float | None
    shots: int
    shots_as: str | None
    items: int
    licence: str
    citation: str
    private: bool
    frames: list[str]


class _DataFacts(TypedDict):
    task: str
    source: str
    sha256: str
    practice: bool
    notes: list[str]


class DataFacts(_DataFacts, total=False):
    """Where a task's questions came from."""

    expected_sha256: str | None
    revision: str | None
    questions: int
    licence: str


class _Manifest(TypedDict):
    schema: int
    run: str
    plan: dict[str, Any]
    tasks: list[TaskFacts]
    data: list[DataFacts]
    sessions: list[SessionFacts]
    versions: dict[str, str]


class Manifest(_Manifest, total=False):
    """``manifest.json``; ``plan`` is `heartloop.run.plan.Plan.to_dict`."""

    tables: dict[str, dict[str, str]]
    claim: dict[str, Any] | None
    meaning: dict[str, Any] | None
    pilot: dict[str, Any]
    gate: dict[str, list[str]]
    search: dict[str, Any]
    imported: dict[str, Any]
    made_in: dict[str, str]
    reused: dict[str, Any] | None
    ray: dict[str, Any]
    shard: list[int] | None
    git: str | None
    made_here: str | None
    calls: dict[str, Any]


class _RoundFigures(TypedDict):
    round: int
    accuracy: float | None
    asked: int
    answered: float | None


class RoundFigures(_RoundFigures, total=False):
    """One round of an arm."""

    own: float | None


class Selected(TypedDict):
    """Traces of an arm that had several candidates, and the shares of them that are right."""

    traces: int
    first: float
    picked: float
    any: float


class _ArmRow(TypedDict):
    task: str
    model: str
    arm: str
    method: str
    stimulus: str | None
    role: str
    mode: Any
    n: int
    trials: int
    accuracy: float | None
    accuracy_of_scored: float | None
    score: float | None
    normalised: float | None
    correct: int
    incorrect: int
    unscored: dict[str, int]
    error: int
    rounds: list[RoundFigures]
    calls: int
    tokens: dict[str, int]
    cost: float | None
    attempts: int
    cap_hits: int


class ArmRow(_ArmRow, total=False):
    """One arm × task × model of a summary."""

    accuracy_content: float | None
    content_flips: int
    fitted: int
    fitted_short: int
    left_out: dict[str, int]
    judged: dict[str, Any] | None
    repeats: dict[str, Any] | None
    selection: Selected | None
    own: float | None


class SuiteRow(TypedDict):
    """One arm × model on a suite."""

    suite: str
    model: str
    arm: str
    tasks: int
    normalised: float
    accuracy: float
    accuracy_pooled: float
    score_pooled: float
    items: int
    trials: int


class _Paid(TypedDict):
    calls: int
    tokens: dict[str, int]
    cost: float | None


class Paid(_Paid, total=False):
    """What a journal adds up to, each call once."""

    selecting: dict[str, int]


class _Summary(TypedDict):
    run: str
    tasks: list[str]
    models: list[str]
    data: list[DataFacts]
    arms: list[ArmRow]
    suites: list[SuiteRow]
    paid: Paid
    wall_s: float
    stopped: str | None


class Summary(_Summary, total=False):
    """``summary.json``."""

    panel: list[dict[str, Any]]
    doubtful: dict[str, dict[str, Any]]
    errors: list[dict[str, Any]]
    warnings: list[str]
    scored_with: dict[str, Any]
