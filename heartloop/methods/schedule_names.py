"""The names of cue schedules, and the cues that a name stands for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from heartloop.errors import UsageError
from heartloop.types import Arm, Stimulus

PLAIN = ("alternate", "random", "state", "contextual", "bandit")


def check_schedule(value: Any) -> str:
    """Check a schedule's name.

    Raises:
        ValueError: it is none, with the nearest name.
    """
    text = str(value).strip()
    head, _, rest = text.partition(":")
    if text in PLAIN:
        return text
    if head in ("static", "cycle"):
        names = [name.strip() for name in rest.split(",")]
        if not all(names) or (head == "static" and len(names) != 1):
            example = "static:sadness" if head == "static" else "cycle:anger,happiness"
            raise ValueError(f"name an emotion, a side or a cue, for example {example}")
        return f"{head}:{','.join(names)}"
    near = difflib.get_close_matches(head, [*PLAIN, "static", "cycle"], n=1)
    raise ValueError(
        f"did you mean {near[0]!r}?"
        if near
        else "give alternate, static:EMOTION, cycle:A,B,…, random, state, contextual or bandit"
    )


def check_cues(values: Mapping[str, Any], arm: Arm, mode: str | None) -> None:
    """Refuse a schedule that the arm's cues or the mode cannot serve.

    Raises:
        UsageError: a side or an emotion without a cue, or `bandit` without a verifier.
    """
    schedule = values["schedule"]
    if schedule == "bandit" and mode == "verifier-free":
        raise UsageError(
            f"arm {arm.name!r}: schedule: bandit learns from a verifier; use --mode oracle"
        )
    wanted: Sequence[str] = ()
    if schedule == "alternate":
        wanted = ("critical", "encouraging")
    elif ":" in schedule:
        wanted = schedule.partition(":")[2].split(",")
    for name in wanted:
        if not cues_named(arm.cues, name):
            emotions = {cue.emotion for cue in arm.cues if cue.emotion}
            known = sorted(emotions | {cue.valence for cue in arm.cues})
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"they have {', '.join(known)}"
            raise UsageError(f"arm {arm.name!r}: schedule: no cue is {name!r}; {hint}")


def cues_named(cues: Sequence[Stimulus], name: str) -> list[Stimulus]:
    """The cues of an emotion, of a side, or the one cue of that id or full name."""
    return [cue for cue in cues if name in (cue.emotion, cue.valence, cue.id, cue.name)]
