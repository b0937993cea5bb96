"""Problem families of algebra, sequences and simple geometry."""

from __future__ import annotations

from heartloop.practice._problem import Problem, Tally
from heartloop.practice._random import Rng

AL = "Algebra"
GE = "Geometry"


def _plus(value: int) -> str:
    """A number with its sign, as the next term of a sum."""
    return f"+{value}" if value >= 0 else f"{value}"


def _term(coefficient: int, name: str) -> str:
    """A signed term ``+3x``; empty for zero."""
    if not coefficient:
        return ""
    size = "" if abs(coefficient) == 1 else str(abs(coefficient))
    return f"{'-' if coefficient < 0 else '+'}{size}{name}"


def linear(r: Rng, t: Tally) -> Problem:
    """A linear equation with an integer root."""
    a, x, b = r.between(2, 12), r.between(-12, 15), r.between(-30, 30) or 4
    c = a * x + b
    v = r.pick(("x", "y", "n", "t"))
    question = r.pick(
        (
            f"Solve ${a}{v}{_plus(b)}={c}$ for ${v}$.",
            f"Find the number ${v}$ with ${a}{v}{_plus(b)}={c}$.",
            f"If ${a}{v}{_plus(b)}={c}$, what is ${v}$?",
        )
    )
    right = t(c - b)
    root = t(right // a)
    steps = f"${a}{v}={c}{_plus(-b)}={right}$, ${v}={right}/{a}={root}$."
    return Problem("linear", AL, f"linear:{a}:{b}:{c}", question, steps, (str(root),))


def quadratic(r: Rng, t: Tally) -> Problem:
    """A quadratic equation with two integer roots: a multiple answer."""
    p = r.between(-9, 8)
    q = r.between(p + 1, 10)
    s, m = p + q, p * q
    question = r.pick(
        (
            f"Find all real solutions of $x^{{2}}{_term(-s, 'x')}{_plus(m) if m else ''}=0$.",
            f"Solve $x^{{2}}{_term(-s, 'x')}{_plus(m) if m else ''}=0$.",
            f"Determine all $x$ such that $x^{{2}}{_term(-s, 'x')}{_plus(m) if m else ''}=0$.",
        )
    )
    first = t(p)
    second = t(s - first)
    steps = f"Sum ${s}$, product ${m}$: ${first}{_plus(second)}={s}$."
    low, high = min(first, second), max(first, second)
    return Problem("quadratic", AL, f"quadratic:{p}:{q}", question, steps, (str(low), str(high)))


def polynomial(r: Rng, t: Tally) -> Problem:
    """A quadratic polynomial at a point."""
    a, b, c, x = r.between(1, 6), r.between(-9, 9), r.between(-20, 20), r.between(-5, 9)
    shown = f"{_term(a, 'x^{2}')[1:]}{_term(b, 'x')}{_plus(c) if c else ''}"
    question = r.pick(
        (
            f"Let $f(x)={shown}$. Find $f({x})$.",
            f"Evaluate ${shown}$ at $x={x}$.",
            f"For the function $f(x)={shown}$ compute $f({x})$.",
        )
    )
    square = t(x * x)
    first, second = t(a * square), t(b * x)
    part = t(first + second)
    value = t(part + c)
    steps = f"$x^{{2}}={square}$, ${a}\\cdot {square}={first}$, ${b}\\cdot {x}={second}$, "
    steps += f"${first}{_plus(second)}={part}$, ${part}{_plus(c)}={value}$."
    return Problem("polynomial", AL, f"polynomial:{a}:{b}:{c}:{x}", question, steps, (str(value),))


def expand(r: Rng, t: Tally) -> Problem:
    """Product of two linear factors: an expression."""
    a, b = r.between(-9, 9) or 3, r.between(-9, 9) or -2
    k = r.pick((1, 1, 2, 3))
    left = f"{k if k > 1 else ''}x{_plus(a)}"
    question = r.pick(
        (
            f"Expand $({left})(x{_plus(b)})$.",
            f"Write $({left})(x{_plus(b)})$ as a polynomial in $x$.",
        )
    )
    cross = t(k * b)
    middle = t(a + cross)
    last = t(a * b)
    steps = f"${k}\\cdot {b}={cross}$, ${a}{_plus(cross)}={middle}$, ${a}\\cdot {b}={last}$."
    answer = f"{_term(k, 'x^{2}')[1:]}{_term(middle, 'x')}{_plus(last) if last else ''}"
    key = f"expand:{k}:{a}:{b}"
    return Problem("expand", AL, key, question, steps, (answer,), "Expression")


def nth_term(r: Rng, t: Tally) -> Problem:
    """General term of an arithmetic sequence: an expression in n."""
    a, d = r.between(-12, 30), r.between(2, 12) * r.pick((1, 1, 1, -1))
    terms = ", ".join(str(a + i * d) for i in range(4))
    question = r.pick(
        (
            f"The sequence ${terms}, \\ldots$ is arithmetic. Find its $n$-th term.",
            f"Give a formula in $n$ for the $n$-th term of the arithmetic sequence ${terms}, "
            "\\ldots$.",
        )
    )
    step = t(d)
    start = t(a - step)
    steps = f"Difference ${a + d}{_plus(-a)}={step}$, start ${a}{_plus(-step)}={start}$."
    answer = f"{_term(step, 'n').lstrip('+')}{_plus(start) if start else ''}"
    return Problem("nth_term", AL, f"nth_term:{a}:{d}", question, steps, (answer,), "Expression")


def arithmetic_sum(r: Rng, t: Tally) -> Problem:
    """Sum of an arithmetic series."""
    a, d, n = r.between(1, 20), r.between(1, 9), r.between(4, 15)
    question = r.pick(
        (
            f"An arithmetic sequence has first term ${a}$ and difference ${d}$. Find the sum of "
            f"its first ${n}$ terms.",
            f"Compute the sum of the first ${n}$ terms of ${a}, {a + d}, {a + 2 * d}, \\ldots$.",
        )
    )
    jump = t((n - 1) * d)
    last = t(a + jump)
    ends = t(a + last)
    product = t(n * ends)
    value = t(product // 2)
    steps = f"${n - 1}\\cdot {d}={jump}$, ${a}+{jump}={last}$, ${a}+{last}={ends}$, "
    steps += f"${n}\\cdot {ends}={product}$, ${product}/2={value}$."
    return Problem(
        "arithmetic_sum", AL, f"arithmetic_sum:{a}:{d}:{n}", question, steps, (str(value),)
    )


def geometric(r: Rng, t: Tally) -> Problem:
    """A term of a geometric sequence."""
    a, q, n = r.between(1, 12), r.pick((2, 2, 3, 4)), r.between(4, 6)
    question = r.pick(
        (
            f"A geometric sequence starts with ${a}$ and has ratio ${q}$. Find its term number "
            f"${n}$.",
            f"Find term number ${n}$ of the geometric sequence ${a}, {a * q}, {a * q * q}, "
            "\\ldots$.",
        )
    )
    value, parts = a, [str(a)]
    for _ in range(n - 1):
        value = t(value * q)
        parts.append(str(value))
    steps = f"Times ${q}$: $" + ", ".join(parts) + "$."
    return Problem("geometric", AL, f"geometric:{a}:{q}:{n}", question, steps, (str(value),))


def recurrence(r: Rng, t: Tally) -> Problem:
    """A first-order linear recurrence, step by step."""
    a, p, q, n = r.between(1, 6), r.between(2, 3), r.between(-4, 9) or 1, r.between(3, 5)
    question = r.pick(
        (
            f"Let $a_{{1}}={a}$ and $a_{{k+1}}={p}a_{{k}}{_plus(q)}$. Find $a_{{{n}}}$.",
            f"A sequence is given by $a_{{1}}={a}$, $a_{{k+1}}={p}a_{{k}}{_plus(q)}$ for "
            f"$k \\ge 1$. Compute $a_{{{n}}}$.",
        )
    )
    value, parts = a, []
    for _ in range(n - 1):
        product = t(value * p)
        following = t(product + q)
        parts.append(f"${p}\\cdot {value}{_plus(q)}={product}{_plus(q)}={following}$")
        value = following
    key = f"recurrence:{a}:{p}:{q}:{n}"
    return Problem("recurrence", AL, key, question, ", ".join(parts) + ".", (str(value),))


def system(r: Rng, t: Tally) -> Problem:
    """Two linear equations in two unknowns: a tuple."""
    x, y, k = r.between(-9, 15), r.between(-9, 12), r.between(1, 4)
    s, d = x + y, k * x - y
    lead = "" if k == 1 else str(k)
    question = r.pick(
        (
            f"Find the pair $(x, y)$ with $x+y={s}$ and ${lead}x-y={d}$.",
            f"Solve the system $x+y={s}$, ${lead}x-y={d}$. Give the answer as $(x, y)$.",
        )
    )
    total = t(s + d)
    first = t(total // (k + 1))
    second = t(s - first)
    steps = (
        f"Add: ${k + 1}x={total}$, $x={total}/{k + 1}={first}$, $y={s}{_plus(-first)}={second}$."
    )
    return Problem(
        "system", AL, f"system:{k}:{s}:{d}", question, steps, (f"({first},{second})",), "Tuple"
    )


def midpoint(r: Rng, t: Tally) -> Problem:
    """Midpoint of a segment: a tuple."""
    a, b = r.between(-12, 14), r.between(-12, 14)
    c, d = a + 2 * (r.between(-9, 9) or 2), b + 2 * (r.between(-9, 9) or 3)
    question = r.pick(
        (
            f"Find the midpoint of the segment from $({a}, {b})$ to $({c}, {d})$.",
            f"Let $A=({a}, {b})$ and $B=({c}, {d})$. Find the coordinates of the midpoint of $AB$.",
        )
    )
    first, second = t(a + c), t(b + d)
    x, y = t(first // 2), t(second // 2)
    steps = f"${a}{_plus(c)}={first}$, ${first}/2={x}$, ${b}{_plus(d)}={second}$, ${second}/2={y}$."
    return Problem(
        "midpoint", GE, f"midpoint:{a}:{b}:{c}:{d}", question, steps, (f"({x},{y})",), "Tuple"
    )


def absolute(r: Rng, t: Tally) -> Problem:
    """|x - a| below a bound: an open or closed interval."""
    a, b = r.between(-20, 25), r.between(1, 25)
    closed = r.chance(50)
    sign = "\\le" if closed else "<"
    inner = f"x{_plus(-a)}" if a else "x"
    question = r.pick(
        (
            f"Solve $|{inner}| {sign} {b}$. Give the answer as an interval.",
            f"Find the set of all real $x$ with $|{inner}| {sign} {b}$ as an interval.",
        )
    )
    low, high = t(a - b), t(a + b)
    steps = f"${a}-{b}={low}$, ${a}+{b}={high}$, {'closed' if closed else 'open'}."
    answer = f"[{low},{high}]" if closed else f"({low},{high})"
    key = f"absolute:{a}:{b}:{int(closed)}"
    return Problem("absolute", AL, key, question, steps, (answer,), "Interval")


def inequality(r: Rng, t: Tally) -> Problem:
    """A double linear inequality: an interval."""
    a = r.between(2, 6)
    low, width, b = r.between(-9, 9), r.between(1, 12), r.between(-15, 15) or 5
    high = low + width
    closed = r.chance(50)
    sign = "\\le" if closed else "<"
    left, right = a * low + b, a * high + b
    question = r.pick(
        (
            f"Solve ${left} {sign} {a}x{_plus(b)} {sign} {right}$. Give the answer as an interval.",
            f"For which real $x$ is ${left} {sign} {a}x{_plus(b)} {sign} {right}$? Answer with "
            "an interval.",
        )
    )
    first, second = t(left - b), t(right - b)
    x, y = t(first // a), t(second // a)
    steps = f"${left}{_plus(-b)}={first}$, ${first}/{a}={x}$, ${right}{_plus(-b)}={second}$, "
    steps += f"${second}/{a}={y}$, {'closed' if closed else 'open'}."
    answer = f"[{x},{y}]" if closed else f"({x},{y})"
    key = f"inequality:{a}:{b}:{low}:{high}:{int(closed)}"
    return Problem("inequality", AL, key, question, steps, (answer,), "Interval")


def rectangle(r: Rng, t: Tally) -> Problem:
    """Area of a rectangle from its perimeter and one side."""
    a, b = r.between(2, 12), r.between(2, 15)
    p = 2 * (a + b)
    question = r.pick(
        (
            f"A rectangle has perimeter ${p}$ and one side of length ${a}$. Find its area.",
            f"One side of a rectangle is ${a}$ and its perimeter is ${p}$. What is its area?",
        )
    )
    half = t(p // 2)
    other = t(half - a)
    area = t(a * other)
    steps = f"${p}/2={half}$, ${half}-{a}={other}$, ${a}\\cdot {other}={area}$."
    return Problem("rectangle", GE, f"rectangle:{a}:{b}", question, steps, (str(area),))


_TRIPLES = ((3, 4, 5), (5, 12, 13), (8, 15, 17), (7, 24, 25), (20, 21, 29), (12, 35, 37))


def pythagoras(r: Rng, t: Tally) -> Problem:
    """A right triangle with integer sides: the hypotenuse or a leg."""
    a, b, c = r.pick(_TRIPLES)
    k = r.between(1, 6 if c < 20 else 2)
    a, b, c = a * k, b * k, c * k
    if r.chance(50):
        a, b = b, a
    kind = r.below(2)
    if kind:
        question = r.pick(
            (
                f"The legs of a right triangle are ${a}$ and ${b}$. Find the hypotenuse.",
                f"Find the distance from the origin to the point $({a}, {b})$.",
            )
        )
        first, second = t(a * a), t(b * b)
        total = t(first + second)
        value = t(c)
        steps = f"${a}^{{2}}={first}$, ${b}^{{2}}={second}$, ${first}+{second}={total}$, "
        steps += f"$\\sqrt{{{total}}}={value}$."
    else:
        question = f"A right triangle has hypotenuse ${c}$ and one leg ${a}$. Find the other leg."
        first, second = t(c * c), t(a * a)
        total = t(first - second)
        value = t(b)
        steps = f"${c}^{{2}}={first}$, ${a}^{{2}}={second}$, ${first}-{second}={total}$, "
        steps += f"$\\sqrt{{{total}}}={value}$."
    key = f"pythagoras:{kind}:{a}:{b}"
    return Problem("pythagoras", GE, key, question, steps, (str(value),))


def angle(r: Rng, t: Tally) -> Problem:
    """Angles of a triangle or of a polygon, in degrees."""
    if r.chance(60):
        a, b = r.between(15, 85), r.between(15, 85)
        question = r.pick(
            (
                f"Two angles of a triangle are ${a}^{{\\circ}}$ and ${b}^{{\\circ}}$. "
                "Find the third angle in degrees.",
                f"In triangle $ABC$ the angle at $A$ is ${a}^{{\\circ}}$ and the angle at $B$ is "
                f"${b}^{{\\circ}}$. How many degrees is the angle at $C$?",
            )
        )
        total = t(a + b)
        value = t(180 - total)
        steps, key = f"${a}+{b}={total}$, $180-{total}={value}$.", f"angle:{a}:{b}"
    else:
        n = r.between(5, 30)
        question = (
            "Find the sum of the interior angles, in degrees, of a convex polygon with "
            f"${n}$ sides."
        )
        less = t(n - 2)
        value = t(less * 180)
        steps, key = f"${n}-2={less}$, ${less}\\cdot 180={value}$.", f"angle:polygon:{n}"
    return Problem("angle", GE, key, question, steps, (str(value),), unit="^{\\circ}")
