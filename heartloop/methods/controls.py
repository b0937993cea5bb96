"""Controls: the arms without which a gain means nothing, and which arm is a control of which."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

from heartloop.cards import controls_of, load_stimuli
from heartloop.methods import wordings
from heartloop.methods.cost import expected_calls
from heartloop.methods.loop import LOOP
from heartloop.methods.registry import SPECS
from heartloop.types import Arm, Mode, Placement, Stimulus

PLACEBO_SET = "placebo"
NOTE: tuple[str, Placement] = ("\n\n", "after_input")  # where a one-turn method puts its words
PLAN_WORDS = 10  # of a plan that is asked for, one short line
TWINS = ("demand-only", "affect-only", "shuffled", "paraphrase", "distractor")
"""Roles of arms that belong to one stimulus, and kinds of the stimuli they say."""
AVERAGED = ("placebo", "paraphrase", "distractor")
"""Roles of which a treatment may have several arms, each of them a control."""


# --- Placebos -----------------------------------------------------------------------------


def placebo_class(words: int) -> tuple[Stimulus, ...]:
    """The two placebo sentences of the length class nearest to a number of words.

    Nearest by the relative difference |w / words - 1|, w the words of a class's sentences.
    """
    classes: dict[str, list[Stimulus]] = {}
    for sentence in load_stimuli(PLACEBO_SET).stimuli:
        classes.setdefault(sentence.id.rpartition("-")[0], []).append(sentence)

    def gap(name: str) -> float:
        return abs(_mean_words(classes[name]) / max(words, 1) - 1)

    return tuple(classes[min(classes, key=gap)])


def placebos_of(group: Sequence[Stimulus], named: Sequence[Stimulus] = ()) -> tuple[Stimulus, ...]:
    """The placebos of what one arm says, joined and placed as it is.

    Those that the stimulus's own card brings for it, else the two sentences of its length class.
    They depend on the stimulus alone, never on which other arms are in a run.

    Args:
        group: the arm's stimuli, not empty; the first gives joiner and placement.
        named: placebos from a card that is known by its path alone.
    """
    first = group[0]
    own = []
    if len(group) == 1:
        own = controls_of(first, "placebo", sets=())
        own = own or [s for s in named if s.set == first.set and s.of == first.name]
    chosen = own or placebo_class(sum(len(s.text.split()) for s in group))
    return tuple(
        dataclasses.replace(s, joiner=first.joiner, placement=first.placement) for s in chosen
    )


def length_difference(group: Sequence[Stimulus], placebos: Sequence[Stimulus]) -> float:
    """Mean words of the placebos against those of the stimuli: -0.42 is 42 % fewer."""
    return _mean_words(placebos) / max(sum(len(s.text.split()) for s in group), 1) - 1


def placebo_arms(treatments: Sequence[Arm], named: Sequence[Stimulus] = ()) -> list[Arm]:
    """The placebo arms that these treatments need, each once, with the treatments they are of.

    Args:
        treatments: arms of one method with single stimuli or combinations, or a one-turn method
            without any, whose placebos stand where the method puts its own words.
        named: as `placebos_of` takes them.
    """
    found: dict[tuple[str, str, str], Arm] = {}
    for arm in treatments:
        for s in placebos_of(arm.stimuli, named) if arm.stimuli else _neutral_notes(arm):
            if arm.stimuli:
                s = dataclasses.replace(s, placement=arm.placement)
            key = (s.name, s.joiner, s.placement)
            if key not in found:
                base = arm if arm.stimuli else Arm("")
                prefix = "" if base.method == "single" else f"{base.method}/"
                found[key] = dataclasses.replace(
                    base,
                    name=f"{prefix}{s.id}{_variant(s)}",
                    stimuli=(s,),
                    placement=s.placement,
                    role="placebo",
                    of=(),
                )
            one = found[key]
            found[key] = dataclasses.replace(one, of=(*one.of, arm.name))
    return list(found.values())


def _variant(s: Stimulus) -> str:
    """What tells a placebo that is joined or placed unusually from the common one, by name."""
    if (s.joiner, s.placement) == NOTE:
        return "-note"
    place = "" if s.placement == "after_instruction" else f"-{s.placement}"
    known = {" ": "", ", ": "-comma"}
    other = hashlib.sha256(s.joiner.encode()).hexdigest()[:4]
    return known.get(s.joiner, f"-joined-{other}") + place


def _neutral_notes(arm: Arm) -> tuple[Stimulus, ...]:
    """A one-turn method's placebos: a paragraph of like length where its own words stand."""
    words = {
        "cot": wordings.STEP_BY_STEP,
        "emotional_cot": wordings.FEELING_FIRST,
        "planner": wordings.PLANNED,
        "knowledge": wordings.KNOWLEDGE,
    }.get(arm.method, "")
    given = arm.params.get("plan") or arm.params.get("knowledge") or ""
    if arm.method == "planner" and not given:
        given = "word " * PLAN_WORDS
    texts = [given] if isinstance(given, str) else [str(text) for text in given.values()]
    count = len(words.split()) + round(sum(len(t.split()) for t in texts) / max(len(texts), 1))
    return tuple(
        dataclasses.replace(s, joiner=NOTE[0], placement=NOTE[1]) for s in placebo_class(count)
    )


def _mean_words(stimuli: Sequence[Stimulus]) -> float:
    return sum(len(s.text.split()) for s in stimuli) / len(stimuli)


