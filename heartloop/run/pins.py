"""What a run's arms mean, pinned: words, resolved parameters, and how prompts are built.

A manifest holds all of it (``meaning``), so that one arm never mixes two wordings: a run goes on
with what it was begun with, or not at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from heartloop.errors import UsageError
from heartloop.grading import judge
from heartloop.methods import older_params, settings, wordings
from heartloop.methods.prompt import render
from heartloop.methods.registry import OLDER
from heartloop.run.doors import PACKAGED
from heartloop.run.layout import Manifest
from heartloop.run.plan import Plan
from heartloop.types import PLACEMENTS, Demo, Gold, Message, Question, ShotsAs, Stimulus

_SOURCES: dict[str, ModuleType] = {"": wordings, "judge.": judge}
# What the samples are built from; any change of how prompts are built changes their hash.
_SAID = Stimulus("S", "sample", "Words that are said.", "")
_ASKED = Question(
    "q", "sample", 0, "What is it?", "Solve it.", demos=(Demo("1", "One.", "Q: 1\nA: One."),),
    answer_format="End in X.", system="Be plain.", history=(Message("user", "Hello."),),
)  # fmt: skip


def meaning_of(plan: Plan) -> dict[str, Any]:
    """What the manifest pins of a plan.

    Returns:
        ``sha256`` (of all that follows), ``words`` (name → text, of methods, selectors and
        judges), ``params`` (arm → every parameter, defaults included), ``selector``, the hashes of
        sample prompts of methods (``prompts``) and judges (``judge_prompts``), and, where methods,
        selector or verifier are of an installed package, its version and digest (``packages``).
    """
    meaning: dict[str, Any] = {
        "words": words(),
        "params": {arm.name: _plain(settings(arm)) for arm in plan.arms},
        "selector": plan.selector,
        "prompts": _hash(_prompts()),
        "judge_prompts": _hash([_judge_prompt()]),
    }
    named = [*(arm.method for arm in plan.arms), plan.selector, plan.verifier or ""]
    if taken := {name: PACKAGED[name] for name in named if name in PACKAGED}:
        meaning["packages"] = taken
    return {"sha256": _hash([json.dumps(meaning, sort_keys=True)]), **meaning}


def words() -> dict[str, str]:
    """Every sentence that is said to a model beside stimuli and cards, by name."""
    return {
        prefix + name: value
        for prefix, module in _SOURCES.items()
        for name, value in sorted(vars(module).items())
        if name.isupper() and isinstance(value, str)
    }


def changes(
    before: Mapping[str, Any],
    now: Mapping[str, Any],
    arms: Sequence[Mapping[str, Any]],
    *,
    typed: bool = True,
) -> list[str]:
    """What differs between two meanings, in words; empty for the same and for older folders.

    Args:
        before: as `meaning_of` returned it once.
        now: what it returns today, or of another run.
        arms: of the plans, as a manifest has them. Where all of them ask the plain prompt once
            (``single``), the words of methods are not said and may differ.
        typed: also parameters that a plan itself names; else those alone that it left open.
    """
    if not before or not now or before.get("sha256") == now.get("sha256"):
        return []
    found = []
    silent = all(arm["method"] == "single" for arm in arms)
    said = [
        name
        for name, text in before["words"].items()
        if text != now["words"].get(name) and (name.startswith("judge.") or not silent)
    ]
    named = {(arm["name"], key) for arm in arms for key in arm["params"]}
    if said:
        found.append(f"the words {', '.join(said)}")
    for arm, old in before["params"].items():
        new = now["params"].get(arm, old)
        differ = [
            k
            for k in {**old, **new}
            if old.get(k, OLDER.get(k)) != new.get(k) and (typed or (arm, k) not in named)
        ]
        if differ:
            told = ", ".join(f"{k} {old.get(k)!r} and {new.get(k)!r}" for k in sorted(differ))
            found.append(f"parameters of {arm}: {told}")
    packages = now.get("packages") or {}
    found += [
        f"code of {name}: {code}, now {packages.get(name, 'absent')}"
        for name, code in (before.get("packages") or {}).items()
        if packages.get(name) != code
    ]
    labels = {"prompts": "how prompts are built", "judge_prompts": "how judges are asked"}
    return found + [label for key, label in labels.items() if before[key] != now[key]]


def check_meaning(manifest: Manifest, plan: Plan, where: str) -> None:
    """Refuse to mix two meanings in one run.

    Raises:
        UsageError: says what changed, and what can be done.
    """
    found = changes(manifest.get("meaning") or {}, meaning_of(plan), manifest["plan"]["arms"])
    if not found:
        return
    again = "start a new run (--reuse takes over every call that is still the same)"
    if any(change.startswith("how ") for change in found):
        version = manifest["versions"].get("heartloop")
        remedy = f"go on with heartloop {version}, with which it began, or {again}"
    elif any(change.startswith("code of ") for change in found):
        remedy = f"install what it began with, or {again}"
    else:
        remedy = f"--as-begun goes on with those of the manifest; or {again}"
    raise UsageError(f"{where}: changed since the run began: {'; '.join(found)}. {remedy}")


def as_begun(plan: Plan, meaning: Mapping[str, Any]) -> Plan:
    """The plan with the parameters of its manifest; `saying` says the words."""
    params = meaning.get("params") or {}
    arms = [
        dataclasses.replace(
            arm, params={**older_params(arm.method, params[arm.name]), **params[arm.name]}
        )
        if arm.name in params
        else arm
        for arm in plan.arms
    ]
    return dataclasses.replace(plan, arms=tuple(arms))


_open: list[dict[str, str]] = []  # for each run under way, the words before it began


@contextlib.contextmanager
def saying(recorded: Mapping[str, str]) -> Iterator[None]:
    """Say recorded words in the place of today's until the end; unknown names are passed over.

    Words are those of the process: runs at the same time can only say the same.

    Args:
        recorded: name → text, as in a manifest; empty for today's words.

    Raises:
        UsageError: a run under way in this process says other words.
    """
    today = _open[0] if _open else words()
    wanted = {name: recorded.get(name, text) for name, text in today.items()}
    if _open and wanted != words():
        raise UsageError(
            "two runs in one process say different words of methods or judges; "
            "go on with one of them in a process of its own"
        )
    _open.append(today)
    _say(wanted)
    try:
        yield
    finally:
        _open.pop()
        if not _open:
            _say(today)


def _say(texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        prefix = next(p for p in sorted(_SOURCES, reverse=True) if name.startswith(p))
        setattr(_SOURCES[prefix], name.removeprefix(prefix), text)


def _prompts() -> Iterable[str]:
    for place in PLACEMENTS:
        ways: tuple[ShotsAs, ...] = ("text", "turns")
        for shots_as in ways:
            question = dataclasses.replace(_ASKED, shots_as=shots_as)
            yield repr(render(question, (_SAID,), place, notes=("A note.",)))
    yield repr(render(dataclasses.replace(_ASKED, instruction="", input="Q: x\nA:"), (_SAID,)))


def _judge_prompt() -> str:
    spec = judge.JudgeSpec({"verdict": ("GOOD", "BAD")}, "Rules.", show=("gold", "incorrect"))
    gold = Gold("q", ("1",), {"incorrect": ("2",)})
    return repr(judge.judge_messages(spec, "What?", gold, "It is 1.", "nonce"))


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=str))


def _hash(texts: Iterable[str]) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
