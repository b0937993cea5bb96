"""Problem families of number theory and counting."""

from __future__ import annotations

import math

from heartloop.practice._problem import Problem, Tally
from heartloop.practice._random import Rng

NT = "Number Theory"
CO = "Combinatorics"


def remainder(r: Rng, t: Tally) -> Problem:
    """Remainder of a three- or four-digit number, digit by digit."""
    n, m = r.between(120, 9999), r.between(3, 12)
    question = r.pick(
        (
            f"Find the remainder when ${n}$ is divided by ${m}$.",
            f"What remainder does ${n}$ leave on division by ${m}$?",
            f"Compute ${n} \\bmod {m}$.",
            f"A number $r$ with $0 \\le r < {m}$ satisfies ${n} \\equiv r \\pmod{{{m}}}$. "
            "Find $r$.",
        )
    )
    rest, parts = 0, []
    for digit in str(n):
        value = rest * 10 + int(digit)
        rest = t(value % m) % m
        parts.append(f"${value}\\to {rest}$")
    steps = "Digit by digit: " + ", ".join(parts) + "."
    return Problem("remainder", NT, f"remainder:{n}:{m}", question, steps, (str(rest),))


def _euclid(a: int, b: int, t: Tally) -> tuple[int, list[str]]:
    parts = []
    while b:
        rest = t(a % b) % b
        parts.append(f"${a} \\bmod {b}={rest}$")
        a, b = b, rest
    return a, parts


def gcd(r: Rng, t: Tally) -> Problem:
    """Greatest common divisor by Euclid's algorithm."""
    g = r.between(2, 24)
    x, y = r.between(2, 12), r.between(2, 12)
    a, b = max(g * x, g * y), min(g * x, g * y)
    if a == b:
        a += g
    question = r.pick(
        (
            f"Find the greatest common divisor of ${a}$ and ${b}$.",
            f"Compute $\\gcd({a}, {b})$.",
            f"What is the largest integer that divides both ${a}$ and ${b}$?",
        )
    )
    value, parts = _euclid(a, b, t)
    return Problem("gcd", NT, f"gcd:{a}:{b}", question, ", ".join(parts) + ".", (str(value),))


