"""The mood of a text: every example of the card is a test, and so are the fixed cue texts."""

from __future__ import annotations

import pytest

from heartloop.cards import load_stimuli
from heartloop.style.affect import lexicon, vad

SIGN = {
    "+": lambda x: x > 0.05,
    "-": lambda x: x < -0.05,
    "0": lambda x: x == 0,
    ".": lambda x: True,
}


@pytest.mark.parametrize(("text", "expected"), lexicon().examples)
def test_examples_of_the_card(text: str, expected: str) -> None:
    mood = vad(text)
    point = (mood.valence, mood.arousal, mood.dominance)
    assert all(SIGN[sign](value) for sign, value in zip(expected, point, strict=True)), mood


def test_points_are_in_range_and_a_word_has_one_place() -> None:
    known = lexicon()
    assert all(-1 <= value <= 1 for point in known.words.values() for value in point)
    stems = [stem for stem, _ in known.stems]
    assert len(stems) == len(set(stems))
    assert len(known.words) + len(stems) > 400


def test_the_cues_of_the_loop_lie_on_their_side() -> None:
    cues = load_stimuli("heart").stimuli
    for cue in cues:
        mood = vad(cue.text)
        if mood.felt:
            assert (mood.valence > 0) == (cue.valence == "encouraging"), (cue.id, mood)
    assert sum(vad(cue.text).felt > 0 for cue in cues) >= 0.8 * len(cues)


def test_degree_and_negation() -> None:
    plain, more, less = (vad(f"I am {degree}sad.").valence for degree in ("", "very ", "slightly "))
    assert more < plain < less < 0
    assert 0 < vad("I am not sad.").valence < -plain
    assert vad("I can't go. Sad.").valence == plain  # a negation does not reach over a stop


def test_other_languages_are_unsupported_and_numbers_say_nothing() -> None:
    german = vad("Ich bin sehr froh, dass die Sonne scheint und das Wetter nicht so schlecht ist.")
    assert not german.supported and german.valence == 0
    assert not vad("我很高兴你来了，今天是个好日子").supported
    assert vad("42").supported and vad("42").words == 0
