"""A GGUF file as a Hugging Face folder, so that transformers and vLLM can both serve it.

Also a script of its own (``python gguf.py FILE.gguf FOLDER``): the interpreter that has vLLM need
not have heartloop. Needs torch, transformers, accelerate, gguf and safetensors.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

READY = "model.safetensors"


def unpack(source: Path, folder: Path) -> None:
    """Write weights, configuration and tokenizer of a GGUF file into a folder.

    Quantised weights are unpacked to half precision, which holds every value of 4 to 8 bits and
    its scale. The folder appears whole or not at all.

    Args:
        source: any GGUF file that transformers can read.
        folder: where it goes; made.

    Raises:
        ImportError: a package is missing.
        OSError, ValueError: the file is none that transformers can read.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    place: dict[str, Any] = {"gguf_file": source.name}
    tokenizer: Any = AutoTokenizer.from_pretrained(str(source.parent), **place)
    config: Any = AutoConfig.from_pretrained(str(source.parent), **place)
    model: Any = AutoModelForCausalLM.from_pretrained(str(source.parent), **place)
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    beside.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(beside)
    facts = config.to_dict()
    facts.pop("quantization_config", None)
    facts.update(architectures=[type(model).__name__], dtype="float16")
    facts.pop("torch_dtype", None)
    weights = {}
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    state = model.state_dict()
    same = "lm_head.weight" in state and (
        state["lm_head.weight"].data_ptr() == model.get_input_embeddings().weight.data_ptr()
    )
    facts["tie_word_embeddings"] = bool(same)
    for name, tensor in state.items():
        if not (same and name in (tied or {"lm_head.weight"})):
            weights[name] = tensor.to(torch.float16).contiguous().clone()
    save_file(weights, str(beside / READY), metadata={"format": "pt"})
    (beside / "config.json").write_text(json.dumps(facts, indent=1, default=str), encoding="utf-8")
    model.generation_config.save_pretrained(beside)
    beside.rename(folder)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose `http` is not Python's own
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