def lcm(r: Rng, t: Tally) -> Problem:
    """Least common multiple through the greatest common divisor."""
    g = r.between(1, 9)
    a, b = g * r.between(2, 9), g * r.between(2, 9)
    if a < b:
        a, b = b, a
    if a == b:
        a += g
    question = r.pick(
        (
            f"Find the least common multiple of ${a}$ and ${b}$.",
            f"Compute $\\operatorname{{lcm}}({a}, {b})$.",
            f"What is the smallest positive integer divisible by both ${a}$ and ${b}$?",
        )
    )
    d, parts = _euclid(a, b, t)
    q = t(a // d)
    value = t(q * b)
    steps = ", ".join(parts) + f". ${a}/{d}={q}$, ${q}\\cdot {b}={value}$."
    return Problem("lcm", NT, f"lcm:{a}:{b}", question, steps, (str(value),))


def modpower(r: Rng, t: Tally) -> Problem:
    """A power modulo a small number, by repeated multiplication."""
    m = r.pick((5, 6, 7, 8, 9, 10, 10, 11, 13))
    a, n = r.between(2, 12), r.between(4, 12)
    if m == 10 and r.chance(60):
        question = r.pick(
            (
                f"What is the last digit of ${a}^{{{n}}}$?",
                f"Find the units digit of ${a}^{{{n}}}$.",
            )
        )
    else:
        question = r.pick(
            (
                f"Find the remainder when ${a}^{{{n}}}$ is divided by ${m}$.",
                f"Compute ${a}^{{{n}}} \\bmod {m}$.",
                f"What remainder does ${a}^{{{n}}}$ leave on division by ${m}$?",
            )
        )
    value, parts = 1, []
    for k in range(1, n + 1):
        value = t(value * a % m) % m
        parts.append(f"{k}:{value}")
    steps = f"Powers of ${a}$ modulo ${m}$: " + ", ".join(parts) + "."
    return Problem("modpower", NT, f"modpower:{a}:{n}:{m}", question, steps, (str(value),))


def divisors(r: Rng, t: Tally) -> Problem:
    """Number of divisors from the prime factorisation."""
    while True:
        n = 1
        for p in (2, 3, 5, 7, 11, 13):
            n *= p ** r.pick((0, 0, 0, 1, 1, 2, 3) if p < 5 else (0, 0, 0, 1))
        if 11 < n < 1000:
            break
    question = r.pick(
        (
            f"How many positive divisors does ${n}$ have?",
            f"Find the number of positive integers that divide ${n}$.",
            f"Let $d(n)$ be the number of positive divisors of $n$. Compute $d({n})$.",
        )
    )
    rest, parts, count, shown = n, [], 1, []
    for p in (2, 3, 5, 7, 11, 13):
        e = 0
        while rest % p == 0:
            rest = t(rest // p)
            if rest <= 0:
                raise ValueError("a slip left nothing to divide")
            parts.append(f"{p}\\to {rest}")
            e += 1
        if e:
            count *= e + 1
            shown.append(str(e + 1))
    if rest != 1:
        count *= 2
        shown.append("2")
    value = t(count)
    steps = f"Divide ${n}$ by primes: $" + ", ".join(parts) + "$. $"
    steps += "\\cdot ".join(shown) + f"={value}$."
    return Problem("divisors", NT, f"divisors:{n}", question, steps, (str(value),))


def multiples(r: Rng, t: Tally) -> Problem:
    """How many multiples of k lie in a range."""
    k = r.between(3, 12)
    low = r.pick((1, 1, r.between(20, 120)))
    high = low + r.between(60, 400)
    question = r.pick(
        (
            f"How many integers from ${low}$ to ${high}$ are divisible by ${k}$?",
            f"Count the multiples of ${k}$ between ${low}$ and ${high}$ inclusive.",
        )
    )
    top = t(high // k)
    below = t((low - 1) // k) if low > 1 else 0
    value = t(top - below) if low > 1 else top
    steps = f"Up to ${high}$: ${top}$."
    if low > 1:
        steps += f" Up to ${low - 1}$: ${below}$. ${top}-{below}={value}$."
    return Problem("multiples", NT, f"multiples:{low}:{high}:{k}", question, steps, (str(value),))


def base(r: Rng, t: Tally) -> Problem:
    """A number written in a small base, read in base ten."""
    b = r.between(2, 8)
    first = r.between(1, b - 1)
    digits = [first] + [r.between(0, b - 1) for _ in range(r.between(2, 3 if b > 3 else 5))]
    text = "".join(map(str, digits))
    question = r.pick(
        (
            f"Write the base ${b}$ number ${text}_{{{b}}}$ in base $10$.",
            f"Find the decimal value of ${text}_{{{b}}}$.",
            f"The number ${text}$ is written in base ${b}$. What is it in base ten?",
        )
    )
    value, parts = digits[0], []
    for digit in digits[1:]:
        product = t(value * b)
        total = t(product + digit)
        parts.append(f"${value}\\cdot {b}+{digit}={product}+{digit}={total}$")
        value = total
    return Problem("base", NT, f"base:{text}:{b}", question, ", ".join(parts) + ".", (str(value),))


def choose(r: Rng, t: Tally) -> Problem:
    """Committees, handshakes and subsets: a binomial coefficient."""
    story = r.below(4)
    n = r.between(4, 15)
    k = 2 if story == 1 else r.between(2, 3)
    if n < k + 1:
        n = k + 1
    question = (
        f"In how many ways can a team of ${k}$ people be chosen from ${n}$ people?",
        f"At a meeting each of ${n}$ people shakes hands once with every other one. "
        "How many handshakes are there?",
        f"How many subsets with exactly ${k}$ elements does a set of ${n}$ elements have?",
        f"Compute $\\binom{{{n}}}{{{k}}}$.",
    )[story]
    if k == 2:
        top = t(n * (n - 1))
        value = t(top // 2)
        steps = f"${n}\\cdot {n - 1}={top}$, ${top}/2={value}$."
    else:
        first = t(n * (n - 1))
        top = t(first * (n - 2))
        value = t(top // 6)
        steps = f"${n}\\cdot {n - 1}={first}$, ${first}\\cdot {n - 2}={top}$, ${top}/6={value}$."
    return Problem("choose", CO, f"choose:{story}:{n}:{k}", question, steps, (str(value),))


def arrange(r: Rng, t: Tally) -> Problem:
    """Ordered selections without repetition."""
    story = r.below(3)
    n, k = r.between(4, 12), r.between(2, 3)
    question = (
        f"In how many ways can ${k}$ different prizes be given to ${n}$ runners, "
        "at most one prize to each?",
        f"How many words of ${k}$ different letters can be made from ${n}$ letters?",
        f"In how many ways can ${k}$ of ${n}$ books be put in a row on a shelf?",
    )[story]
    value, parts = n, []
    for i in range(1, k):
        following = t(value * (n - i))
        parts.append(f"${value}\\cdot {n - i}={following}$")
        value = following
    steps = ", ".join(parts) + "."
    return Problem("arrange", CO, f"arrange:{story}:{n}:{k}", question, steps, (str(value),))


def _fraction(a: int, b: int) -> str:
    if b <= 0:
        raise ValueError("a slip left no denominator")
    return str(a) if b == 1 else f"\\frac{{{a}}}{{{b}}}"


def probability(r: Rng, t: Tally) -> Problem:
    """Drawing one ball: a reduced fraction."""
    first, second = r.some(("red", "blue", "green", "white", "black"), 2)
    a, b = r.between(2, 16), r.between(2, 16)
    question = r.pick(
        (
            f"A bag holds ${a}$ {first} and ${b}$ {second} balls. One ball is drawn at random. "
            f"What is the probability that it is {first}?",
            f"There are ${a}$ {first} and ${b}$ {second} cards in a box. Find the probability "
            f"that a random card is {first}.",
        )
    )
    total = t(a + b)
    d = t(math.gcd(a, total))
    if d < 1 or a % d or total % d:
        raise ValueError("a slip does not divide")
    answer = _fraction(a // d, total // d)
    steps = f"${a}+{b}={total}$, $\\gcd({a},{total})={d}$."
    key = f"probability:{first}:{second}:{a}:{b}"
    return Problem("probability", CO, key, question, steps, (answer,))


def fractions(r: Rng, t: Tally) -> Problem:
    """Sum of two fractions in lowest terms."""
    b, d = r.between(2, 9), r.between(2, 9)
    a, c = r.between(1, b - 1) if b > 2 else 1, r.between(1, d - 1) if d > 2 else 1
    question = r.pick(
        (
            f"Compute $\\frac{{{a}}}{{{b}}}+\\frac{{{c}}}{{{d}}}$ in lowest terms.",
            f"Write $\\frac{{{a}}}{{{b}}}+\\frac{{{c}}}{{{d}}}$ as a single reduced fraction.",
        )
    )
    left, right = t(a * d), t(c * b)
    top, bottom = t(left + right), t(b * d)
    g = math.gcd(top, bottom)
    steps = f"${a}\\cdot {d}+{c}\\cdot {b}={left}+{right}={top}$, ${b}\\cdot {d}={bottom}$, "
    steps += f"common factor ${g}$."
    answer = _fraction(top // g, bottom // g)
    return Problem("fractions", NT, f"fractions:{a}:{b}:{c}:{d}", question, steps, (answer,))
