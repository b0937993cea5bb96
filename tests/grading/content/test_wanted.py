"""What a text says of the thing that the instruction asks for, among prose, scores and classes."""

from __future__ import annotations

import asyncio

import pytest

from heartloop.grading import open_grader
from heartloop.grading.content.wanted import wanted_by
from heartloop.types import Completion, Gold, Question

LETTER = "Give the first letter of the word."
PLURAL = "Give the plural of the noun."
FRENCH = "Translate the word into French."
LARGER = "Two animals are named. Give the larger one."
NEGATE = "Negate the sentence."
CAUSE = "One sentence describes the cause of the other. Copy the sentence that is the cause."
SAME = (
    'Does the word have the same meaning in both sentences? Answer with "same" or "not the same".'
)
ADD = "Add the two numbers and give the result."
RAIN = "Sentence 1: It started raining. Sentence 2: The driver turned the wipers on."
MATE = "Sentence 1: He is my mate. Sentence 2: A few mates came. Word: mate"


@pytest.mark.parametrize(
    ("instruction", "item", "gold", "text", "right"),
    [
        (LETTER, "contract", "c", "0.0\nClassification: Contract\nThe word is a noun. The first "
         "letter of \"contract\" is 'c', which is common.", True),
        (LETTER, "clearance", "c", '0\n1. "clearance" is a word with the first letter "c".', True),
        (LETTER, "principal", "p", 'The word "principal" is a noun, so its first letter is the '
         'capital letter "P".', True),
        (LETTER, "contract", "c", "It is a noun. The first letter of a word is a capital.", False),
        (PLURAL, "dislike", "dislikes", 'Plural of the noun: dislike\nIn the plural form, the '
         'plural is usually indicated by "-s", so its plural is "dislikes".', True),
        (PLURAL, "dislike", "dislikes", "Output: dislike\nThe plural is formed by adding -s.",
         False),
        (PLURAL, "career", "careers", 'It is a noun. The plural is "career(s)".', False),
        (FRENCH, "delivery", "livraison", 'Translation:\nDelivery\nThe translation of "delivery" '
         'into French is "livraison". It is common.', True),
        (FRENCH, "delivery", "livraison", 'Translation: envoi\nThe French word for "delivery" is '
         '"livraison".', False),  # it said envoi
        (FRENCH, "family", "famille", "Translation: French: Famille\nConfidence score: 1", True),
        (FRENCH, "length", "longueur", "Le longueur", True),
        (FRENCH, "surgeon", "médecin", "medecin", True),
        (FRENCH, "market", "marché", 'The French word for "market" is "marche".', False),
        (FRENCH, "staff", "personnel", 'In French, "staff" is "personnel" or "bâton".', False),
        (FRENCH, "attribute", "attribut", 'Translation:\n"Attribute" translates to "Attribut" in '
         "French.", True),
        (PLURAL, "end", "ends", 'The plural of the noun is "end" and it will be pluralized as '
         '"ends".', True),
        (FRENCH, "elevation", "élévation", "Elevation", False),  # the English word again
        (FRENCH, "surgeon", "médecin", "le medecine", False),
        (LARGER, "whale, flea", "whale", "No, flea is not the larger one.", True),
        (LARGER, "whale, flea", "flea", "No, flea is not the larger one.", False),
        (LARGER, "whale, flea", "whale", "1\nThe confidence score is 1 because whale is the larger "
         "animal. Both animals live at sea.", True),
        (LARGER, "whale, flea", "whale", "A flea is smaller than a whale.", True),
        (LARGER, "whale, flea", "flea", "The flea is the smaller animal.", False),
        (LARGER, "whale, flea", "whale", "Whales are larger than fleas.", True),
        (LARGER, "whale, flea", "whale", "The larger one is whale, having a longer tail.", True),
        (LARGER, "whale, flea", "whale", "Classification: Larger\nThe larger one is whale.", True),
        (LETTER, "jet", "j", "1\nThe first letter of the word is J. It is a noun.", True),
        (PLURAL, "jet", "jets", "Affirmative response. The plural of \"jet\" is \"jets\".", True),
        (PLURAL, "jet", "jets", 'To make it plural we add "s", resulting in "jets".', True),
        (SAME, MATE, "not the same", "They have different meanings.", True),
        (NEGATE, "Rome is old.", "Rome is not old.", 'To negate it, we add "not": "Rome isn\'t '
         'old."', True),
        (CAUSE, "Sentence 1: Bo fainted. Sentence 2: Al called.", "Bo fainted.", "I class this "
         "as a cause. The cause of the other sentence is that Bo fainted. It is likely.", True),
        (NEGATE, "Rome burnt.", "Rome did not burn.", 'It negates the sentence "Rome burnt." as '
         '"Rome did not burn."', True),
        (NEGATE, "Rome has burnt.", "Rome has not burnt.", "0\nIt is a statement. The negation of "
         "a predicate is always a negation of it.", False),
        (CAUSE, RAIN, "It started raining.", 'Confidence: 1\nThe sentence "It started raining. " '
         'describes the cause of the other. Therefore, I would class this as causal.', True),
        (CAUSE, RAIN, "It started raining.", "Classification: Confident\nThe first sentence "
         "describes the cause of the second.", True),
        (CAUSE, RAIN, "It started raining.", "The cause is that it had started raining.", True),
        (CAUSE, RAIN, "It started raining.", "The cause is the driver turning the wipers on.",
         False),
        (SAME, MATE, "same", 'The word "mate" has the same meaning in both sentences.', True),
        (SAME, MATE, "same", "The word mate has a different meaning in both sentences.", False),
        (SAME, MATE, "not the same", "The word has different meanings in both sentences.", True),
        (ADD, "50 80", "130", "2.0\n\nClassification: Correct\nThe numbers 50 and 80 are added, "
         "resulting in 130.", True),
        (ADD, "25 50", "75", "1\nConfidence score: 0.5\nThe sum of 25 and 50 is 75, which is more "
         "than 60.", True),
        (ADD, "97 97", "194", "Classification: Positive\nAdd 97 and 97. When we add them, we get "
         "194. The result is positive because adding two positive numbers is.", True),
        (ADD, "6 38", "44", "Output: 84\nThe reason is that 6 + 38 equals 44.", False),
        (ADD, "6 38", "44", "44\n0.7", True),
        (ADD, "6 38", "7", "7\n0.7", True),
        (LARGER, "owl, German shepherd", "German shepherd", "The larger animal is German shepherd, "
         "having a larger tail compared to owl.", True),
        (LARGER, "hamster, deer", "deer", 'I will give the answer "deer" and a score of 0.0.',
         True),
        (PLURAL, "merge", "merges", 'Affirmative response. The plural of "merge" is "merges".',
         True),
        (CAUSE, "Sentence 1: Bob called 911. Sentence 2: Someone fainted.", "Someone fainted.",
         "I would classify this as a prediction. The cause of the other sentence is that someone "
         "fainted. It is likely.", True),
        (NEGATE, "He needs it.", "He does not need it.", "He doesn't need it.", True),
        (NEGATE, "He can do it.", "He cannot do it.", "He can't do it.", True),
        (NEGATE, "He will do it.", "He will not do it.", "He can't do it.", False),
    ],
)  # fmt: skip
def test_what_is_said_of_the_thing_asked_for(
    instruction: str, item: str, gold: str, text: str, right: bool
) -> None:
    async def grade() -> str:
        grader = open_grader("ii_exact")
        asked = Question("q", "t", 0, f"\n\nInput: {item}", f"Instruction: {instruction}")
        golds = {"same": ("same", "yes"), "not the same": ("not the same", "no")}
        graded = await grader.grade(asked, Gold("q", golds.get(gold, (gold,))), Completion(text))
        await grader.close()
        return graded.content.outcome

    assert (asyncio.run(grade()) == "correct") is right


def test_an_instruction_may_name_nothing() -> None:
    assert wanted_by("Give a word that rhymes with the given word.") is None
    assert wanted_by("") is None
    assert wanted_by(LETTER) is not None