# --- Twins --------------------------------------------------------------------------------


def twin_arms(treatments: Sequence[Arm], kinds: Sequence[str], *, gated: bool = False) -> list[Arm]:
    """The arms that say a treatment's twins (`TWINS`) in its place; none for combinations."""
    arms = []
    for kind in kinds:
        for arm in treatments:
            for s in controls_of(arm.stimuli[0], kind) if len(arm.stimuli) == 1 else ():
                twin = dataclasses.replace(s, joiner=arm.stimuli[0].joiner)
                name = arm.name.replace(arm.stimuli[0].id, s.id)
                arms.append(
                    dataclasses.replace(
                        arm, name=name, stimuli=(twin,), role=kind, of=(arm.name,), gated=gated
                    )
                )
    return arms


# --- Whose control is whose ---------------------------------------------------------------


def controls_for(arm: Arm, arms: Sequence[Arm]) -> dict[str, tuple[str, ...]]:
    """Role -> names of the arms that a treatment is held against.

    Arms that name their treatments (``of``) are controls of these alone; a twin that names none
    belongs to the stimulus it is a twin of; every other control is of all treatments. Of several
    with one role the first of the treatment's own method counts, but for placebos, paraphrases and
    distractors, of which all do.
    """
    found: dict[str, tuple[str, ...]] = {}
    others = [a for a in arms if a.role != "treatment" and _is_of(a, arm)]
    for role in dict.fromkeys(a.role for a in others):
        mine = [a for a in others if a.role == role]
        mine = [a for a in mine if _names(a)] or mine  # the arm's own before common ones
        if role not in AVERAGED:
            mine = ([a for a in mine if a.method == arm.method] or mine)[:1]
        found[role] = tuple(a.name for a in mine)
    return found


def _names(control: Arm) -> tuple[str, ...]:
    """The treatments a control names; in folders of earlier versions its own name held them."""
    after = control.name.partition(" for ")[2]
    return control.of or ((after,) if after else ())


def _is_of(control: Arm, arm: Arm) -> bool:
    named = _names(control)
    if named:
        return arm.name in named
    if control.role in TWINS:
        said = {s.name for s in arm.stimuli}
        return any(s.of in said for s in control.stimuli)
    return True


# --- Loops --------------------------------------------------------------------------------


def matched_controls(arm: Arm, mode: Mode) -> list[Arm]:
    """The controls of a loop: `single`, `resample`, `reflect`, `neutral`, `neutral-varied`.

    They have the loop's first prompt, rounds, candidates, history, wording, temperatures and stop
    rule, and share round 0 with it. The cues of `neutral` and `neutral-varied` are for the caller
    to resolve. `resample` gets as many draws as the loop has calls at most; at equal tokens,
    replace ``draws`` by `draws_for_equal_tokens` before the run. It ends at the first right draw
    where the loop does.

    Returns:
        Nothing for a method that is no loop.
    """
    if "rounds" not in SPECS[arm.method].params:
        return []
    if arm.method == "dialogue":
        return _other_dynamics(arm)
    shared = {name: value for name, value in arm.params.items() if name in LOOP}
    suffix = "" if arm.name == arm.method else f" for {arm.name}"

    def control(method: str, **params: object) -> Arm:
        role = "none" if method == "single" else method
        return Arm(
            f"{method}{suffix}",
            method,
            stimuli=arm.stimuli,
            placement=arm.placement,
            params=params,
            role=role,
            of=(arm.name,) if suffix else (),
        )

    stop = "solved" if mode == "oracle" and shared.get("stop", "auto") != "never" else "never"
    controls = [
        control("single"),
        control("resample", draws=expected_calls(arm, mode)[1], stop=stop),
        *(control(method, **shared) for method in ("reflect", "neutral", "neutral-varied")),
    ]
    return [other for other in controls if other.method != arm.method]


def _other_dynamics(arm: Arm) -> list[Arm]:
    """The same script without a state, and with the dynamics of the other order."""
    mine = arm.params.get("dynamics", "second")
    names = {"none": "stateless", "first": "first-order", "second": "second-order"}
    return [
        dataclasses.replace(
            arm, name=name, params={**arm.params, "dynamics": dynamics}, role=role, of=()
        )
        for dynamics, name in names.items()
        if dynamics != mine
        for role in ("none" if dynamics == "none" else name,)
    ]


def one_turn_controls(arm: Arm, mode: Mode, level: str) -> list[Arm]:
    """The controls of a method that answers in one turn or by draws (`cot`, `planner`, `adaptive`).

    The plain prompt, the same again and, unless ``level`` is lean, its placebos (for `adaptive`
    as many draws with nothing to stop them, for `traces` its line with shuffled shares). A method
    that is its own plain prompt has none.
    """
    if arm.method in ("single", "resample"):
        return [] if arm.method == "single" else [Arm("single", role="none")]
    controls = [Arm("single", role="none"), Arm("again", params={"draw": 1}, role="again")]
    if level == "lean":
        return controls
    if arm.method == "adaptive":
        draws = expected_calls(arm, mode)[1]
        return [*controls, Arm("resample", "resample", params={"draws": draws}, role="resample")]
    if arm.method == "traces":
        params = {**arm.params, "shuffled": True}
        return [*controls, Arm("traces-shuffled", "traces", params=params, role="placebo")]
    return [*controls, *placebo_arms([arm])]
