import pytest
from hypothesis import given
from hypothesis import strategies as st

from heartloop.cards.wording import affect_words, demands, length_gap, shuffled, verdicts, words


@pytest.mark.parametrize(
    "text",
    [
        "Try again.",
        "You should think harder.",
        "Please go on.",
        "Let's see.",
        "I am sad, so check every step.",
        "I am proud of you; now do better.",
        "Don't give up!",
        "Could you look once more?",
        "You need to be careful.",
        "It might be worth taking another look.",
        "You'd better be sure.",
        "Never stop.",
        "Just breathe.",
        "Have another go.",
        "I want you to win.",
    ],
)
def test_what_asks_for_something_is_noticed(text: str) -> None:
    assert demands(text)


@pytest.mark.parametrize(
    "text",
    [
        "My hands are shaking, and there is a knot in my stomach.",
        "I have had enough of this.",
        "The page has a header.",
        "What a joy it is to share this moment with you.",
    ],
)
def test_what_only_states_is_left_alone(text: str) -> None:
    assert demands(text) == []


def test_feeling_is_found_by_whole_words_and_by_stems() -> None:
    assert affect_words("I’m worried and joyful, thankfully.") == [
        "worried",
        "joyful",
        "thankfully",
    ]
    assert affect_words("The goodness of wonder") == ["goodness", "wonder"]
    assert affect_words("The page has a header and four numbered rows.") == []


def test_verdicts_are_words_about_right_and_wrong() -> None:
    assert verdicts("That is wrong, and the solution has an error.") == [
        "wrong",
        "solution",
        "error",
    ]
    assert verdicts("I am close to tears.") == []


def test_length_gap_is_the_larger_of_words_and_characters() -> None:
    assert length_gap("aa bb", "aa bb") == 0
    assert length_gap("a b c", "aaaa b") == pytest.approx(0.5)
    assert length_gap("aaaaaaaa", "aaaa") == pytest.approx(1.0)


@given(st.lists(st.text("abcxyz.,", min_size=1, max_size=6), min_size=2, max_size=30), st.text())
def test_shuffling_keeps_the_words_and_is_the_same_every_time(parts: list[str], seed: str) -> None:
    text = " ".join(parts)
    mixed = shuffled(text, seed)
    assert sorted(mixed.split()) == sorted(parts)
    assert mixed == shuffled(text, seed)
    assert (mixed != text) == (len(set(parts)) > 1)


def test_the_documented_shuffle_does_not_drift() -> None:
    assert shuffled("Are you sure?", "emotionprompt:EP04") == "sure? you Are"


def test_words_keep_apostrophes_and_hyphens() -> None:
    assert words("It isn’t double-checked.") == ["it", "isn't", "double-checked"]
