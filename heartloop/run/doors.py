"""Methods, selectors, verifiers, models and readers from outside: a file, or an installed package.

A file is named as ``FILE.py:NAME``; its digest becomes part of the name, as in
``FILE.py:NAME@1a2b3c4d``, so that a manifest pins the code. Installed packages offer theirs as
entry points (``heartloop.methods``, ``.selectors``, ``.verifiers``, ``.models``, ``.readers``),
which are looked for only when a name is not heartloop's own.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from heartloop.cards.verifier import VerifierCard
from heartloop.errors import UsageError
from heartloop.grading.comparators import COMPARATORS
from heartloop.grading.judgement import Judgement
from heartloop.methods import METHODS, SELECTORS, Selector
from heartloop.methods.params import PARAMS, Param
from heartloop.methods.registry import register
from heartloop.types import Gold, Outcome, Question

CODE = re.compile(r"(?P<file>.+\.py):(?P<name>[A-Za-z_]\w*)(?:@(?P<digest>[0-9a-f]{8}))?")


def is_code(name: str) -> bool:
    """Whether a name stands for a file's code (DSPy programs have a door of their own)."""
    return not name.startswith("dspy:") and CODE.fullmatch(name) is not None


def load_code(spec: str) -> tuple[str, Any, str]:
    """Execute a file and take a name from it.

    Args:
        spec: ``FILE.py:NAME``, or the pinned form that a manifest has.

    Returns:
        The pinned name, the object, and the sha256 of the file.

    Raises:
        UsageError: no such file or name, it does not load, or it is not the file it was.
    """
    match = CODE.fullmatch(spec)
    if match is None:
        raise UsageError(f"{spec}: write FILE.py:NAME")
    path = Path(match["file"])
    try:
        source = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{spec}: {path}: {error.strerror}") from error
    digest = hashlib.sha256(source).hexdigest()
    if match["digest"] and not digest.startswith(match["digest"]):
        raise UsageError(f"{path}: changed since the run was begun; restore it or start a new run")
    known = f"heartloop_own_{digest[:16]}"
    if known not in sys.modules:
        made = importlib.util.spec_from_file_location(known, path)
        assert made is not None and made.loader is not None
        module = importlib.util.module_from_spec(made)
        sys.modules[known] = module
        try:
            made.loader.exec_module(module)
        except Exception as error:
            del sys.modules[known]
            raise UsageError(f"{path}: {type(error).__name__}: {error}") from error
    found = getattr(sys.modules[known], match["name"], None)
    if not callable(found):
        raise UsageError(f"{path}: there is no function {match['name']} in it")
    return f"{path}:{match['name']}@{digest[:8]}", found, digest


def open_method(name: str) -> str:
    """Make a method from outside known; returns the name that the registry has it under.

    A method is an async function ``(question, arm, ask, check=None) -> Trace``. Its attribute
    ``params``, a mapping from names to defaults, declares parameters of its own.

    Raises:
        UsageError: it cannot be loaded.
    """

    def add(pinned: str, function: Any) -> None:
        own: Mapping[str, Any] = getattr(function, "params", {})
        for param, default in own.items():
            PARAMS.setdefault(param, Param(default, f"of {pinned}", lambda value: value))
        summary = (function.__doc__ or "a method from outside").strip().splitlines()[0]
        register(pinned, params=tuple(own), defaults=dict(own), summary=summary)(function)

    return _open(name, "methods", METHODS, add)


def open_selector(name: str) -> str:
    """Make a selector from outside known: an async function that sets a Choice's ``selected``."""

    def add(pinned: str, function: Any) -> None:
        SELECTORS[pinned] = Selector(function, summary=(function.__doc__ or "").strip())

    return _open(name, "selectors", SELECTORS, add)


def open_verifier(name: str) -> str:
    """Make a verifier from outside known: ``(answer, gold, question) -> bool``, or a share."""

    def add(pinned: str, function: Any) -> None:
        COMPARATORS[pinned] = _comparator(function)

    return _open(name, "verifiers", COMPARATORS, add)


def verifier_card(name: str) -> VerifierCard | str:
    """What a plan's verifier opens as: a card for code from outside, else the name as it is."""
    if not is_code(name) and not _offered("verifiers", name):
        return name
    pinned = open_verifier(name)
    match = CODE.fullmatch(pinned)
    path = Path(match["file"]) if match else Path(name)
    digest = load_code(pinned)[2] if match else hashlib.sha256(name.encode()).hexdigest()
    return VerifierCard(pinned, path, digest, pinned, title=f"the user's own verifier {name}")


def open_doors(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan, as plain data, whose names from outside are known and pinned.

    This executes what the plan names, so it is for plans that the user typed and for run folders
    that `heartloop.run.trust` lets pass.

    Raises:
        UsageError: something cannot be loaded, or has changed since it was pinned.
    """
    opened = dict(plan)
    if isinstance(plan.get("arms"), list):
        opened["arms"] = [
            {**arm, "method": open_method(arm["method"])}
            if isinstance(arm, Mapping) and isinstance(arm.get("method"), str)
            else arm
            for arm in plan["arms"]
        ]
    for field, door in (("selector", open_selector), ("verifier", open_verifier)):
        if isinstance(plan.get(field), str):
            opened[field] = door(plan[field])
    return opened


def _open(name: str, group: str, known: Mapping[str, Any], add: Callable[[str, Any], None]) -> str:
    if name in known or name.startswith("dspy:"):
        return name
    if is_code(name):
        pinned, function, _ = load_code(name)
        if pinned not in known:
            add(pinned, function)
        return pinned
    for point in _offered(group, name):
        try:
            made = point.load()
        except Exception as error:
            raise UsageError(f"{name} of {point.value}: {type(error).__name__}: {error}") from error
        add(name, made)
        PACKAGED[name] = _code_of(point, made)
        break
    return name  # whoever looks it up says what there is


PACKAGED: dict[str, str] = {}
"""What was taken from installed packages: name → package, version and digest of its file."""


def _code_of(point: metadata.EntryPoint, made: Any) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist is not None else point.value
    try:
        file = Path(inspect.getsourcefile(inspect.unwrap(made)) or "")
        return f"{package} (sha256 {hashlib.sha256(file.read_bytes()).hexdigest()[:16]})"
    except (OSError, TypeError):  # no Python file: the version is what is known
        return package


def _offered(group: str, name: str) -> tuple[metadata.EntryPoint, ...]:
    return tuple(_points(group, tuple(sys.path)).select(name=name))


@lru_cache(maxsize=16)
def _points(group: str, path: tuple[str, ...]) -> metadata.EntryPoints:
    """What installed packages offer; to look through all of them takes milliseconds."""
    del path  # where they were looked for
    return metadata.entry_points(group=f"heartloop.{group}")


def _comparator(function: Any) -> Any:
    def compare(
        gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
    ) -> Judgement:
        said = function(answer, gold, question)
        if isinstance(said, Judgement):
            return said
        score = float(said)
        if not 0.0 <= score <= 1.0:
            raise UsageError(f"{function.__name__}: {said!r} is no share from 0 to 1")
        outcome: Outcome = "correct" if score == 1.0 else "incorrect"
        return Judgement(outcome, None, score, f"{function.__name__} gives {score:g}")

    return compare
