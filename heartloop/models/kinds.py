"""The kinds of models: the one list that the maker, prices, estimates, doctor and help read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """What can stand after ``--model``.

    Attributes:
        name: what stands before the slash.
        module, attribute: where its model is, imported when it is first asked for.
        after: what stands after the slash, for people; empty where nothing does.
        line: one line for people.
        free: its answers cost nothing unless the user's price list says otherwise.
        gpus: it takes the GPUs of the machine for itself.
        needs: packages that it needs beside the core.
        missing: what to do where they are not there.
    """

    name: str
    module: str
    attribute: str
    after: str
    line: str
    free: bool = True
    gpus: bool = False
    needs: tuple[str, ...] = ()
    missing: str = ""

    @property
    def spec(self) -> str:
        """How it is written."""
        return f"{self.name}/{self.after}" if self.after else self.name


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            "pocket", "pocket", "PocketModel", "",
            "the small model inside heartloop: runs anywhere, no substitute for a real LLM",
        ),
        Kind(
            "server", "http", "HttpModel", "NAME",
            "any OpenAI-compatible server, with --base-url",
        ),
        Kind(
            "vllm", "vllm", "VllmModel", "PATH-OR-ID",
            "vLLM that heartloop starts and stops, one server a GPU", gpus=True,
            needs=("vllm",),
            missing="pip install 'heartloop[vllm]' (GPU), or a server of your own: server/NAME",
        ),
        Kind(
            "hf", "hf", "HFModel", "PATH-OR-ID",
            "transformers in this process (heartloop[hf]); a .gguf file, too", gpus=True,
            needs=("transformers", "torch"),
            missing="pip install 'heartloop[hf]' for models in this process",
        ),
        Kind("replay", "replay", "ReplayModel", "FILE.jsonl", "recorded outputs"),
    )
}  # fmt: skip
"""By name. Any other name is one of an installed package (entry points ``heartloop.models``), else
litellm's, and costs money."""


SPECS = ", ".join(kind.spec for kind in KINDS.values())
"""How all of them are written, for the help."""


def kind_of(spec: str) -> Kind | None:
    """The kind of a model by its full name; None for those of packages and of litellm."""
    return KINDS.get(spec.partition("/")[0])
