"""Which arms are set against which: arms of one run and their controls, or arms of several runs."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heartloop.errors import UsageError
from heartloop.run.layout import Manifest, Summary

if TYPE_CHECKING:
    from heartloop.calls import Journal
    from heartloop.run.folder import RunFolder
    from heartloop.run.results import ArmResults
    from heartloop.run.speaking import Speaking
    from heartloop.types import RunState

# Strictest first, and fixed before any result is seen: to take whichever control came out best
# would bias the comparison. Equal compute comes before equal wording, and both before nothing.
STRICT = (
    "resample", "neutral-varied", "neutral", "reflect", "demand-only", "placebo", "shuffled",
    "affect-only", "again", "cot", "none",
)  # fmt: skip
FEELING = ("neutral-varied", "neutral", "reflect", "placebo", "demand-only")
"""Controls that differ from a treatment in feeling alone, strictest first."""


@dataclass(frozen=True)
class Loaded:
    """A run that was read: its folder, manifest, results, and what it is (whole, partial …).

    Attributes:
        results: of a stopped run only what may speak, where anything may.
        speaking: model → which questions of a stopped run may speak; empty for a whole run.
        summary: that of the verdicts that were read, whatever ``summary.json`` says.
        journal: open for reading, for all who want texts; closed when the run is let go.
    """

    folder: RunFolder
    manifest: Manifest
    results: Sequence[ArmResults]
    state: RunState
    speaking: Mapping[str, Speaking] = field(default_factory=dict)

    @cached_property
    def summary(self) -> Summary | None:
        """The summary; None where nothing is finished."""
        from heartloop.run.session import summary_now

        return summary_now(self.folder, self.manifest, self.state)

    @cached_property
    def journal(self) -> Journal:
        """The journal; raises JournalError where it is damaged or absent."""
        from heartloop.calls import Journal

        opened = Journal.open(self.folder.path, read_only=True)
        weakref.finalize(self, opened.close)
        return opened


@dataclass(frozen=True, slots=True)
class Entry:
    """An arm with one model, over all tasks of its run."""

    run: Loaded
    model: str
    arm: str
    parts: Mapping[str, ArmResults]

    @property
    def any(self) -> ArmResults:
        """One of its parts, for what all tasks share."""
        return next(iter(self.parts.values()))

    @property
    def role(self) -> str:
        """``treatment``, or what it controls for."""
        return self.any.role


@dataclass(frozen=True, slots=True)
class Pair:
    """Two entries to be compared; the difference is ``arm`` minus ``control``."""

    arm: Entry
    control: Entry


def load_run(folder: RunFolder) -> Loaded:
    """Read one run, journal and verdicts once; UsageError where nothing is finished yet."""
    from heartloop.run.results import Groups, add_trace
    from heartloop.run.speaking import load_speaking
    from heartloop.run.state import run_state

    groups: Groups = {}
    modes: dict[str, Any] = {}

    def add(trace: Sequence[Mapping[str, Any]]) -> None:
        if not modes:
            modes.update({task["task"]: task["mode"] for task in folder.manifest["tasks"]})
        add_trace(groups, trace, modes[trace[0]["task"]])

    state = run_state(folder, each_trace=add)
    # What is damaged is read again, by the reader that names the damage.
    whole = groups if state.state != "damaged" else None
    results, speaking = load_speaking(folder, state, whole)
    return Loaded(folder, folder.manifest, results, state, speaking)


def entries(run: Loaded) -> list[Entry]:
    """Every arm × model of a run, in the plan's order."""
    found: dict[tuple[str, str], dict[str, ArmResults]] = {}
    for part in run.results:
        found.setdefault((part.model, part.arm), {})[part.task] = part
    return [Entry(run, model, arm, parts) for (model, arm), parts in found.items()]


def is_treatment(entry: Entry) -> bool:
    """Whether an arm is something to be tested rather than a control."""
    return entry.role == "treatment"


