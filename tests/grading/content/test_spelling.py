"""Names and words written otherwise, and where that is another answer."""

from __future__ import annotations

import pytest

from heartloop.grading.content.text import same_name
from heartloop.grading.maths.quantities import in_signs
from heartloop.types import Question

WHO = "Who wrote it?"


@pytest.mark.parametrize(
    ("asked", "gold", "answer", "same"),
    [
        ("Where?", "Łódź", "Lodz", True),
        ("Where?", "Bogotá", "Bógota", False),
        ("Translate: year", "año", "ano", False),
        ("What is the plural of Tochter?", "Töchter", "Tochter", False),
        ("What is the plural of Tochter?", "Töchter", "Toechter", True),
        ("What?", "programmes of the centre", "programs of the center", True),
        ("What?", "filing", "filling", False),
        ("What?", "hour", "hor", False),
        ("What?", "noise", "noize", False),
        ("What?", "snow man", "snowman", True),
        ("What?", "a part", "apart", False),
        ("What?", "classroom", "class room", False),
        ("What?", "Berlin", "Ber lin", False),
        ("What?", "Rhein", "der Rhein", True),
        ("What?", "Angeles", "Los Angeles", False),
        ("Translate to Spanish: cat", "gato", "El gato", True),
        ("Item 4 of accents: what is it?", "Dvořák", "Dvorak", True),
        ("Which?", "Louis XVI", "Louis XIV", False),
        ("Which?", "Louis XVI", "Louis 16", True),
        ("Who?", "J. K. Rowling", "JK Rowling", True),
        (WHO, "Leonardo da Vinci", "da Vinci", True),
        (WHO, "Alexandre Dumas", "Dumas", True),
        (WHO, "Alexandre Dumas", "Alexandre", False),
        (WHO, "Dumas", "Alexandre Dumas", False),  # which Dumas?
        ("Which Dumas wrote it?", "Alexandre Dumas", "Dumas", False),
        ("Who of the Dumas family wrote it?", "Alexandre Dumas", "Dumas", False),
        ("What?", "Bora", "Bora Bora", False),
        ("What?", "no", "no, no", True),
    ],
)
def test_another_spelling_is_the_same_name_unless_it_is_asked_for(
    asked: str, gold: str, answer: str, same: bool
) -> None:
    assert same_name(gold, answer, Question("q", "t", 0, asked)) is same


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("6′2″", "6 ft 2 in"),
        ('5"', "5 in"),
        ("a quarter to one", "12:45"),
        ("twenty past nine in the evening", "9:20 p.m."),
        ("14.30 Uhr", "14:30"),
        ("two hours and five minutes", "2 hours and 5 minutes"),
        ("half of it", "half of it"),
        ("f'(2)", "f'(2)"),
    ],
)
def test_lengths_and_times_in_words_are_written_in_signs(text: str, signs: str) -> None:
    assert in_signs(text) == signs
