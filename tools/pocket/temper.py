"""Flattens a checkpoint's next-token distributions by a constant factor, in place.

    python tools/pocket/temper.py FOLDER 0.75

The last norm's weights are multiplied, which divides the temperature of every draw: greedy answers
stay as they are, and T = 0.7 lands where single answers fail often enough for loops to matter.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def temper(folder: Path, factor: float) -> None:
    """Multiplies the weights of the last norm."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    norm = tensors["model.norm.weight"]
    tensors["model.norm.weight"] = (norm.float() * factor).to(torch.bfloat16)
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)


if __name__ == "__main__":
    temper(Path(sys.argv[1]), float(sys.argv[2]))
