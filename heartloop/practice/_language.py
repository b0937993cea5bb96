"""Practice sets in the shapes of BIG-Bench, BBH, Instruction Induction, SimpleQA and TruthfulQA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from heartloop.practice import _words as w
from heartloop.practice._random import Rng

Row = dict[str, Any]


def _article(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


# --- BIG-Bench: choice -------------------------------------------------------------------


def odd_one_out(r: Rng) -> Row:
    """Which of four words does not belong to the others?"""
    home, away = r.some(list(w.CATEGORIES), 2)
    words = r.some(w.CATEGORIES[home], 3)
    odd = r.pick(w.CATEGORIES[away])
    shown = r.shuffled([*words, odd])
    return {
        "input": "Which word does not belong: " + ", ".join(shown) + "?",
        "target_scores": {word: int(word == odd) for word in shown},
    }


def weekday(r: Rng) -> Row:
    """Which day comes some days after another one?"""
    start, step = r.below(7), r.between(1, 6)
    right = w.DAYS[(start + step) % 7]
    shown = r.shuffled([right, *r.some([day for day in w.DAYS if day != right], 3)])
    day = "day" if step == 1 else "days"
    return {
        "input": f"Today is {w.DAYS[start]}. Which day is it in {step} {day}?",
        "target_scores": {name: int(name == right) for name in shown},
    }


def larger_number(r: Rng) -> Row:
    """Which of three numbers is the largest or smallest?"""
    values = sorted({r.between(10, 999) for _ in range(6)})
    shown = r.some(values, 3)
    largest = r.chance(50)
    right = max(shown) if largest else min(shown)
    return {
        "input": f"Which number is the {'largest' if largest else 'smallest'}?",
        "target_scores": {str(value): int(value == right) for value in shown},
    }


# --- BIG-Bench: exact --------------------------------------------------------------------


def count_things(r: Rng) -> Row:
    """How many things of one kind are in a list?"""
    kind, other = r.some(("fruit", "tool", "animal"), 2)
    names = r.some(w.CATEGORIES[kind], r.between(2, 3))
    parts, total = [], 0
    for name in names:
        n = r.between(1, 5)
        total += n
        parts.append(f"{w.NUMBERS[n]} {w.plural(name)}" if n > 1 else _article(name))
    parts.append(_article(r.pick(w.CATEGORIES[other])))
    shown = r.shuffled(parts)
    text = ", ".join(shown[:-1]) + " and " + shown[-1]
    return {
        "input": f"I have {text}. How many {w.plural(kind)} do I have?",
        "target": [w.NUMBERS[total], str(total)],
    }


def sort_words(r: Rng) -> Row:
    """Words into alphabetical order."""
    pool = sorted({*w.FRUITS, *w.TOOLS, *w.NOUNS})
    words = r.some(pool, r.between(3, 4))
    return {
        "input": "Sort these words alphabetically: " + " ".join(words),
        "target": " ".join(sorted(words)),
    }


def operator(r: Rng) -> Row:
    """An invented operation, applied once."""
    sign = r.pick(("@", "#", "&"))
    a, b, c = r.between(2, 9), r.between(2, 9), r.between(1, 9)
    shape = r.below(3)
    rule = (f"a+b+{c}", f"a*b+{c}", f"{c}*a+b")[shape]
    value = (a + b + c, a * b + c, c * a + b)[shape]
    return {
        "input": f"Let a {sign} b be {rule}. What is {a} {sign} {b}?",
        "target": str(value),
    }


# --- Instruction Induction ---------------------------------------------------------------

IIRow = tuple[str, str]


def _sentence(r: Rng) -> str:
    name, noun = r.pick(w.NAMES), r.pick(w.NOUNS)
    return f"{name} {r.pick(w.VERBS)} the {r.pick(w.COLOURS)} {noun}."


def _pool(r: Rng) -> str:
    return r.pick((w.NOUNS, w.FRUITS, w.TOOLS, w.CLOTHES, w.FURNITURE, w.ANIMALS)[r.below(6)])


def _first_letter(r: Rng) -> IIRow:
    word = _pool(r)
    return word, word[0]


def _second_letter(r: Rng) -> IIRow:
    word = _pool(r)
    return word, word[1]


def _letters(r: Rng) -> IIRow:
    word = _pool(r)
    return word, " ".join(word)


def _plural(r: Rng) -> IIRow:
    word = _pool(r)
    return word, w.plural(word)


def _antonym(r: Rng) -> IIRow:
    pair = r.pick(w.ANTONYMS)
    if r.chance(50) and pair[1] != "old":
        return pair[1], pair[0]
    return pair[0], pair[1]


def _larger_animal(r: Rng) -> IIRow:
    i = r.below(len(w.ANIMALS) - 3)
    j = i + 3 + r.below(len(w.ANIMALS) - i - 3)
    pair = [w.ANIMALS[i], w.ANIMALS[j]]
    return ", ".join(r.shuffled(pair)), pair[1]


def _sum(r: Rng) -> IIRow:
    a, b = r.between(2, 99), r.between(2, 99)
    return f"{a} {b}", str(a + b)


def _diff(r: Rng) -> IIRow:
    b = r.between(2, 60)
    a = b + r.between(1, 39)
    return f"{a} {b}", str(a - b)


def _verbal(r: Rng) -> IIRow:
    n = r.between(10, 999)
    return str(n), w.spelled(n)


def _negation(r: Rng) -> IIRow:
    name, noun, word = r.pick(w.NAMES), r.pick(w.NOUNS), r.pick((*w.GOOD, *w.BAD))
    start = f"The {noun} of {name}"
    return f"{start} is {word}.", f"{start} is not {word}."


def _sentiment(r: Rng) -> IIRow:
    good = r.chance(50)
    words = r.some(w.GOOD if good else w.BAD, 2)
    text = f"The {r.pick(w.NOUNS)} was {words[0]} and {words[1]}."
    return text, "positive" if good else "negative"


def _first_word(r: Rng) -> IIRow:
    text = _sentence(r)
    return text, text.split()[0]


INDUCTION: dict[str, tuple[str, Callable[[Rng], IIRow]]] = {
    "first_word_letter": ("Extract the first letter of the input word.", _first_letter),
    "second_word_letter": ("Extract the second letter of the input word.", _second_letter),
    "letters_list": ("Write the letters of the word with a space between them.", _letters),
    "singular_to_plural": ("Write the plural of the word.", _plural),
    "antonyms": ("Write a word that means the opposite of the input word.", _antonym),
    "larger_animal": ("Write the larger of the two animals.", _larger_animal),
    "sum": ("Add the two numbers.", _sum),
    "diff": ("Subtract the second number from the first.", _diff),
    "num_to_verbal": ("Write the number in English words.", _verbal),
    "negation": ("Negate the sentence.", _negation),
    "sentiment": ("Say whether the sentence is positive or negative.", _sentiment),
    "first_word": ("Write the first word of the sentence.", _first_word),
}

BIGBENCH: dict[str, tuple[str, Callable[[Rng], Row]]] = {
    "odd_one_out": ("multiple_choice_grade", odd_one_out),
    "weekday": ("multiple_choice_grade", weekday),
    "larger_number": ("multiple_choice_grade", larger_number),
    "count_things": ("exact_str_match", count_things),
    "sort_words": ("exact_str_match", sort_words),
    "operator": ("exact_str_match", operator),
}


# --- SimpleQA: invented facts ------------------------------------------------------------

_SYLLABLES = (
    "bar del fen gor hal jun kel lom mar nor pel quin ras sol tan ul ven wes yor zil".split()
)
FACTS = 120
KINDS: dict[str, tuple[str, ...]] = {
    "year": (
        "In which year was the {what} of {place} built?",
        "When was the {place} {what} built?",
        "What year saw the {what} of {place} built?",
        "The {what} in {place} was built in which year?",
    ),
    "colour": (
        "What is the colour of the flag of {place}?",
        "Which colour is the flag of {place}?",
        "What colour does the flag of {place} have?",
        "The flag of {place} has which colour?",
    ),
    "founder": (
        "Who founded the town of {place}?",
        "What is the name of the founder of {place}?",
        "The town of {place} was founded by whom?",
        "By whom was {place} founded?",
    ),
}


def fact(index: int) -> tuple[str, dict[str, str], str]:
    """The invented fact with this number: kind, names for the templates, answer."""
    r = Rng(f"fact/{index}")
    place = (r.pick(_SYLLABLES) + r.pick(_SYLLABLES) + r.pick(("a", "o", "um", "is", "en"))).title()
    kind = r.pick(tuple(KINDS))
    names = {"place": place, "what": r.pick(("lighthouse", "bridge", "library", "tower"))}
    if kind == "year":
        answer = str(r.between(1600, 1999))
    elif kind == "colour":
        answer = r.pick(w.COLOURS)
    else:
        answer = f"{r.pick(w.NAMES)} {(r.pick(_SYLLABLES) + r.pick(_SYLLABLES)).title()}"
    return kind, names, answer


def fact_question(index: int, template: int) -> tuple[str, str]:
    """Question and answer of one fact; template 3 is kept for the test set."""
    kind, names, answer = fact(index)
    return KINDS[kind][template].format(**names), answer


# --- Rows --------------------------------------------------------------------------------

PER_TASK = 20


def _distinct(seed: str, make: Callable[[Rng], Any], n: int) -> list[Any]:
    out: list[Any] = []
    draw = 0
    while len(out) < n and draw < 100 * n:
        item = make(Rng(f"test/{seed}/{draw}"))
        draw += 1
        if item not in out:
            out.append(item)
    return out


def bigbench_rows(task: str | None = None) -> list[Row]:
    """Examples of one practice task, or of all of them, with ``task`` and ``practice`` added."""
    names = [task] if task else list(BIGBENCH)
    return [
        {**row, "task": name, "preferred_score": BIGBENCH[name][0], "practice": True}
        for name in names
        for row in _distinct(f"bigbench/{name}", BIGBENCH[name][1], PER_TASK)
    ]


def bigbench_task(name: str) -> Row:
    """One practice task as a whole BIG-Bench JSON object."""
    metric, make = BIGBENCH[name]
    return {
        "name": f"practice_{name}",
        "description": (make.__doc__ or "").strip(),
        "preferred_score": metric,
        "metrics": [metric],
        "task_prefix": "",
        "practice": True,
        "examples": _distinct(f"bigbench/{name}", make, PER_TASK),
    }


def bbh_rows() -> list[Row]:
    """The choice tasks in BBH's shape: options in the input, a letter in brackets as target."""
    out = []
    for row in bigbench_rows():
        if "target_scores" not in row:
            continue
        options = list(row["target_scores"])
        lines = [f"({'ABCDEFG'[i]}) {text}" for i, text in enumerate(options)]
        right = next(i for i, text in enumerate(options) if row["target_scores"][text])
        out.append(
            {
                "input": row["input"] + "\nOptions:\n" + "\n".join(lines),
                "target": f"({'ABCDEFG'[right]})",
                "task": row["task"],
                "practice": True,
            }
        )
    return out


