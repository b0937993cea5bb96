"""Valence-arousal-dominance dynamics of the `state` schedule, and its two tables.

After Subaharan 2026 (arXiv 2601.16087), whose equations are not published; these are natural
forms with the gain as a parameter. A point is (valence, arousal, dominance), each in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Point = tuple[float, float, float]

REST: Point = (0.0, 0.0, 0.0)

EMOTION_POINTS: Mapping[str, Point] = {
    "anger": (-0.51, 0.59, 0.25),
    "disgust": (-0.60, 0.35, 0.11),
    "fear": (-0.64, 0.60, -0.43),
    "happiness": (0.81, 0.51, 0.46),
    "sadness": (-0.63, -0.27, -0.33),
    "surprise": (0.40, 0.67, -0.13),
}
"""Mean ratings of the words angry, disgusted, fearful, happy, sad and surprised in Russell and
Mehrabian (1977), Evidence for a three-factor theory of emotions."""

ATTEMPT_POINTS: Mapping[str, Point] = {
    "wrong": (-0.60, 0.20, -0.30),
    "unparsed": (-0.70, 0.50, -0.50),
    "unchanged": (-0.50, -0.30, -0.20),
    "moved": (-0.30, 0.10, -0.10),
    "changed": REST,
    "first": REST,
}
"""Where an attempt is put: our own choice, a documented parameter (`tables`). A wrong, unparsed
or unchanged answer is negative, one that is wrong but another than before (``moved``) less so, a
changed one neutral, and so is a first one of which nothing is known."""

CONTEXT: Mapping[str, str] = {
    "wrong": "critical",
    "unparsed": "encouraging",
    "unchanged": "critical",
    "moved": "encouraging",
    "changed": "encouraging",
    "first": "critical",
}
"""`contextual`: the side that answers an attempt. Encourage where the model has lost the thread or
has just moved, push where it stands still or is known to be wrong."""


LOW = -0.15
"""Valence of a text from which on `contextual` takes it for low, and encourages."""

_WORDS = (
    ("low", "even", "good"),
    ("calm", "awake", "tense"),
    ("unsure", "steady", "confident"),
)
"""Valence, arousal and dominance under, near and over rest, as a person says it."""


_TRAITS = (
    (0.0, 0.0, 0.21, 0.59, 0.19),
    (0.15, 0.0, 0.0, 0.30, -0.57),
    (0.25, 0.17, 0.60, -0.32, 0.0),
)
"""Rows: valence (pleasure), arousal, dominance; columns: openness, conscientiousness, extraversion,
agreeableness, emotional stability. Mehrabian 1996, as secondary sources print it; the last column
is stability (the sign of neuroticism would be the opposite)."""


def temperament(traits: Sequence[float]) -> Point:
    """The constant offset that a personality gives to what is heard.

    Args:
        traits: openness, conscientiousness, extraversion, agreeableness and emotional stability,
            each in [-1, 1]; none at all is no offset.
    """
    if not traits:
        return REST
    p, a, d = (sum(w * t for w, t in zip(row, traits, strict=True)) for row in _TRAITS)
    return p, a, d


def heard(*texts: str) -> Point:
    """The mood of what was said: the mean point of the texts (`heartloop.style.affect`).

    The estimator has no memory; a text without a word of feeling, or in a language that it does
    not read, is at rest.
    """
    from heartloop.style.affect import vad

    moods = [vad(text) for text in texts]
    if not moods:
        return REST
    return (
        sum(m.valence for m in moods) / len(moods),
        sum(m.arousal for m in moods) / len(moods),
        sum(m.dominance for m in moods) / len(moods),
    )


def moved_by(point: Point, mood: Point) -> Point:
    """A point shifted by another (an attempt's by the mood of its words); clipped to [-1, 1]."""
    return _each(lambda p, m: min(1.0, max(-1.0, p + m)), point, mood)


def in_words(state: Point) -> str:
    """A state as a person says it: ``low, very tense and unsure``."""
    told = []
    for value, (under, middle, over) in zip(state, _WORDS, strict=True):
        word = under if value < LOW else over if value > -LOW else middle
        told.append(f"very {word}" if abs(value) > 0.5 else word)
    return f"{told[0]}, {told[1]} and {told[2]}"


def step(
    state: Point,
    speed: Point,
    signal: Point,
    *,
    order: int = 1,
    alpha: float = 0.5,
    mu: float = 0.6,
    gain: float = 0.5,
) -> tuple[Point, Point]:
    """One step of the dynamics.

    First order: ``s_t = (1 − α) s_{t−1} + α a_t``. Second order:
    ``v_t = μ v_{t−1} + g (a_t − s_{t−1})``, ``s_t = clip(s_{t−1} + v_t, −1, 1)``.

    Args:
        state: s_{t−1}.
        speed: v_{t−1}; the first order leaves it alone.
        signal: a_t, the point of the last attempt.
        order: 1 or 2.
        alpha: α above.
        mu: μ above; 0.95 and more is reported not to recover.
        gain: g above.

    Returns:
        s_t and v_t.
    """
    if order == 1:
        return _each(lambda s, a: (1 - alpha) * s + alpha * a, state, signal), speed
    pull = _each(lambda s, a: gain * (a - s), state, signal)
    speed = _each(lambda v, p: mu * v + p, speed, pull)
    return _each(lambda s, v: min(1.0, max(-1.0, s + v)), state, speed), speed


def answering(state: Point, emotions: Mapping[str, Point]) -> str:
    """The emotion nearest to −s (Euclidean; ties go to the first name in the alphabet)."""
    return min(
        sorted(emotions),
        key=lambda name: sum((s + e) ** 2 for s, e in zip(state, emotions[name], strict=True)),
    )


def _each(rule: Callable[[float, float], float], first: Point, second: Point) -> Point:
    one, two, three = (rule(a, b) for a, b in zip(first, second, strict=True))
    return one, two, three
