"""`PlainAdapter`: a signature as plain text, for models that do not follow DSPy's field markers."""

from __future__ import annotations

from typing import Any

import dspy


class PlainAdapter(dspy.ChatAdapter):  # type: ignore[misc]
    """Instructions, inputs and nothing else; the whole answer is the one output field.

    Small models (``pocket``) and recorded or simulated servers answer in their own words. For
    signatures with a single output field; stimuli in instructions reach the model as usual.
    """

    def format(
        self, signature: Any, demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Demonstrations as earlier turns, then instructions and inputs as one user message."""
        (output,) = signature.output_fields
        messages = []
        for demo in demos:
            asked = _said(signature, demo)
            if asked and demo.get(output) is not None:
                messages.append({"role": "user", "content": asked})
                messages.append({"role": "assistant", "content": str(demo[output])})
        parts = [signature.instructions, _said(signature, inputs)]
        content = "\n\n".join(part for part in parts if part)
        return [*messages, {"role": "user", "content": content}]

    def parse(self, signature: Any, completion: str) -> dict[str, Any]:
        """The text as it is; an empty one is refused by DSPy before it comes here."""
        (output,) = signature.output_fields
        return {output: completion.strip()}


def _said(signature: Any, values: dict[str, Any]) -> str:
    """The inputs' values; with their names where there are several."""
    names = [name for name in signature.input_fields if name in values]
    if len(names) == 1:
        return str(values[names[0]])
    return "\n\n".join(f"{name}: {values[name]}" for name in names)
