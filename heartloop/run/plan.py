"""A plan: tasks × models × arms × seeds, from flags or YAML, and back into the manifest."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from heartloop.errors import UsageError
from heartloop.run.files import read_json
from heartloop.run.judges import JudgeModel, judges_of
from heartloop.run.layout import Manifest
from heartloop.run.order import ORDERS
from heartloop.run.plan_checks import (
    check_limits,
    check_sampling,
    check_selector,
    check_stimulus,
    check_texts,
    is_number,
    is_whole,
    no_unknown,
)
from heartloop.types import PLACEMENTS, Arm, Mode, ShotsAs, Stimulus


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what a run asks. Two equal plans ask the same questions.

    Attributes:
        tasks: task names, suites or paths of custom files, as given.
        models: model specs (``pocket``, ``server/NAME``, …).
        arms: resolved arms with the texts of their stimuli.
        seeds: run seeds; each repeats every arm on every question.
        mode: ``oracle``, ``verifier-free``, or None to follow the task's verifier.
        selector: how a verifier-free loop picks its answer.
        limit, sample: the first N questions, or N drawn with this seed.
        shots, shots_seed: demonstrations a question (None: as the task card says), and the seed
            that draws them.
        shots_as: ``turns`` or ``text``; None: as the task card says, else turns.
        verifier: a verifier card instead of the task's own.
        helper: a second model, for methods that need one (`critique`, `planner`).
        judge: the panel that judges, for verifiers that need one: a name, a mapping of
            `heartloop.run.judges.JudgeModel` fields, or a list of these.
        sampling: overrides of the task card's sampling, the same for every arm.
        data_dir, practice: where the data comes from.
        server: options of the providers (``ModelOptions`` fields).
        limits: concurrency, rpm, tpm, max_total_tokens, max_usd, max_question_tokens, prices.
        match: what `resample` controls are matched on: ``tokens`` (draws fixed by a token-only
            pilot when the run begins; then ``fixed``) or ``calls``.
        primary: the one treatment whose contrast ``stop_when`` watches.
        order: ``permuted`` opens questions at random, tasks in proportion; ``listed`` as the data
            have them.
        draws: draws of each `resample` control as the pilot fixed them: arm → model → task.
        stop_when: ``decided`` ends the run when a sequential test is decided; else None.
        margin: half-width of the region of equivalence, a share.
        reuse: run folders whose journals are read before anything is asked.
        claim_from: run folder whose claim this run is to confirm; else None.
        exclude_questions: run folders whose questions are not asked again.
    """

    tasks: tuple[str, ...]
    models: tuple[str, ...]
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...] = (0,)
    mode: Mode | None = None
    selector: str = "synthesis"
    limit: int | None = None
    sample: int | None = None
    shots: int | None = None
    shots_seed: int = 0
    shots_as: ShotsAs | None = None
    verifier: str | None = None
    helper: str | None = None
    judge: tuple[JudgeModel, ...] = ()
    sampling: Mapping[str, Any] = field(default_factory=dict)
    data_dir: str | None = None
    practice: bool = False
    server: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    match: str = "tokens"
    draws: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    stop_when: str | None = None
    primary: str | None = None
    order: str = "permuted"
    margin: float = 0.03
    reuse: tuple[str, ...] = ()
    claim_from: str | None = None
    exclude_questions: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data, for the manifest and for YAML."""
        plain = dataclasses.asdict(self)
        plain["arms"] = [arm_to_dict(arm) for arm in self.arms]
        return {key: _plain(value) for key, value in plain.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def arm_to_dict(arm: Arm) -> dict[str, Any]:
    """An arm as plain data, its stimuli and cues with their texts and hashes."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(arm))
    return plain


def arm_from_dict(value: Mapping[str, Any], where: str) -> Arm:
    """An arm from plain data; stimuli may be names (resolved through the cards) or full entries.

    Raises:
        UsageError: an unknown field, or a stimulus whose text does not match its hash.
    """
    known = {f.name for f in dataclasses.fields(Arm)}
    no_unknown(value, known, where)
    if "name" not in value:
        raise UsageError(f"{where}: an arm needs a name")
    place = value.get("placement", "after_instruction")
    if place not in PLACEMENTS:
        raise UsageError(f"{where}: placement {place!r} is none of {', '.join(PLACEMENTS)}")
    for name in ("name", "method", "role"):
        if not isinstance(value.get(name, ""), str):
            raise UsageError(f"{where}: {name}: expected text")
    if not isinstance(value.get("params", {}), Mapping):
        raise UsageError(f"{where}: params: expected a mapping such as {{rounds: 3}}")
    arm = Arm(
        name=str(value["name"]),
        method=str(value.get("method", "single")),
        stimuli=_stimuli(value.get("stimuli", ()), f"{where}: stimuli"),
        placement=place,
        cues=_stimuli(value.get("cues", ()), f"{where}: cues", whole_sets=True),
        params=dict(value.get("params", {})),
        role=str(value.get("role", "treatment")),
        of=tuple(map(str, value.get("of", ()))),
        gated=bool(value.get("gated", False)),
    )
    return with_cues(arm)


