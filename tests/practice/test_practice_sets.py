"""The practice sets: exact answers, fixed rows, the shapes of the data they stand in for."""

import re
from collections import Counter
from fractions import Fraction
from math import comb, gcd, lcm, perm

import pytest

from heartloop import practice
from heartloop.practice._maths import FAMILIES, PER_FAMILY
from heartloop.practice._random import Rng
from heartloop.practice._support import STRATEGIES

FIXED = {
    "olympiad": "579e9cdf",
    "bigbench": "c4f29996",
    "instruction_induction": "3360faea",
    "simpleqa": "8c870c4f",
    "esconv": "13fc3dd1",
}


@pytest.mark.parametrize("name", practice.NAMES)
def test_rows_are_marked_and_the_same_every_time(name):
    first, second = practice.rows(name), practice.rows(name)
    assert first == second and first is not second
    assert len(first) >= 20
    assert all(row["practice"] is True for row in first)
    assert len({repr(row) for row in first}) == len(first)


@pytest.mark.parametrize(("name", "digest"), sorted(FIXED.items()))
def test_rows_never_change_silently(name, digest):
    # The published figures of docs/pocket.md belong to exactly these rows.
    assert practice.sha256(name).startswith(digest)


def test_the_generator_is_the_same_on_every_python():
    rng = Rng("a seed")
    assert [rng.below(1000) for _ in range(6)] == [935, 834, 677, 744, 271, 232]


def test_olympiad_has_the_schema_of_olympiadbench():
    rows = practice.rows("olympiad")
    fields = {
        "id", "subfield", "context", "question", "solution", "final_answer",
        "is_multiple_answer", "unit", "answer_type", "error",
    }  # fmt: skip
    assert all(fields <= set(row) for row in rows)
    assert len({row["question"] for row in rows}) == len(rows) >= 300
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["family"] for row in rows}) >= 15
    kinds = {row["answer_type"] for row in rows}
    assert kinds == {"Numerical", "Expression", "Tuple", "Interval"}
    assert any(row["is_multiple_answer"] for row in rows)
    assert Counter(row["family"] for row in rows) == dict.fromkeys(FAMILIES, PER_FAMILY)


def numbers(row):
    return [int(n) for n in re.findall(r"-?\d+", row["question"].replace("{\\circ}", ""))]


def gold(row):
    return row["final_answer"][0].replace("$", "")


def test_gcd_and_lcm_answers_are_right():
    for row in practice.rows("olympiad"):
        if row["family"] in ("gcd", "lcm"):
            a, b = numbers(row)[:2]
            assert int(gold(row)) == (gcd(a, b) if row["family"] == "gcd" else lcm(a, b))


def test_counting_answers_are_right():
    for row in practice.rows("olympiad"):
        if row["family"] == "choose":
            n = numbers(row)
            assert int(gold(row)) in {comb(max(n), min(n)), comb(max(n), 2)}
        if row["family"] == "arrange":
            n = numbers(row)
            assert int(gold(row)) == perm(max(n), min(n))
        if row["family"] == "divisors":
            n = max(numbers(row))
            assert int(gold(row)) == sum(n % k == 0 for k in range(1, n + 1))
        if row["family"] == "multiples":
            n = numbers(row)
            step, low, high = n if row["question"].startswith("Count") else (n[2], n[0], n[1])
            assert int(gold(row)) == sum(k % step == 0 for k in range(low, high + 1))


def test_equations_hold_for_their_answers():
    for row in practice.rows("olympiad"):
        if row["family"] == "linear":
            left, right = re.search(r"\$([^$=]*)=(-?\d+)\$", row["question"]).groups()
            coefficient, constant = re.fullmatch(r"(\d+)[a-z]([+-]\d+)", left).groups()
            assert int(coefficient) * int(gold(row)) + int(constant) == int(right)
        if row["family"] == "quadratic":
            text = re.search(r"\$(x\^\{2\}.*)=0\$", row["question"]).group(1)
            s = re.sub(r"(\d)x", r"\1*x", text.replace("^{2}", "**2"))
            roots = [int(x) for x in gold(row).split(",")]
            assert len(set(roots)) == 2
            assert all(eval(s, {"x": x}) == 0 for x in roots)  # the text is our own
        if row["family"] == "fractions":
            a, b, c, d = numbers(row)
            p, q = re.fullmatch(r"\\frac\{(\d+)\}\{(\d+)\}|(\d+)", gold(row)).groups()[:2]
            value = Fraction(int(p), int(q)) if p else Fraction(int(gold(row)))
            assert value == Fraction(a, b) + Fraction(c, d)


def test_bigbench_rows_follow_its_json():
    for row in practice.rows("bigbench_choice"):
        assert sum(row["target_scores"].values()) == 1
    for row in practice.rows("bigbench_exact"):
        assert row["target"]
    for name in practice.tasks("bigbench"):
        assert practice.rows(f"bigbench/{name}")[0]["task"] == name


def test_sorted_words_are_sorted_and_counts_are_counted():
    for row in practice.rows("bigbench/sort_words"):
        words = row["input"].removeprefix("Sort these words alphabetically: ").split()
        assert row["target"].split() == sorted(words)


def test_esconv_dialogues_use_all_eight_strategies():
    rows = practice.rows("esconv")
    seen = Counter(t["strategy"] for row in rows for t in row["dialog"] if "strategy" in t)
    assert set(seen) == set(STRATEGIES) and min(seen.values()) >= 20
    for row in rows:
        assert {"emotion_type", "problem_type", "situation", "dialog", "index"} <= set(row)
        assert all(turn["speaker"] in ("seeker", "supporter") for turn in row["dialog"])


def test_unknown_names_say_what_there_is():
    with pytest.raises(KeyError, match="olympiad"):
        practice.rows("olympics")
    with pytest.raises(KeyError, match="odd_one_out"):
        practice.rows("bigbench/snarks")
