"""The chosen words for other programs: a serve.yaml, a promptfoo config, a DSPy program."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from heartloop.methods.prompt import phrase
from heartloop.types import Arm, Question

SERVED = "http://127.0.0.1:8321/v1"


def write_exports(
    folder: Path, name: str, arm: Arm, model: str, question: Question, base_url: str | None
) -> dict[str, str]:
    """Write what other programs read; for arms of one turn with words.

    Args:
        folder: made if it is not there.
        name: of the served model.
        arm: the chosen one.
        model: as after ``--model``.
        question: one of the task's: the parts of its prompt that all questions share are exported.
        base_url: of a ``server/`` model.

    Returns:
        Kind of program to the file's path; empty for arms without words or with several turns.
    """
    if not arm.stimuli or arm.method != "single":
        return {}
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    head = "# Written by heartloop optimize.\n"
    own: dict[str, Any] = {
        "model": model,
        "stimuli": phrase(arm.stimuli),
        "placement": arm.placement,
    }
    for part in ("instruction", "answer_format", "system"):
        if getattr(question, part):
            own[part] = getattr(question, part)
    if question.separator != "\n\n":
        own["separator"] = question.separator
    served = {"models": {name: own}}
    started = f"# heartloop serve --names {folder / 'serve.yaml'}"
    if base_url and model.startswith("server/"):
        started += f" --base-url {base_url}"
    found = {"serve": head + started + "\n" + _yaml(yaml, served)}
    provider = {
        "id": f"openai:chat:{name}",
        "label": f"{model} with {arm.name}",
        "config": {"apiBaseUrl": SERVED, "apiKey": "none"},
    }
    promptfoo = {"providers": [provider], "prompts": ["{{question}}"]}
    found["promptfoo"] = f"{head}{started}\n{_yaml(yaml, promptfoo)}"
    # A signature has no place behind the input.
    place = "after_instruction" if arm.placement == "after_input" else arm.placement
    found["dspy"] = PROGRAM.format(
        words=json.dumps(phrase(arm.stimuli), ensure_ascii=False),
        placement=json.dumps(place),
        name=name,
    )
    files = {"serve": "serve.yaml", "promptfoo": "promptfoo.yaml", "dspy": "dspy_program.py"}
    for kind, text in found.items():
        (folder / files[kind]).write_text(text, encoding="utf-8")
    return {kind: str(folder / files[kind]) for kind in found}


def _yaml(yaml: Any, value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000)
    return text


PROGRAM = '''"""A DSPy program with the chosen words, written by heartloop optimize ({name})."""

import dspy

from heartloop.integrations.dspy import with_stimulus

WORDS = {words}

program = with_stimulus(dspy.Predict("question -> answer"), WORDS, placement={placement})
'''
