"""The claim of a run: what it may say, fixed and hashed before its first call.

A claim is built from the plan's arms by their roles alone, so it cannot know any answer. Plan,
sentence, ``compare`` and the report use it and nothing else. Folders without a claim (older runs,
imports) get the one their arms imply, marked "not fixed beforehand".
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heartloop.errors import UsageError
from heartloop.methods import controls_for
from heartloop.run.layout import Manifest
from heartloop.types import Arm, Claim, ClaimKind, Contrast

LEVEL = 0.05
BIAS_METRIC = "preference bias B, then macro-F1 Q"
"""Of tasks whose answers are support strategies; see `heartloop.report.bias_claim`."""
MARGIN = 0.03
FEELING = ("heart",)
"""Methods whose cues carry feeling; the other loops are controls of one or another thing."""
DIALOGUE = "dialogue"
"""The method that answers turn by turn and is not told whether it was right: no loop, no gain."""
MOODS = {
    "none": "a mood told",
    "first-order": "second order against first",
    "second-order": "first order against second",
}
"""Role of a dialogue's control -> what the contrast asks; "above" or "below", and nothing more."""
MOOD_METRIC = "mood of the last answer"


def claim_of(
    arms: Sequence[Arm],
    metric: Mapping[str, str],
    *,
    margin: float = MARGIN,
    level: float = LEVEL,
    primary: str | None = None,
    confirms: str | None = None,
    fixed: bool = True,
    verifier: Mapping[str, str] | None = None,
) -> Claim:
    """The claim that a plan's arms imply.

    Args:
        arms: all arms; treatments are those of role ``treatment``.
        metric: task -> its primary metric.
        margin: half-width of equivalence, on the metric's scale of 0 to 1.
        level: family-wise error rate of each family.
        primary: the one arm that ``--stop-when decided`` watches.
        confirms: hash of the claim that this one takes over.
        fixed: False where it is rebuilt after the fact.
        verifier: own table -> the verifier chosen for it.

    Raises:
        UsageError: ``primary`` is no treatment.
    """
    treatments = [arm for arm in arms if arm.role == "treatment"]
    if primary is not None and primary not in [arm.name for arm in treatments]:
        known = ", ".join(arm.name for arm in treatments) or "none"
        raise UsageError(f"--primary {primary}: no such treatment; there are {known}")
    controls: dict[str, dict[str, tuple[str, ...]]] = {}
    names = ("arms", "loop", "works", "plain", "equivalence")
    families: dict[str, list[Contrast]] = {name: [] for name in names}
    for arm in treatments:
        mine = controls[arm.name] = controls_for(arm, arms)
        if arm.method == DIALOGUE:
            families["arms"] += [
                Contrast("arms", name, arm.name, mine[role])
                for role, name in MOODS.items()
                if role in mine
            ]
        elif is_loop(arm):
            families["loop"] += _loop_contrasts(arm, mine, arms)
        elif "none" in mine:
            plain = (arm.name, mine["none"])
            families["plain"].append(Contrast("plain", "plain prompt", *plain))
            families["equivalence"].append(Contrast("equivalence", "plain prompt", *plain))
            if "placebo" in mine:
                families["works"] += [
                    Contrast("works", "plain prompt", *plain),
                    Contrast("works", "placebo", arm.name, mine["placebo"]),
                ]
    contrasts = [contrast for family in families.values() for contrast in family]
    kind: ClaimKind = "loop" if any(map(is_loop, treatments)) else "stimuli"
    named = tuple(arm.name for arm in treatments)
    if treatments and all(arm.method == DIALOGUE for arm in treatments):
        kind = "arms"
    if not treatments:
        kind, contrasts = "arms", _between(arms)
        named = tuple(dict.fromkeys(c.arm for c in contrasts))
    claim = Claim(
        kind=kind,
        treatments=named,
        controls=controls,
        metric=dict(metric),
        margin=margin,
        level=level,
        contrasts=tuple(contrasts),
        primary=primary,
        confirms=confirms,
        fixed=fixed,
        verifier=dict(verifier or {}),
    )
    return dataclasses.replace(claim, sha256=_hash(claim))


def _between(arms: Sequence[Arm]) -> list[Contrast]:
    """Arms without any treatment among them: each against the first, "above" or "below"."""
    if len(arms) < 2 or all(arm.role in ("none", "again") for arm in arms):
        return []
    first = arms[0].name
    return [Contrast("arms", "as named", arm.name, (first,)) for arm in arms[1:]]


def is_loop(arm: Arm) -> bool:
    """Whether an arm's method answers again after feedback."""
    from heartloop.methods import SPECS

    spec = SPECS.get(arm.method)
    return spec is not None and "rounds" in spec.params