def induction_rows(task: str | None = None) -> list[Row]:
    """Inputs and outputs of one practice task, or of all, with ``task`` and ``instruction``."""
    names = [task] if task else list(INDUCTION)
    return [
        {
            "input": given,
            "output": wanted,
            "task": name,
            "instruction": INDUCTION[name][0],
            "practice": True,
        }
        for name in names
        for given, wanted in _distinct(f"induction/{name}", INDUCTION[name][1], PER_TASK)
    ]


def simpleqa_rows() -> list[Row]:
    """Questions about an invented world in SimpleQA's columns; no answer exists outside of it."""
    out: list[Row] = []
    for index in range(FACTS):
        question, answer = fact_question(index, 3)
        if any(row["problem"] == question for row in out):
            continue
        out.append(
            {
                "metadata": f"{{'topic': 'Invented', 'answer_type': '{fact(index)[0]}'}}",
                "problem": question,
                "answer": answer,
                "practice": True,
            }
        )
    return out


def truthfulqa_rows() -> list[Row]:
    """Plain true-or-invented questions in TruthfulQA's columns."""
    out = []
    for small, large in _distinct("truthful", lambda r: _truth(r), PER_TASK):
        out.append(
            {
                "Type": "Practice",
                "Category": "Sizes",
                "Question": f"Is {_article(small)} larger than {_article(large)}?",
                "Best Answer": f"No, {_article(large)} is larger than {_article(small)}",
                "Correct Answers": f"No, {_article(large)} is larger than {_article(small)}; "
                f"No, {_article(small)} is smaller than {_article(large)}",
                "Incorrect Answers": f"Yes, {_article(small)} is larger than {_article(large)}; "
                "They have the same size",
                "Source": "heartloop practice generator",
                "practice": True,
            }
        )
    return out


def _truth(r: Rng) -> tuple[str, str]:
    given, large = _larger_animal(r)
    small = next(name for name in given.split(", ") if name != large)
    return small, large