def controls_of(entry: Entry, all_entries: Sequence[Entry]) -> list[Entry]:
    """The controls of a treatment, strictest first; those named for it before common ones."""
    others = [e for e in all_entries if e.model == entry.model and not is_treatment(e)]
    own = [e for e in others if e.arm.endswith(f" for {entry.arm}")]
    chosen = own or [e for e in others if " for " not in e.arm]
    return sorted(chosen, key=lambda e: STRICT.index(e.role) if e.role in STRICT else len(STRICT))


def pairs_within(run: Loaded, every: bool = False) -> list[Pair]:
    """Every treatment of a run against each of its controls; without controls against the first.

    Args:
        run: the run.
        every: against every control of the run. By default a treatment is not set against what
            controls for others (a placebo of another length, the twin of another phrase), nor
            against the plain prompt asked again, which shows the spread of asking anew and is no
            yardstick, where there is another control.

    Raises:
        UsageError: there is only one arm.
    """
    found = entries(run)
    ranked = [
        (rank, Pair(arm, c))
        for arm in found
        if is_treatment(arm)
        for rank, c in enumerate(controls_of(arm, found))
    ]
    if not every:
        of = {a["name"]: a.get("of") for a in run.manifest["plan"]["arms"]}
        own = [x for x in ranked if x[1].arm.arm in (of.get(x[1].control.arm) or [x[1].arm.arm])]
        ranked = [x for x in own if x[1].control.role != "again"] or ranked
    if ranked:
        # All arms against their strictest control first: those are the main comparisons.
        return [pair for _, pair in sorted(ranked, key=lambda item: item[0])]
    pairs: list[Pair] = []
    for model in dict.fromkeys(e.model for e in found):
        first, *rest = [e for e in found if e.model == model]
        pairs += [Pair(arm, first) for arm in rest]
    if not pairs:
        raise UsageError(
            f"{run.folder.name} has a single arm, {found[0].arm}: nothing to compare it with; "
            "name a second run, or run with --controls matched"
        )
    return pairs


def find_entry(spec: str, runs: Path) -> tuple[RunFolder, str | None]:
    """The run and the arm of ``RUN`` or ``RUN:ARM``.

    Raises:
        UsageError: no such run.
    """
    from heartloop.run.folder import find_folder

    try:
        return find_folder(spec, runs), None
    except UsageError as error:
        # Both a path and an arm's name may hold a colon: the first split that names a run counts.
        for at, letter in enumerate(spec):
            if letter == ":":
                try:
                    return find_folder(spec[:at], runs), spec[at + 1 :]
                except UsageError:
                    continue
        raise error


def pick(run: Loaded, arm: str) -> list[Entry]:
    """The entries of a named arm, one a model.

    Raises:
        UsageError: the run has no such arm.
    """
    found = [e for e in entries(run) if e.arm == arm]
    if not found:
        known = ", ".join(dict.fromkeys(e.arm for e in entries(run)))
        raise UsageError(f"{run.folder.name} has no arm {arm!r}; it has {known}")
    return found


def pairs_between(specs: Sequence[tuple[Loaded, str | None]]) -> list[Pair]:
    """Every further run or arm against the first one named.

    Runs named without an arm are matched by the names of their arms.

    Raises:
        UsageError: nothing in common.
    """
    base_run, base_arm = specs[0]
    pairs: list[Pair] = []
    for run, arm in specs[1:]:
        if base_arm is None and arm is None:
            there = {e.arm for e in entries(base_run)}
            names = [e.arm for e in entries(run) if e.arm in there]
            names = list(dict.fromkeys(names))
            if not names:
                raise UsageError(
                    f"{base_run.folder.name} and {run.folder.name} share no arm's name; "
                    "name the arms: RUN:ARM RUN:ARM"
                )
            wanted = [(name, name) for name in names]
        else:
            wanted = [(base_arm or _only(base_run), arm or _only(run))]
        for left, right in wanted:
            pairs += _match_models(pick(base_run, left), pick(run, right))
    return pairs