def _loop_contrasts(
    arm: Arm, mine: Mapping[str, tuple[str, ...]], arms: Sequence[Arm]
) -> list[Contrast]:
    """Feeling, reflection, the loop: in this order, as far as their arms are there."""
    found = []
    if arm.method in FEELING:
        neutral = mine.get("neutral-varied") or mine.get("neutral")
        if neutral:
            found.append(Contrast("loop", "feeling", arm.name, neutral))
        if "reflect" in mine and "neutral" in mine:
            found.append(Contrast("loop", "reflection", mine["reflect"][0], mine["neutral"]))
    elif arm.method == "reflect" and "neutral" in mine:
        found.append(Contrast("loop", "reflection", arm.name, mine["neutral"]))
    if "resample" in mine:
        found.append(Contrast("loop", "the loop", arm.name, mine["resample"]))
    if not found and "none" in mine:
        found.append(Contrast("loop", "the loop", arm.name, mine["none"]))
    return found


def planned_claim(prepared: Any) -> Claim:
    """The claim of a run that is about to begin (`heartloop.run.execute.Prepared`).

    Raises:
        UsageError: it would differ from the claim that it is to confirm (``claim_from``).
    """
    plan = prepared.plan
    earlier = claim_from(Path(plan.claim_from)) if plan.claim_from else None
    claim = claim_of(
        plan.arms,
        {
            task.card.name: metric_of(task.grader.verifier.name, task.card.metric)
            for task in prepared.tasks
        },
        margin=plan.margin,
        primary=plan.primary,
        confirms=earlier.sha256 if earlier else None,
        verifier={
            task.card.name: task.grader.verifier.name for task in prepared.tasks if task.card.chosen
        },
    )
    if earlier:
        check_same(earlier, claim, plan.claim_from)
    return claim


# --- In the manifest ----------------------------------------------------------------------


def claim_dict(claim: Claim) -> dict[str, Any]:
    """A claim as plain data, for the manifest."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(claim)))
    return plain


def _hash(claim: Claim) -> str:
    """Over everything but ``fixed`` and the hash itself; the order of names does not matter.

    Fields that came later and are empty are left out, so that older blocks keep their hash.
    """
    plain = claim_dict(claim)
    if not plain["verifier"]:
        plain.pop("verifier")
    plain.pop("fixed")
    plain.pop("sha256")
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_claim(manifest: Manifest) -> Claim:
    """The claim of a run, or the one that the arms of a folder without a claim imply.

    Raises:
        UsageError: the block does not match its hash: it was changed after the run began.
    """
    block = manifest.get("claim")
    if block is None:
        from heartloop.run.plan import arm_from_dict

        arms = [arm_from_dict(a, "manifest") for a in manifest["plan"]["arms"]]
        margin = manifest["plan"].get("margin") or MARGIN
        return claim_of(arms, metrics_of(manifest["tasks"]), margin=margin, fixed=False)
    claim = Claim(
        **{
            **block,
            "treatments": tuple(block["treatments"]),
            "controls": {
                arm: {role: tuple(names) for role, names in roles.items()}
                for arm, roles in block["controls"].items()
            },
            "contrasts": tuple(
                Contrast(**{**c, "controls": tuple(c["controls"])}) for c in block["contrasts"]
            ),
        }
    )
    if _hash(claim) != claim.sha256:
        raise UsageError(
            f"{manifest['run']}/manifest.json: claim: the block does not match its sha256, so it "
            "was changed after the run began; put it back"
        )
    return claim


def metrics_of(tasks: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Task -> primary metric, from the facts of the manifest."""
    return {t["task"]: metric_of(t.get("verifier"), t.get("metric")) for t in tasks}


def metric_of(verifier: Any, metric: str | None) -> str:
    """The one primary metric of a task."""
    return {"esconv": BIAS_METRIC, "mood": MOOD_METRIC}.get(str(verifier), metric or "accuracy")


# --- Confirmation -------------------------------------------------------------------------


def claim_from(folder: Path) -> Claim:
    """The claim of an earlier run, to be taken over as it is.

    Raises:
        UsageError: no run, or a claim that was changed.
    """
    from heartloop.run.folder import RunFolder

    return read_claim(RunFolder(folder).manifest)


SAME = ("kind", "treatments", "controls", "metric", "margin", "level", "contrasts")
"""What two runs of one claim have in common; they may ask other questions of other models."""


def same_claim(one: Claim, other: Claim) -> bool:
    """Whether two runs claim the same, whatever their models, questions and dates."""
    return all(getattr(one, field) == getattr(other, field) for field in SAME)


def check_same(earlier: Claim, now: Claim, name: str) -> None:
    """Refuse a confirmation that would ask something else than the claim it takes over.

    Raises:
        UsageError: names what differs.
    """
    for field in SAME:
        if getattr(earlier, field) != getattr(now, field):
            raise UsageError(
                f"--claim-from {name}: {field} would differ from the claim that is to be "
                "confirmed; a confirmation changes nothing but the questions"
            )


def asked_questions(folder: Path) -> dict[str, set[str]]:
    """Task -> ids of the questions that a run has asked, from its journal.

    Raises:
        UsageError: the folder is no run.
    """
    from heartloop.calls import journal_records
    from heartloop.run.folder import RunFolder

    tasks = RunFolder(folder).manifest["tasks"]
    found: dict[str, set[str]] = {task["task"]: set() for task in tasks}
    for record in journal_records(folder):
        address = record["address"]
        found.setdefault(address["task"], set()).add(address["question"])
    return found
