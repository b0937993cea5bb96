"""The card of a chosen stimulus: what a search found, where `heartloop run` finds it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heartloop.errors import UsageError
from heartloop.methods.prompt import phrase
from heartloop.types import Arm


def write_card(folder: Path, name: str, arm: Arm, result: Mapping[str, Any], where: str) -> Path:
    """Write the chosen arm's words as a stimulus card.

    Args:
        folder: the workspace's ``stimuli`` folder; made if it is not there.
        name: of the card and its file.
        arm: with at least one stimulus; several are joined into one text, as they were asked.
        result: of the search, as `RaceResult.to_dict` has it.
        where: what the search ran on, in words.

    Returns:
        The file.

    Raises:
        UsageError: the file exists and another search wrote it, or it cannot be written.
    """
    import yaml

    held, first = result["held_out"], arm.stimuli[0]
    notes = (
        f"Found by heartloop optimize on {where}: {_points(held['difference'])} against no "
        f"stimulus on {held['questions']} held-out questions ({_points(held['low'])} to "
        f"{_points(held['high'])} at {100 * (1 - held['error']):.0f} %, one-sided p = "
        f"{held['p_value']:.2g}: the test asks only for a gain, the interval looks both "
        f"ways), out of {len(result['ranking'])} arms. It holds for that model "
        "and task; test it again elsewhere."
    )
    stimulus: dict[str, Any] = {
        "id": "CHOSEN",
        "text": phrase(arm.stimuli),
        "valence": first.valence,
        "demand": first.demand,
        "joiner": first.joiner,
        "placement": arm.placement,
        "kind": "stimulus" if arm.role == "treatment" else first.kind,
        "source": "; ".join(f"{s.name} ({s.source})" if s.source else s.name for s in arm.stimuli),
    }
    if first.emotion:
        stimulus["emotion"] = first.emotion
    card = {"name": name, "title": f"Chosen: {arm.name}", "notes": notes, "stimuli": [stimulus]}
    path = folder / f"{name}.yaml"
    text = "# Written by heartloop optimize.\n" + yaml.safe_dump(
        card, sort_keys=False, allow_unicode=True, width=100
    )
    try:
        if path.exists() and not path.read_text(encoding="utf-8").startswith("# Written by heart"):
            raise UsageError(f"{path}: exists and was not written by a search; move it away")
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; the search itself is kept") from error
    return path


def _points(value: float) -> str:
    return f"{100 * value:+.1f} points"
