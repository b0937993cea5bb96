"""Splits a mathematical answer into tokens: numbers, symbols, functions, words, operators."""

from __future__ import annotations

import re

from heartloop.grading.maths.caps import MAX_LENGTH, TooLarge
from heartloop.grading.maths.units import known, parse_unit

FUNCTIONS = {
    "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "arccot",
    "sinh", "cosh", "tanh", "coth", "ln", "log", "lg", "exp", "sqrt", "gcd", "lcm", "min", "max",
    "abs", "floor", "ceil", "binom", "sgn", "sign", "Re", "Im", "arg", "det", "cis", "arsinh",
    "arcosh", "artanh",
}  # fmt: skip
_ALIASES = {
    "tg": "tan", "ctg": "cot", "cotg": "cot", "arctg": "arctan", "arcctg": "arccot", "cosec": "csc",
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "sh": "sinh", "ch": "cosh", "th": "tanh",
    "arcsinh": "arsinh", "arccosh": "arcosh", "arctanh": "artanh", "mathrm{sgn}": "sgn",
}  # fmt: skip
INVERSE = {
    "sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot",
    "sinh": "arsinh", "cosh": "arcosh", "tanh": "artanh",
}  # fmt: skip
GREEK = {
    "alpha", "beta", "gamma", "delta", "epsilon", "varepsilon", "zeta", "eta", "theta", "vartheta",
    "iota", "kappa", "lambda", "mu", "nu", "xi", "rho", "sigma", "tau", "upsilon", "phi",
    "varphi", "chi", "psi", "omega", "Gamma", "Delta", "Theta", "Lambda", "Xi", "Sigma", "Phi",
    "Psi", "Omega", "hbar", "ell", "partial", "mho", "odot", "nabla", "infty", "pi", "Pi",
}  # fmt: skip
CALLED = {"f", "g", "h", "F", "G", "H"}
_TOKEN = re.compile(
    r"\s+|(?P<num>\d+(?:\.\d+)?|\.\d+)|\\(?P<cmd>[a-zA-Z]+|[{}|\\&])|(?P<word>[A-Za-z]{2,})|"
    r"(?P<sym>[A-Za-z])|(?P<op>.)",
    re.S,
)
_WORDS = {"pi", "infinity", "inf", "infty", "oo", "sqrt", "degrees", "degree", "percent", "pct"}


def tokenize(text: str) -> list[tuple[str, str]]:
    r"""Split cleaned text into (kind, value) tokens; ``\text{…}`` becomes one token.

    Raises:
        TooLarge: more characters than the cap.
    """
    if len(text) > MAX_LENGTH:
        raise TooLarge(f"longer than {MAX_LENGTH} characters")
    tokens: list[tuple[str, str]] = []
    prose = _FORMULA.search(text) is None or _sentence(text)
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None
        at = match.end()
        kind = match.lastgroup
        if kind is None:
            continue
        value = match.group(kind)
        if kind == "num":
            tokens.append((kind, value))
            unit = _UNIT.match(text, at)
            if unit and _is_unit(unit.group()):
                tokens.append(("text", unit.group()))
                at = unit.end()
            continue
        if kind == "cmd" and value in ("text", "mathrm"):
            content, at = _group(text, at)
            kind, value = _worded(value, content)
        if kind == "word":
            before = tokens[-1] if tokens else ("", "")
            tokens.extend(
                _split_word(
                    value, prose, before, text[match.start() - 1 : match.start()], text[at:]
                )
            )
            continue
        if kind == "sym" and value in "AaI" and prose and _LONG.search(text):
            kind = "text"  # an article
        if kind == "cmd" and value not in _KNOWN and (parts := _run_together(value)):
            tokens.extend(parts)
            continue
        if kind == "cmd" and value != "binom" and (value in FUNCTIONS or value in _ALIASES):
            kind, value = "fun", _ALIASES.get(value, value)
        tokens.append((kind, value))
    return tokens


_POWER = r"(?:\s*\^\s*(?:\{\s*-?\d\s*\}|-?\d))?"
_UNIT = re.compile(
    rf"\s*[A-Za-z]+{_POWER}(?:\s*(?:[*·/]|\\cdot(?![A-Za-z]))?\s*\(?\s*[A-Za-z]+{_POWER}\s*\)?)+"
    r"(?![\w\\^(])"
)


def _is_unit(text: str) -> bool:
    """Whether letters behind a number are a unit of several parts: ``J/(kg K)``, ``kg m s^-2``.

    One part at least has two letters: letters alone may be variables, which is decided later.
    """
    words = re.findall(r"[A-Za-z]+", text.replace("\\cdot", " "))
    if max(map(len, words)) < 2 or text.count("(") != text.count(")"):
        return False
    return all(map(known, words)) and parse_unit(text) is not None


def _worded(command: str, content: str) -> tuple[str, str]:
    inner = content.strip()
    name = _ALIASES.get(inner, inner)
    if name in FUNCTIONS and inner not in ("th", "sh", "ch", "min", "sec"):
        return "fun", name
    if len(inner) == 1 and inner.isalpha() and command == "mathrm":
        return "sym", inner
    if re.fullmatch(r"\d+(\.\d+)?", inner):
        return "num", inner
    return "text", content


