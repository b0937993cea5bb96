"""In which order a search asks its questions, and the identity of a search."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from heartloop.optimize.results import (
    RaceOptions,
)


def question_order(groups: Sequence[str], seed: int) -> list[int]:
    """A seeded random order in which every prefix holds the groups in proportion.

    Args:
        groups: the group (task) of each question; its length is the number of questions.
        seed: of the shuffle.
    """
    rng = np.random.default_rng(seed)
    place = np.empty(len(groups))
    labels = np.asarray(groups)
    for label in dict.fromkeys(groups):
        members = np.flatnonzero(labels == label)
        place[rng.permutation(members)] = (np.arange(len(members)) + rng.random()) / len(members)
    return [int(index) for index in np.argsort(place, kind="stable")]


def asking_order(groups: Sequence[str], seed: int, search: int | None) -> list[int]:
    """The order of a race: held-out questions are its end, those beyond ``search`` the last."""
    split = len(groups) if search is None else search
    late = [split + q for q in question_order(groups[split:], seed)]
    return [*question_order(groups[:split], seed), *late]


def fingerprint(arms: Sequence[str], groups: Sequence[str], options: RaceOptions) -> str:
    """Identity of a search: arms, questions and what its order of asking depends on."""
    text = json.dumps([list(arms), list(groups), options.seed, options.strategy])
    return hashlib.sha256(text.encode()).hexdigest()