def _only(run: Loaded) -> str:
    names = list(dict.fromkeys(e.arm for e in entries(run)))
    treatments = list(dict.fromkeys(e.arm for e in entries(run) if is_treatment(e)))
    if len(names) == 1:
        return names[0]
    if len(treatments) == 1:
        return treatments[0]
    raise UsageError(f"{run.folder.name} has several arms: name one of {', '.join(names)}")


def _match_models(base: Sequence[Entry], other: Sequence[Entry]) -> list[Pair]:
    """Entries of the same model; two single models are compared whatever their names."""
    if len(base) == len(other) == 1:
        return [Pair(other[0], base[0])]
    models = {e.model: e for e in base}
    shared = [Pair(e, models[e.model]) for e in other if e.model in models]
    if not shared:
        raise UsageError(
            f"{base[0].run.folder.name} and {other[0].run.folder.name} share no model: "
            f"{', '.join(models)} and {', '.join(e.model for e in other)}"
        )
    return shared


def wordings_of(arms: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Single-stimulus arms by set, and by the stimulus they paraphrase."""
    groups: dict[str, list[Entry]] = {}
    for arm in arms:
        stimuli = arm.any.plan["stimuli"]
        if len(stimuli) != 1:
            continue
        one = stimuli[0]
        if one["kind"] == "stimulus":
            groups.setdefault(one["set"], []).append(arm)
        of = one["of"] if one["kind"] == "paraphrase" else f"{one['set']}:{one['id']}"
        groups.setdefault(f"paraphrases of {of}", []).append(arm)
    return {label: members for label, members in groups.items() if len(members) > 1}


def differences(first: Loaded, second: Loaded) -> list[str]:
    """What makes two runs not comparable: data, cards, sampling, mode, words, defaults."""
    from heartloop.run.pins import changes

    found: list[str] = []
    a, b = ({t["task"]: t for t in run.manifest["tasks"]} for run in (first, second))
    data = [{d["task"]: d for d in run.manifest["data"]} for run in (first, second)]
    shared = [task for task in a if task in b]
    if not shared:
        return [f"tasks: {', '.join(a)} and {', '.join(b)}"]
    labels = {
        "mode": "mode",
        "verifier": "verifier",
        "verifier_sha256": "verifier card",
        "card_sha256": "task card",
        "sampling": "sampling",
        "shots_as": "form of the demonstrations",
    }
    for task in shared:
        for name in ("practice", "sha256"):
            left, right = data[0][task].get(name), data[1][task].get(name)
            if left != right:
                found.append(f"data of {task}: {_short(left, name)} and {_short(right, name)}")
                break
        for name, label in labels.items():
            left, right = a[task].get(name), b[task].get(name)
            if left != right and name in a[task] and name in b[task]:
                found.append(f"{label} of {task}: {_short(left)} and {_short(right)}")
    for name in ("shots", "shots_seed"):
        left, right = (run.manifest["plan"].get(name) or 0 for run in (first, second))
        if left != right:
            found.append(f"{name.replace('_', ' ')}: {left} and {right}")
    arms = [arm for run in (first, second) for arm in run.manifest["plan"]["arms"]]
    meanings = [run.manifest.get("meaning") or {} for run in (first, second)]
    found += changes(meanings[0], meanings[1], arms, typed=False)
    free = all(any(t["mode"] == "verifier-free" for t in x.values()) for x in (a, b))
    selectors = [run.manifest["plan"].get("selector") for run in (first, second)]
    if free and selectors[0] != selectors[1]:
        found.append(f"selector: {selectors[0]} and {selectors[1]}")
    return found


def _short(value: Any, name: str = "") -> str:
    if name == "practice":
        return "practice set" if value else "real data"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items()) or "none"
    text = str(value)
    return text[:12] + "…" if len(text) == 64 else text
