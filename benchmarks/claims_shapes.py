"""Verdict tables of awkward shapes without any effect, for `claims.py`: nothing should be said."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from heartloop.analysis.contrasts import Sample, sample

ARMS = 9  # none, two placebos, six treatments
SIZES = (6, 8, 10, 15, 30, 60, 120, 200)


def _arms(rng: np.random.Generator, chance: np.ndarray) -> np.ndarray:
    """Answers of all arms by their chances, (arms, n); half of the luck is shared by question."""
    n = chance.shape[-1]
    luck = np.where(rng.random(n) < 0.5, rng.random(n), rng.random((ARMS, n)))
    return (luck < chance).astype(float)


def floor(rng: np.random.Generator) -> Sample:
    return sample(_arms(rng, np.full(200, 0.05)))


def talks(rng: np.random.Generator) -> Sample:
    sizes = rng.integers(1, 41, 25)
    talk = np.repeat(np.arange(25), sizes)
    mood = rng.normal(0, 0.15, (ARMS, 25))[:, talk]  # an arm's own luck in a conversation
    return sample(_arms(rng, 0.5 + mood), clusters=talk)


def uneven(rng: np.random.Generator) -> Sample:
    chance = np.repeat(np.linspace(0.1, 0.9, len(SIZES)), SIZES)
    return sample(_arms(rng, chance), tasks=np.repeat(np.arange(len(SIZES)), SIZES))


def tiny(rng: np.random.Generator) -> Sample:
    chance = np.repeat(np.linspace(0.05, 0.95, 24), 8)
    return sample(_arms(rng, chance), tasks=np.repeat(np.arange(24), 8))


SHAPES: dict[str, Callable[[np.random.Generator], Sample]] = {
    "5 % right, 200 questions": floor,
    "25 conversations of 1 to 40 turns, luck by conversation": talks,
    "8 tasks of 6 to 200 questions": uneven,
    "24 tasks of 8 questions": tiny,
}
