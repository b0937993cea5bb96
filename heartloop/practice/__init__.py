"""Practice sets: generated problems with exact answers that ship with heartloop.

They are practice sets, not benchmarks: nothing measured on them says anything about a benchmark,
and every row carries ``practice: True``. The generator is seeded and integer-only, so the same
rows come out on every machine and Python version; no text is taken from elsewhere.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

NAMES = (
    "olympiad",
    "bigbench",
    "bigbench_choice",
    "bigbench_exact",
    "bbh",
    "instruction_induction",
    "simpleqa",
    "truthfulqa",
    "esconv",
)
"""Names that :func:`rows` knows; a task of a suite is asked for as ``bigbench/odd_one_out``."""


def tasks(suite: str) -> tuple[str, ...]:
    """The practice tasks of a suite (``bigbench`` or ``instruction_induction``), else nothing."""
    from heartloop.practice import _language

    if suite == "bigbench":
        return tuple(_language.BIGBENCH)
    return tuple(_language.INDUCTION) if suite == "instruction_induction" else ()


@cache
def _rows(name: str) -> str:
    from heartloop.practice import _language, _maths, _support

    suite, _, task = name.partition("/")
    if task and task not in tasks(suite):
        raise KeyError(f"{name}: no such practice task; {suite} has {', '.join(tasks(suite))}")
    out: list[dict[str, Any]]
    if suite == "olympiad":
        out = _maths.olympiad_rows()
    elif suite in ("bigbench", "bigbench_choice", "bigbench_exact"):
        out = _language.bigbench_rows(task or None)
        if suite != "bigbench":
            key = "target_scores" if suite == "bigbench_choice" else "target"
            out = [row for row in out if key in row]
    elif suite == "bbh":
        out = _language.bbh_rows()
    elif suite == "instruction_induction":
        out = _language.induction_rows(task or None)
    elif suite == "simpleqa":
        out = _language.simpleqa_rows()
    elif suite == "truthfulqa":
        out = _language.truthfulqa_rows()
    elif suite == "esconv":
        out = _support.support_rows()
    else:
        raise KeyError(f"{name}: no such practice set; there are {', '.join(NAMES)}")
    return json.dumps(out, ensure_ascii=False)


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a practice set, in the shape of the data set that it stands in for.

    Args:
        name: one of :data:`NAMES`, or ``suite/task`` (see :func:`tasks`).

    Returns:
        Fresh dictionaries, the same on every call, machine and Python version.

    Raises:
        KeyError: there is no practice set of that name; the message lists them.
    """
    result: list[dict[str, Any]] = json.loads(_rows(name))
    return result


def sha256(name: str) -> str:
    """Hex digest of the set's rows as JSON: the identity that a manifest records."""
    return hashlib.sha256(_rows(name).encode("utf-8")).hexdigest()