def _group(text: str, at: int) -> tuple[str, int]:
    """The braced group (or single character) at ``at``, and the index behind it."""
    while at < len(text) and text[at].isspace():
        at += 1
    if at >= len(text):
        return "", at
    if text[at] != "{":
        return text[at], at + 1
    depth = 0
    for i in range(at, len(text)):
        if text[i] == "{" and text[i - 1] != "\\":
            depth += 1
        elif text[i] == "}" and text[i - 1] != "\\":
            depth -= 1
            if depth == 0:
                return text[at + 1 : i], i + 1
    return text[at + 1 :], len(text)


def _split_word(
    word: str, prose: bool, before: tuple[str, str], joint: str, rest: str
) -> list[tuple[str, str]]:
    """A run of letters: a function, a constant, a unit, an English word, or a product of symbols.

    In a formula two or three letters are a unit behind a number, else a product: ``2as`` holds a
    and s, ``3cm`` does not hold c and m. In prose they are a word.

    Args:
        word: the letters.
        prose: the text has no sign of mathematics.
        before: the token before.
        joint: the character right before.
        rest: the text behind it.
    """
    name = _ALIASES.get(word, word)
    if word in ("min", "sec") and before[0] == "num" and not rest.lstrip().startswith(("(", "{")):
        return [("text", word)]
    if name in FUNCTIONS and (name == word or len(word) > 2 or prose):
        return [("fun", name)]
    if word in GREEK or word.lower() in _WORDS:
        low = word if word in GREEK else word.lower()
        if low in ("infinity", "inf", "oo"):
            return [("cmd", "infty")]
        if low in ("percent", "pct"):
            return [("op", "%")]
        return [("text", "degrees")] if low.startswith("degree") else [("cmd", low)]
    for length in (6, 4, 3, 2):  # "sinx", "lnx"
        if (
            len(word) == length + 1
            and word[:length] in FUNCTIONS
            and word[:length] not in ("Re", "Im")
        ):
            return [("fun", word[:length]), ("sym", word[length:])]
    if len(word) >= 4:
        return [("text", word)]
    if joint.isdigit() and _ORDINAL.fullmatch(before[1] + word):
        return []
    if before[0] == "num" or before[1] in ("}", ")", "/", "%") or before[0] == "text":
        if known(word) and not (word == "in" and joint.isdigit()):
            return [("text", word)]
    if prose and (is_word(word) or _LONG.search(rest) or before[0] == "text"):
        return [("text", word)]
    return [("sym", letter) for letter in word]


_FORMULA = re.compile(r"[\d^_=+*/<>\\|]")
_COMMON = re.compile(
    r"(?<![\w\\{])(?:[Tt]he|[Aa]n|is|are|was|for|when|than|that|each|every|has|have|with|"
    r"and|of)(?!\w)"
)
_LONG = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{4,}(?![A-Za-z])")
_TEXTS = re.compile(r"\\[a-z]+\s*\{[A-Za-z ]*\}")


def _sentence(text: str) -> bool:
    """Whether a text with formulas in it is a sentence: a long and a common word stand in it."""
    bare = _TEXTS.sub(" ", text)
    return _COMMON.search(bare) is not None and _LONG.search(bare) is not None


_ORDINAL = re.compile(r"(?:\d*1[123]th|(?:\d*[02-9])?(?:1st|2nd|3rd|[04-9]th)|\d*[1-9]0th)", re.I)
_KNOWN = (
    FUNCTIONS | GREEK | set(_ALIASES) | {"text", "mathrm", "frac", "infty", "in", "int", "notin"}
)


def _run_together(command: str) -> list[tuple[str, str]] | None:
    r"""``\pir`` and ``\arcsinx``: a known command and the letters that lost their space."""
    for length in range(len(command) - 1, 1, -1):
        head, tail = command[:length], command[length:]
        if len(tail) > 2:
            return None
        if head in FUNCTIONS and len(head) > 2 or head in ("pi", "theta", "alpha", "beta", "ln"):
            if command not in _REAL_COMMANDS:
                kind = "fun" if head in FUNCTIONS else "cmd"
                return [(kind, head), *(("sym", letter) for letter in tail)]
    return None


_REAL_COMMANDS = {
    "sinh", "cosh", "tanh", "coth", "cots", "minus", "exp", "pitchfork", "piv", "pihat", "logs",
    "max", "min", "sec", "csc", "abs", "arg", "det", "gcd", "lcm",
}  # fmt: skip
_SHORT_WORDS = {
    "th", "st", "nd", "rd", "the", "and", "or", "is", "are", "of", "for", "all", "any", "day",
    "no", "yes", "if", "in", "to", "at", "by", "on", "as", "an", "it", "be", "we", "so", "sq",
    "only", "not", "when", "then", "unit", "odd", "one", "two", "six", "ten", "DNE", "dne", "sum",
}  # fmt: skip


def is_word(run: str) -> bool:
    """Whether a short run of letters in prose is a word rather than a product of symbols."""
    return run in _SHORT_WORDS or run.lower() in _SHORT_WORDS or known(run)