def _stimuli(value: Any, where: str, *, whole_sets: bool = False) -> tuple[Stimulus, ...]:
    if isinstance(value, str):
        from heartloop.cards import parse_stimuli

        groups = parse_stimuli(value)
        if whole_sets:
            return tuple(s for group in groups for s in group)
        if len(groups) != 1:
            raise UsageError(
                f"{where}: {value!r} names {len(groups)} stimuli; an arm takes one, or a "
                "combination written A+B"
            )
        return groups[0]
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"{where}: expected a name such as emotionprompt:EP02, or a list of them")
    found: list[Stimulus] = []
    for item in value:
        if isinstance(item, str):
            found.extend(_stimuli(item, where, whole_sets=whole_sets))
            continue
        stimulus = Stimulus(**check_stimulus(item, where))
        if text_hash(stimulus.text) != stimulus.sha256:
            raise UsageError(f"{where}: {stimulus.name}: the text does not match its sha256")
        found.append(stimulus)
    return tuple(found)


def text_hash(text: str) -> str:
    """The sha256 that identifies a stimulus."""
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def recorded_plan(manifest: Manifest, where: str) -> Plan:
    """The plan of a run that was begun, with the defaults it was begun with.

    Runs from before the claim block hold only what was typed; their loops put the cue last, went
    on from the newest turn and were never lost.
    """
    from heartloop.methods import older_defaults, older_params

    if "imported" in manifest:
        tool = manifest["imported"]["tool"]
        raise UsageError(
            f"{where}: its answers were imported from {tool}; they can be compared, reported and "
            "exported, but nothing can be asked or graded anew"
        )
    if "made_in" in manifest:
        made = manifest["made_in"]
        raise UsageError(
            f"{where}: begun by {made['by']} of the program {made['program']}, which alone holds "
            f"its questions and its metric: call it again with folder={Path(where).parent} to go "
            "on (what is answered is free); it can be compared, reported and exported as it is"
        )

    plan = plan_from_dict(manifest["plan"], where)
    if "order" not in manifest["plan"]:
        plan = dataclasses.replace(plan, order="listed")
    if "claim" in manifest:
        known = (manifest.get("meaning") or {}).get("params") or {}
        arms = [
            dataclasses.replace(
                arm, params={**older_params(arm.method, known[arm.name]), **arm.params}
            )
            if arm.name in known
            else arm
            for arm in plan.arms
        ]
        return dataclasses.replace(plan, arms=tuple(arms))
    return dataclasses.replace(plan, arms=tuple(older_defaults(arm) for arm in plan.arms))


def plan_from_dict(value: Mapping[str, Any], where: str) -> Plan:
    """A plan from YAML or from a manifest's ``plan``.

    Args:
        value: the parsed mapping; ``task``/``model``/``seed`` are accepted for one.
        where: the file's name, for messages.

    Raises:
        UsageError: an unknown or malformed field, with the file and the field.
    """
    value = dict(value)
    for one, many in (("task", "tasks"), ("model", "models"), ("seed", "seeds")):
        if one in value and many not in value:
            value[many] = [value.pop(one)]
    no_unknown(value, {f.name for f in dataclasses.fields(Plan)}, where)
    for name in ("tasks", "models", "arms"):
        if not value.get(name):
            raise UsageError(f"{where}: {name} is missing or empty")
    _check_types(value, where)
    check_texts(value, where)
    arms = tuple(arm_from_dict(arm, f"{where}: arms[{i}]") for i, arm in enumerate(value["arms"]))
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise UsageError(f"{where}: arms: the name {twice!r} stands twice")
    check_sampling(value.get("sampling", {}), where)
    check_limits(value.get("limits", {}), where)
    check_selector(value.get("selector", "synthesis"), where)
    if value.get("match", "tokens") not in ("tokens", "calls", "fixed"):
        raise UsageError(f"{where}: match {value['match']!r} is neither tokens nor calls")
    if value.get("stop_when") not in (None, "decided"):
        raise UsageError(f"{where}: stop_when {value['stop_when']!r}: known is decided")
    if value.get("shots_as") not in (None, *get_args(ShotsAs)):
        raise UsageError(f"{where}: shots_as {value['shots_as']!r} is neither turns nor text")
    if value.get("order", "permuted") not in ORDERS:
        raise UsageError(f"{where}: order {value['order']!r} is none of {', '.join(ORDERS)}")
    mode = value.get("mode")
    if mode is not None and mode not in get_args(Mode):
        raise UsageError(f"{where}: mode {mode!r} is neither oracle nor verifier-free")
    return Plan(
        **{
            **value,
            "arms": arms,
            "tasks": tuple(map(str, value["tasks"])),
            "models": tuple(map(str, value["models"])),
            "judge": judges_of(value.get("judge"), where),
            "seeds": tuple(dict.fromkeys(value.get("seeds", (0,)))),
            "reuse": tuple(value.get("reuse", ())),
            "exclude_questions": tuple(value.get("exclude_questions", ())),
        }
    )


