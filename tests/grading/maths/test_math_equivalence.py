"""The maths verifier against public graders' test vectors and a table of answer classes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from heartloop.grading import grade_pairs

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "grading"

# Labels that docs/grading.md lists as wrong or as a rounding convention of their source.
DOUBTFUL = {"eq0184", "eq0372", "eq0493", "eq0577", "eq0671", "eq0707", "eq0801", "eq0901"}

SAME = [
    (r"$x \in \{1, 2\}$", "x=1 or x=2"),
    (r"\{1,2,3\}", "3, 2, 1"),
    ("1, 2, 3", "$1,2$ and $3$"),
    ("(1,2)", "$(x,y)=(1,2)$"),
    ("[1,2)", r"1 \le x < 2"),
    (r"(-\infty,2)\cup(3,\infty)", r"x<2 \text{ or } x>3"),
    (r"x \neq 3", r"(-\infty,3)\cup(3,\infty)"),
    (r"\mathbb{R}", r"(-\infty,\infty)"),
    ("12{,}345", "12345"),
    ("12,345", "12345"),
    (r"1.5 \times 10^3", "1500"),
    (r"50\%", r"\frac12"),
    (r"45^\circ", r"\frac{\pi}{4}"),
    ("30", "30 degrees"),
    (r"3\frac{1}{2}", "3.5"),
    ("3 1/2", "7/2"),
    (r"\$15", "15 dollars"),
    (r"5\text{ m}", r"500\text{ cm}"),
    (r"36\text{ km/h}", r"10\text{ m/s}"),
    (r"60\text{ km/h}", r"60 \frac{\text{km}}{\text{h}}"),
    ("x^2+2x+1", "(x+1)^2"),
    (r"\sin^2 x+\cos^2 x", "1"),
    (r"\log_4 x", r"\frac{\ln x}{2\ln 2}"),
    (r"\frac{1}{\sqrt{2}}", r"\frac{\sqrt2}{2}"),
    ("y=2x+3", "2x-y+3=0"),
    (r"\frac{x}{2}+\frac{y}{3}=1", "3x+2y=6"),
    (r"\pm 3", r"\{-3,3\}"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&4\end{bmatrix}"),
    ("101_2", "5_{10}"),
    ("f(x)=x^2", "f(t)=t^2"),
    ("21", "twenty-one"),
    (r"\frac34", "three quarters"),
    ("12", "12th"),
    (r"\text{Yes}", "yes"),
    ("B", r"\textbf{(B)}"),
    ("2:3", "4:6"),
    (r"e^{i\pi}", "-1"),
    (r"\binom{5}{2}", "10"),
    (r"\frac{n!}{(n-1)!}", "n"),
    (r"0.\overline{3}", r"\frac13"),
    ("0.333...", r"\frac13"),
    ("6.46", r"\frac{84}{13}"),
    (r"\{x \in \mathbb{R} : x > 3\}", "x>3"),
    (r"\frac{\pi}{2}+k\pi", r"\frac{\pi}{2}+n\pi"),
    (r"\lfloor 3.7 \rfloor", "3"),
    (r"\sum_{k=1}^{10} k", "55"),
    (r"(0,1) \cup (1,2)", r"(0,2)\setminus\{1\}"),
    (r"10 \text{ and } 20", "10, 20"),
    (r"\sqrt{x^2}", r"\left|x\right|"),
    ("1.2 million", "1200000"),
    ("½", "0.5"),
    ("2√3", r"2\sqrt{3}"),
    ("-5", "−5"),
    (r"7/11", r"\frac{7}{11}\approx 0.636"),
    ("p=5,q=2;p=7,q=2", "(5,2),(7,2)"),
]
DIFFERENT = [
    (r"\{1,2,3\}", r"\{1,2\}"),
    ("(1,2)", "(2,1)"),
    ("[1,2)", "1 < x < 2"),
    (r"50\%", "5"),
    (r"5\text{ m}", r"5\text{ km}"),
    ("x^2+2x+1", "(x-1)^2"),
    ("y=2x+3", "y=2x-3"),
    (r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&2\\4&3\end{pmatrix}"),
    ("101_2", "110_2"),
    ("A", "B"),
    ("2:3", "3:2"),
    (r"\infty", r"-\infty"),
    ("5", "5.1"),
    ("1/3", "0.33"),
    (r"\sqrt{x^2}", "x"),
    (r"\{(1,2),(3,4)\}", "(4,3),(2,1)"),
    ("8:30", "8:45"),
    (r"\sin x", r"\cos x"),
    ("n", "n+1"),
    ("[0,1]", "(0,1)"),
    ("a=1,b=2", "a=2,b=1"),
    ("x<2", r"x\le 2"),
    ("yes", "not yes"),
    (r"\text{odd}", "even"),
    ("27", r"\log_2 x^k = \log_2 x^k"),
]


@pytest.fixture(scope="module")
def classes() -> dict[tuple[str, str], str]:
    pairs = [{"gold": gold, "prediction": answer} for gold, answer in SAME + DIFFERENT]
    return {(r["gold"], r["prediction"]): r["verdict"] for r in grade_pairs("math", pairs)}


@pytest.mark.parametrize(("gold", "answer"), SAME)
def test_equivalent_answers_are_correct(classes, gold, answer):
    assert classes[gold, answer] == "correct"


@pytest.mark.parametrize(("gold", "answer"), DIFFERENT)
def test_different_answers_are_incorrect(classes, gold, answer):
    assert classes[gold, answer] == "incorrect"


def test_all_olympiadbench_examples_are_judged_as_its_scorer_does():
    examples = json.loads((FIXTURES / "olympiadbench_scoring_examples.json").read_text())
    pairs = [
        {
            "gold": example["GT"],
            "prediction": answer["answer"],
            "params": {"precision": answer.get("precision", 1e-8)},
            "expected": answer["equal"],
        }
        for example in examples
        for answer in example["Ans"]
    ]
    graded = grade_pairs("math", pairs)
    assert len(graded) == 36
    wrong = [r for r in graded if (r["verdict"] == "correct") != r["expected"]]
    assert wrong == []


def test_agreement_with_public_graders():
    lines = (FIXTURES / "equivalence_pairs.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    graded = grade_pairs("math", rows)
    assert [r["id"] for r in graded] == [r["id"] for r in rows]
    hits = {True: [0, 0], False: [0, 0]}
    false_positives = []
    for row in graded:
        if row["id"] in DOUBTFUL:
            continue
        hard = row["source"].startswith("tinyv")
        right = (row["verdict"] == "correct") == row["expected"]
        hits[hard][0] += right
        hits[hard][1] += 1
        if row["verdict"] == "correct" and not row["expected"]:
            false_positives.append(row["id"])
        assert row["reason"]
    assert hits[False][0] / hits[False][1] >= 0.98
    assert hits[True][0] / hits[True][1] >= 0.92
    assert false_positives == []


def test_params_decide_how_a_relation_is_read():
    pair = {"gold": r"$x \in [-2,7]$", "prediction": r"$-2 \le x \le 7$"}
    loose = grade_pairs("math", [pair])[0]
    tight = grade_pairs("math", [{**pair, "params": {"allow_set_relation_comp": False}}])[0]
    assert (loose["verdict"], tight["verdict"]) == ("correct", "incorrect")


def test_a_tolerance_is_absolute_and_one_for_each_value():
    pairs = [
        {"gold": "0.003, 5.233", "prediction": "0.002, 5.234", "params": {"tolerance": 1e-3}},
        {"gold": "0.003, 5.233", "prediction": "0.002, 5.234", "params": {"tolerance": 1e-4}},
        {
            "gold": r"7 \times 10^{35}, 0.002",
            "prediction": r"0.001, 7.1 \cdot 10^{35}",
            "params": {"precision": [1e34, 1e-3]},
        },
    ]
    assert [r["verdict"] for r in grade_pairs("math", pairs)] == ["correct", "incorrect", "correct"]


def test_symmetric_comparison_holds_both_ways():
    pairs = [
        {"gold": a, "prediction": b, "params": {"symmetric": True}}
        for gold, answer in SAME[:20]
        for a, b in ((gold, answer), (answer, gold))
    ]
    assert {r["verdict"] for r in grade_pairs("math", pairs)} == {"correct"}


def test_a_formula_inside_an_explanation_is_no_answer():
    text = r"to use the identity $\sin^2 \theta + \cos^2 \theta = 1$ to simplify the expression"
    assert grade_pairs("math", [{"gold": "1", "prediction": text}])[0]["verdict"] == "incorrect"
