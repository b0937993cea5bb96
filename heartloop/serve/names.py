"""Names of served models: ``NAME``, ``NAME+EP02``, ``NAME+heart``, and those of a serve.yaml."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heartloop.cards import parse_stimuli, read_yaml
from heartloop.errors import UsageError
from heartloop.grading import MathPool
from heartloop.methods import METHODS, validate_arm
from heartloop.run.free import Way, free_task
from heartloop.run.plan import arm_from_dict, with_cues
from heartloop.run.plan_checks import check_sampling, check_selector, no_unknown
from heartloop.run.unit import LoadedTask
from heartloop.types import Arm, Sampling

SELECTOR = "synthesis"  # as in a plan
LISTED = ("heart", "adaptive")
KEPT = 512
PROMPT = ("instruction", "answer_format", "separator", "system")
ARM = ("method", "stimuli", "placement", "cues", "params")
FIELDS = {"model", "selector", "verifier", "sampling", *PROMPT, *ARM}


class Names:
    """What can stand in a request's ``model``.

    Attributes:
        models: specs as after ``--model``, those of the file included.
        tasks: the readers in use; they share their workers.
    """

    def __init__(self, models: Sequence[str], file: Path | None = None) -> None:
        """Read the file and check everything in it.

        Raises:
            UsageError: no model, or an entry that cannot be served: names file, entry and field.
        """
        self.pool = MathPool()
        self.tasks: list[LoadedTask] = [free_task(pool=self.pool)]
        self.models = list(models)
        self._own = {} if file is None else self._read(file)
        if not self.models:
            raise UsageError("no model to serve: give --model, or models in a serve.yaml")
        self._bases: dict[str, str] = {}
        for spec in self.models:
            for name in (spec.removeprefix("server/"), spec):
                self._bases.setdefault(name, spec)
        self._known: dict[str, Way] = {}

    def listed(self) -> list[str]:
        """Names for a list of models; any method or stimulus may also stand behind a ``+``."""
        bases = [spec.removeprefix("server/") for spec in self.models]
        ways = [f"{base}+{method}" for base in bases for method in LISTED]
        return list(dict.fromkeys([*self._own, *bases, *ways]))

    def find(self, name: str) -> Way:
        """The way that a name stands for.

        Raises:
            UsageError: there is none; says which part is unknown.
        """
        way = self._own.get(name) or self._known.get(name)
        if way is None:
            way = self._make(name)
            if len(self._known) >= KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[name] = way
        return way

    def _make(self, name: str) -> Way:
        heads = [b for b in self._bases if name == b or name.startswith(b + "+")]
        if not heads:
            near = difflib.get_close_matches(name, self.listed(), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it serves {', '.join(self.listed())}"
            raise UsageError(f"model {name!r} is not served here; {hint}")
        base = max(heads, key=len)
        parts = [part for part in name[len(base) + 1 :].split("+") if part]
        methods = [part for part in parts if part in METHODS]
        if len(methods) > 1:
            raise UsageError(f"model {name!r}: one method at most, not {' and '.join(methods)}")
        words = "+".join(part for part in parts if part not in METHODS)
        stimuli = parse_stimuli(words) if words else [()]
        if len(stimuli) != 1:
            raise UsageError(
                f"model {name!r}: {words!r} names {len(stimuli)} stimuli; name one, such as EP02, "
                "or a combination, EP02+EP07"
            )
        said = stimuli[0]
        place = said[0].placement if said else "after_instruction"
        method = methods[0] if methods else "single"
        arm = Arm("+".join(parts) or "none", method, stimuli=said, placement=place)
        return Way(self._bases[base], _checked(arm), SELECTOR, self.tasks[0])

    def _read(self, file: Path) -> dict[str, Way]:
        try:
            value = read_yaml(file.read_bytes(), str(file))
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from error
        if not isinstance(value, Mapping) or not isinstance(value.get("models"), Mapping):
            raise UsageError(
                f"{file}: models: expected a mapping from names to what they stand for"
            )
        no_unknown(value, {"models"}, str(file))
        return {str(n): self._entry(one, f"{file}: {n}") for n, one in value["models"].items()}

    def _entry(self, value: Any, where: str) -> Way:
        if not isinstance(value, Mapping):
            raise UsageError(f"{where}: expected a mapping with a model")
        no_unknown(value, FIELDS, where)
        model = value.get("model") or (self.models[0] if len(self.models) == 1 else None)
        if not isinstance(model, str):
            raise UsageError(f"{where}: model: name one, such as server/NAME")
        if model not in self.models:
            self.models.append(model)
        for name in (*PROMPT, "selector", "verifier"):
            if not isinstance(value.get(name, ""), str):
                raise UsageError(f"{where}: {name}: expected text")
        sampling = dict(value.get("sampling") or {})
        check_sampling(sampling, where)
        if "stop" in sampling:
            sampling["stop"] = tuple(sampling["stop"])
        selector = str(value.get("selector") or SELECTOR)
        check_selector(selector, where)
        plain = {name: value[name] for name in ARM if name in value}
        arm = arm_from_dict({"name": where.rpartition(": ")[2], **plain}, where)
        if arm.stimuli and "placement" not in value:
            arm = arm_from_dict(
                {"name": arm.name, **plain, "placement": arm.stimuli[0].placement}, where
            )
        task = self.tasks[0]
        if value.get("verifier") or sampling:
            task = free_task(value.get("verifier"), Sampling(**sampling), self.pool)
            self.tasks.append(task)
        prompt = {name: str(value[name]) for name in PROMPT if name in value}
        return Way(model, _checked(arm), selector, task, prompt)


def _checked(arm: Arm) -> Arm:
    """An arm with its cues, refused where it cannot run without a verifier.

    Raises:
        UsageError: why it cannot.
    """
    arm = with_cues(arm)
    validate_arm(arm, "verifier-free")
    return arm