def _check_types(value: Mapping[str, Any], where: str) -> None:
    lists = ("tasks", "models", "arms", "seeds", "reuse", "exclude_questions")
    whole = ("limit", "sample", "shots", "shots_seed")
    for name in lists:
        if name in value and not isinstance(value[name], (list, tuple)):
            raise UsageError(f"{where}: {name}: expected a list")
    for name in whole:
        if value.get(name) is not None and not is_whole(value[name]):
            raise UsageError(f"{where}: {name}: expected a whole number")
    margin = value.get("margin", 0.03)
    if not is_number(margin) or not 0 < margin <= 1:
        raise UsageError(f"{where}: margin: expected a share between 0 and 1, such as 0.03")
    if not isinstance(value.get("practice", False), bool):
        raise UsageError(f"{where}: practice: expected true or false")
    for name in ("sampling", "server", "limits"):
        if name in value and not isinstance(value[name], Mapping):
            raise UsageError(f"{where}: {name}: expected a mapping")
    seeds = value.get("seeds", (0,))
    if not seeds or not all(map(is_whole, seeds)):
        raise UsageError(f"{where}: seeds: expected whole numbers such as [0, 1, 2]")
    for i, arm in enumerate(value["arms"]):
        if not isinstance(arm, Mapping):
            raise UsageError(f"{where}: arms[{i}]: expected a mapping with a name and a method")


def load_plan(path: Path) -> Plan:
    """A plan from a YAML file, or from the ``plan`` of a manifest.json."""
    if path.suffix.lower() == ".json":
        value: Any = read_json(path)
    else:
        from heartloop.cards import read_yaml

        try:
            value = read_yaml(path.read_bytes(), str(path))
        except OSError as error:
            raise UsageError(f"--plan {path}: {error.strerror}") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path}: expected a mapping with tasks, models and arms")
    if "plan" in value and "schema" in value:
        value = {"shots_as": "text", **value["plan"]}  # the only way of manifests that do not say
    else:
        value = _own_draws(value, str(path))
    from heartloop.run.doors import open_doors

    return plan_from_dict(open_doors(value), str(path))


def _own_draws(value: dict[str, Any], where: str) -> dict[str, Any]:
    """Draws that a user wrote stand: no pilot changes them.

    Raises:
        UsageError: the file asks for both, or gives draws to some of its `resample` arms.
    """
    arms = value.get("arms")
    listed = [arm for arm in arms if isinstance(arm, Mapping)] if isinstance(arms, list) else []
    drawn = [arm for arm in listed if arm.get("role") == "resample"]
    given = [arm for arm in drawn if "draws" in (arm.get("params") or {})]
    if not given or value.get("match") in ("calls", "fixed"):
        return value
    if "match" in value or len(given) < len(drawn):
        name = given[0].get("name")
        raise UsageError(
            f"{where}: arm {name!r}: params.draws is overruled where draws are matched by tokens; "
            "leave it out, or write match: fixed and give every resample arm its draws"
        )
    return {**value, "match": "fixed"}


def with_cues(arm: Arm) -> Arm:
    """Give a loop the phrases its schedule chooses from, where it has none yet.

    Raises:
        UsageError: no such method or cue card.
    """
    from heartloop.cards import load_stimuli
    from heartloop.methods import SPECS, validate_arm

    spec = SPECS.get(arm.method)
    if spec is None:
        validate_arm(arm)  # says which methods there are
    elif spec.cues and not arm.cues:
        name = str(arm.params.get("cues") or spec.cues)
        card = load_stimuli(name)
        params = dict(arm.params)
        if "tables" in spec.params and card.tables and name != spec.cues:
            params.setdefault("tables", card.tables)  # a card of the user's own for `state`
        return dataclasses.replace(arm, cues=tuple(card.stimuli), params=params)
    return arm
