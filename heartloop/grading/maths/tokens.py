"""Splits a mathematical answer into tokens: numbers, symbols, functions, words, operators."""

from __future__ import annotations

import re

from heartloop.grading.maths.caps import MAX_LENGTH, TooLarge

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
_ACCENTS = {"vec", "overrightarrow", "overline", "bar", "hat", "widehat", "tilde", "dot", "ddot"}
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
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None
        at = match.end()
        kind = match.lastgroup
        if kind is None:
            continue
        value = match.group(kind)
        if kind == "cmd" and value in ("text", "mathrm"):
            content, at = _group(text, at)
            kind, value = _worded(value, content)
        if kind == "word":
            tokens.extend(_split_word(value))
            continue
        if kind == "cmd" and value != "binom" and (value in FUNCTIONS or value in _ALIASES):
            kind, value = "fun", _ALIASES.get(value, value)
        tokens.append((kind, value))
    return tokens


def _worded(command: str, content: str) -> tuple[str, str]:
    inner = content.strip()
    name = _ALIASES.get(inner, inner)
    if name in FUNCTIONS:
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


def _split_word(word: str) -> list[tuple[str, str]]:
    """A run of letters: a function, a constant, an English word, or a product of symbols."""
    name = _ALIASES.get(word, word)
    if name in FUNCTIONS:
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
    if len(word) >= 4 or is_word(word):
        return [("text", word)]
    return [("sym", letter) for letter in word]


_SHORT_WORDS = {
    "cm", "mm", "km", "kg", "mg", "ml", "ft", "yd", "hr", "min", "sec", "rad", "th", "st",
    "nd", "rd",
    "the", "and", "or", "is", "are", "of", "for", "all", "any", "day", "days", "no", "yes",
    "if", "in", "to", "at", "by", "on", "as", "an", "it", "be", "we", "so", "Hz", "kHz", "kJ", "kW",
    "mol", "Pa", "kPa", "eV", "mA", "nm", "cubic", "sq", "usd", "USD", "oz", "lb", "lbs", "mph",
    "kmh",
    "only", "not", "when", "then", "mins", "hrs", "secs", "cents", "units", "unit",
}  # fmt: skip


def is_word(run: str) -> bool:
    """Whether a short run of letters is a word or unit rather than a product of symbols."""
    return run in _SHORT_WORDS or run.lower() in _SHORT_WORDS
