"""How evaluation items are cut from support conversations: stages, sets, sampling, labels.

Kang et al. 2024 (arXiv 2402.13211) did not publish their evaluation sets. This is a procedure of
heartloop's own that keeps to what the paper says of them; every choice it leaves open is made here,
by a rule that is written down, and drawn by SHA-256 from a seed, so that the same conversations
give the same sets everywhere. Bump ``PROCEDURE`` when a rule changes.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from heartloop.analysis.preference import LABELS, STAGES

PROCEDURE = 1
OTHERS = LABELS[7]
WINDOW = 4
"""Supporter turns that decide the stage: the label turn and the three before it."""
SPARE = 10
"""Every tenth conversation is kept for demonstrations and is in no set."""
ALIASES: dict[str, str] = {
    "questions": LABELS[0],
    "asking questions": LABELS[0],
    "restatement": LABELS[1],
    "paraphrasing": LABELS[1],
    "restatement and paraphrasing": LABELS[1],
    "restatement paraphrasing": LABELS[1],
    "reflection": LABELS[2],
    "reflection of feeling": LABELS[2],
    "reflections of feelings": LABELS[2],
    "self disclosures": LABELS[3],
    "affirmation": LABELS[4],
    "reassurance": LABELS[4],
    "affirmation or reassurance": LABELS[4],
    "suggestion": LABELS[5],
    "suggestions": LABELS[5],
    "providing suggestion": LABELS[5],
    "provide suggestions": LABELS[5],
    "providing information": LABELS[6],
    "other": LABELS[7],
}
"""Spellings of releases and of models, folded (lower case, words only) → label."""
_FOLDED = {**ALIASES, **{re.sub(r"[^\w]+", " ", label.lower()): label for label in LABELS}}


def normal_label(text: str) -> str | None:
    """The label that a spelling means (``[Questions]``, ``Other``), or None."""
    return _FOLDED.get(re.sub(r"[^\w]+", " ", text.lower()).strip())


@dataclass(frozen=True, slots=True)
class Post:
    """One message of a conversation; ``strategy`` is None for the seeker."""

    seeker: bool
    text: str
    strategy: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation and its survey.

    Attributes:
        id: ``valid-017``; emotion, problem, situation: the seeker's survey.
        posts: in order; a turn is one post, as the data set has them.
    """

    id: str
    emotion: str
    problem: str
    situation: str
    posts: tuple[Post, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """A supporter turn to be predicted: place of the post, its stage, where its context begins."""

    conversation: Conversation
    place: int
    start: int
    stage: str

    @property
    def label(self) -> str:
        """The gold strategy."""
        label = self.conversation.posts[self.place].strategy
        assert label is not None
        return label

    @property
    def id(self) -> str:
        """``valid-017-12``: conversation and 0-based place of the label turn."""
        return f"{self.conversation.id}-{self.place}"


def stage_of(strategies: Sequence[str], share: float) -> str:
    """The stage of a label turn.

    Each strategy of the window votes once for every stage it belongs to (``STAGES``), Others for
    none; the stage with the most votes wins. Ties go to the tied stages of the label turn's own
    strategy, then of the turn before it, and so on back; what is tied still goes by the place in
    the conversation: the tied stage nearest to its third.

    Args:
        strategies: of the window, the label turn's last.
        share: how much of the conversation's supporter turns lie before the label turn, in [0, 1).
    """
    names = list(STAGES)
    recent = [
        {stage for stage in names if strategy in STAGES[stage]} for strategy in reversed(strategies)
    ]
    votes = Counter(stage for stages in recent for stage in stages)
    most = max(votes.values(), default=0)
    left = [stage for stage in names if votes[stage] == most]
    for stages in recent:
        if len(left) > 1:
            left = [stage for stage in left if stage in stages] or left
    third = min(2, int(3 * share))
    return min(left, key=lambda stage: abs(names.index(stage) - third))


def slices(
    conversation: Conversation, least: int, most: int, after_seeker: bool = True
) -> list[Slice]:
    """Every supporter turn that can be asked for, with its context and its stage.

    Args:
        conversation: one conversation.
        least: turns that a context has at least; earlier label turns are left out.
        most: turns that it has at most: the last ones before the label turn.
        after_seeker: only turns that answer a seeker's post (else also those that go on from the
            supporter's own).
    """
    posts = conversation.posts
    places = [i for i, post in enumerate(posts) if not post.seeker]
    strategies = [str(posts[i].strategy) for i in places]
    found = []
    for n, place in enumerate(places):
        if place < least or (after_seeker and not posts[place - 1].seeker):
            continue
        window = strategies[max(0, n - WINDOW + 1) : n + 1]
        stage = stage_of(window, n / len(places))
        found.append(Slice(conversation, place, max(0, place - most), stage))
    return found


@dataclass(frozen=True, slots=True)
class Built:
    """The three sets, in data order, and the slices of the spare conversations."""

    sets: Mapping[str, list[Slice]]
    spare: list[Slice]
    dropped: Mapping[str, int]


def build(
    conversations: Iterable[Conversation],
    *,
    seed: int = 0,
    context: tuple[int, int] = (5, 15),
    others: float = 0.05,
    after_seeker: bool = True,
) -> Built:
    """The three stage sets, disjoint by conversation.

    In an order drawn by the seed, every tenth conversation is spare and each other one goes to
    the set that holds the fewest turns so far, among those whose stage occurs in it; the set takes
    its turns of that stage. Then turns labelled Others are dropped, in an order drawn by the seed,
    until at most the share ``others`` of a set is left of them.
    """
    cut = {c.id: slices(c, *context, after_seeker) for c in conversations}
    place = {name: i for i, name in enumerate(cut)}
    sets: dict[str, list[Slice]] = {stage: [] for stage in STAGES}
    spare: list[Slice] = []
    for number, name in enumerate(sorted(cut, key=lambda c: _draw(seed, "conversation", c))):
        stages = {item.stage for item in cut[name]}
        if number % SPARE == 0:
            spare += cut[name]
        elif stages:
            stage = min((s for s in STAGES if s in stages), key=lambda s: len(sets[s]))
            sets[stage] += [item for item in cut[name] if item.stage == stage]
    dropped = {}
    for stage, items in sets.items():
        rest = sum(item.label != OTHERS for item in items)
        keep = int(rest * others / (1 - others))
        drawn = sorted(
            (item for item in items if item.label == OTHERS),
            key=lambda item: _draw(seed, "others", item.id),
        )
        out = {item.id for item in drawn[keep:]}
        dropped[stage] = len(out)
        sets[stage] = sorted(
            (item for item in items if item.id not in out),
            key=lambda item: (place[item.conversation.id], item.place),
        )
    spare.sort(key=lambda item: (place[item.conversation.id], item.place))
    return Built(sets, spare, dropped)


def set_hash(items: Iterable[Slice]) -> str:
    """Identity of a built set: SHA-256 over ids, labels and contexts, in order."""
    digest = hashlib.sha256(f"esconv procedure {PROCEDURE}\n".encode())
    for item in items:
        shown = item.conversation.posts[item.start : item.place]
        texts = "\x1f".join(f"{post.seeker}\x1e{post.text}\x1e{post.strategy}" for post in shown)
        digest.update(f"{item.id}\0{item.label}\0{texts}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _draw(seed: int, what: str, name: str) -> bytes:
    return hashlib.sha256(f"esconv\0{seed}\0{what}\0{name}".encode()).digest()
