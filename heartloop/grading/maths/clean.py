"""Brings the ways of writing mathematics to one: Unicode, HTML, spacing, damaged escapes."""

from __future__ import annotations

import re
import unicodedata

from heartloop.grading.maths.spellings import spelled

_UNICODE = {
    "−": "-", "–": "-", "—": "-", "﹣": "-", "‐": "-", "‑": "-",
    "×": r" \times ", "✕": r" \times ", "·": r" \cdot ", "⋅": r" \cdot ",
    "∙": r" \cdot ", "•": r" \cdot ",
    "÷": r" \div ", "∗": "*", "∕": "/", "⁄": "/",
    "≤": r" \le ", "≦": r" \le ", "⩽": r" \le ", "≥": r" \ge ", "≧": r" \ge ", "⩾": r" \ge ",
    "≠": r" \ne ", "≈": r" \approx ", "≅": r" \cong ", "≡": r" \equiv ", "∼": r" \sim ",
    "∞": r" \infty ", "√": r" \sqrt ", "∛": r" \sqrt[3] ", "°": r"^{\circ}", "º": r"^{\circ}",
    "±": r" \pm ", "∓": r" \mp ", "∪": r" \cup ", "∩": r" \cap ", "∈": r" \in ", "∉": r" \notin ",
    "∅": r" \emptyset ", "⊂": r" \subset ", "⊆": r" \subseteq ", "∖": r" \setminus ",
    "→": r" \to ", "⇒": r" \implies ", "⇔": r" \iff ", "∀": r" \forall ", "∃": r" \exists ",
    "∧": r" \land ", "∨": r" \lor ", "∠": r" \angle ", "⊥": r" \perp ", "∥": r" \parallel ",
    "∑": r" \sum ", "∏": r" \prod ", "∫": r" \int ", "∂": r" \partial ",
    "ℝ": r" \R ", "ℤ": r" \Z ", "ℕ": r" \N ", "ℚ": r" \Q ", "ℂ": r" \C ",
    "π": r" \pi ", "α": r" \alpha ", "β": r" \beta ", "γ": r" \gamma ", "δ": r" \delta ",
    "ε": r" \epsilon ", "θ": r" \theta ", "λ": r" \lambda ", "μ": r" \mu ", "µ": r" \mu ",
    "ρ": r" \rho ", "σ": r" \sigma ", "τ": r" \tau ", "φ": r" \varphi ", "ϕ": r" \phi ",
    "ω": r" \omega ", "Ω": r" \Omega ", "Δ": r" \Delta ", "Σ": r" \Sigma ", "ħ": r" \hbar ",
    "⌊": r" \lfloor ", "⌋": r" \rfloor ", "⌈": r" \lceil ", "⌉": r" \rceil ",
    "…": r" \ldots ", "⋯": r" \cdots ", "、": ", ", "。": ". ", "∶": ":", "٫": ".", "٬": ",",
    "‰": r" \times 10^{-3} ", "′": "'", "″": "''",
    "’": "'", "‘": "'",
    "“": '"', "”": '"', "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "\ufeff": "",
}  # fmt: skip
_UNICODE_RE = re.compile("|".join(map(re.escape, _UNICODE)))
_SUPERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ", "0123456789+-n")
_SUPER_RE = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_SUBS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ₙ", "0123456789+-n")
_SUB_RE = re.compile("[₀₁₂₃₄₅₆₇₈₉₊₋ₙ]+")
_FRACTIONS = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅛": "1/8"}
_CIRCLED = re.compile("[①-⑳]+")

_DAMAGED = (  # a backslash sequence that some program took for a control character
    (re.compile("\x0c(?=rac|orall|lo)"), r"\\f"),
    (re.compile("\t(?=ext|imes|an|heta|o |au|frac|riangle)"), r"\\t"),
    (re.compile("\x08(?=oxed|eta|egin|inom|ar|igg?|mod)"), r"\\b"),
    (re.compile("\r(?=ight|ho|angle|floor|ceil)"), r"\\r"),
    (re.compile("\x0b(?=ec|ar|arphi)"), r"\\v"),
    (re.compile("\x07(?=lpha|pprox|ngle|rc)"), r"\\a"),
    (re.compile("\n(?=eq(?![a-z])|leq|geq|abla)"), r"\\n"),
)
_NOISE = re.compile(
    r"\\(?:left|right|middle|[bB]igg?[lrm]?|displaystyle|textstyle|limits|nolimits|mathstrut|"
    r"vphantom\{[^{}]*\}|phantom\{[^{}]*\}|hspace\{[^{}]*\}|nobreak|allowbreak|"
    r"tiny|small|normalsize|large|Large|LARGE|huge|Huge)(?![a-zA-Z])\s*\.?"
)
_LEFT_DOT = re.compile(r"\\(?:left|right)\s*\.")
_SPACES = re.compile(r"(?<!\\)\\[,;:! >]|\\(?:thinspace|medspace|enspace|space)(?![a-zA-Z])|~")
_RENAMES = (
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"\\[dt]binom(?![a-zA-Z])"), r"\\binom"),
    (re.compile(r"\\(?:leqslant|leqq|leq|lte)(?![a-zA-Z])"), r"\\le "),
    (re.compile(r"\\(?:geqslant|geqq|geq|gte)(?![a-zA-Z])"), r"\\ge "),
    (re.compile(r"\\lt(?![a-zA-Z])"), "<"),
    (re.compile(r"\\gt(?![a-zA-Z])"), ">"),
    (re.compile(r"\\(?:neq|not\s*=)(?![a-zA-Z])|!="), r"\\ne "),
    (re.compile(r"<=(?!>)"), r"\\le "),
    (re.compile(r">="), r"\\ge "),
    (re.compile(r"\\(?:lbrace)(?![a-zA-Z])"), r"\\{"),
    (re.compile(r"\\(?:rbrace)(?![a-zA-Z])"), r"\\}"),
    (re.compile(r"\\(?:lbrack)(?![a-zA-Z])"), "["),
    (re.compile(r"\\(?:rbrack)(?![a-zA-Z])"), "]"),
    (re.compile(r"\\(?:lvert|rvert|vert|mid)(?![a-zA-Z])"), "|"),
    (re.compile(r"\\(?:cupdot|cupdots|sqcup|uplus|bigcup)(?![a-zA-Z])"), r"\\cup "),
    (re.compile(r"\\(?:varnothing|O(?=$|\s*$))(?![a-zA-Z])"), r"\\emptyset "),
    (re.compile(r"\\textcirc(?![a-zA-Z])|\\degree(?![a-zA-Z])"), r"\\circ "),
    (re.compile(r"\\mathbb\s*\{?\s*([RZNQC])\s*\}?"), r"\\\1 "),
    (re.compile(r"\\backslash(?![a-zA-Z])"), r"\\setminus "),
    (re.compile(r"\\(?:dots|dotsc|dotsb|cdots|hdots)(?![a-zA-Z])|\.\.\.+"), r"\\ldots "),
    (re.compile(r"\\(?:mbox|textrm|textnormal|textsf|texttt|hbox|textup)(?![a-zA-Z])"), r"\\text"),
    (re.compile(r"\\(?:textbf|textit|emph|underline|bold)(?![a-zA-Z])"), r"\\text"),
    (re.compile(r"\\(?:mathbf|mathit|mathsf|mathcal|boldsymbol)(?![a-zA-Z])"), r"\\mathrm"),
    (re.compile(r"\\(?:mathnormal|bm|rm|bf|it)(?![a-zA-Z])"), r"\\mathrm"),
    (re.compile(r"\\operatorname\*?(?![a-zA-Z])"), r"\\mathrm"),
    (re.compile(r"\\(?:[lL]ongrightarrow|[rR]ightarrow|implies)(?![a-zA-Z])"), r"\\to "),
    (re.compile(r"\\(?:doteq|simeq|thickapprox|approxeq)(?![a-zA-Z])"), r"\\approx "),
    (re.compile(r"\\(?:coloneqq|triangleq|equiv(?=\s*[^(]*$))(?![a-zA-Z])|:=|≔|≜"), "="),
)  # fmt: skip
_SUP_TAG = re.compile(r"<sup>(.*?)</sup>", re.S | re.I)
_SUB_TAG = re.compile(r"<sub>(.*?)</sub>", re.S | re.I)
_BREAK_TAG = re.compile(r"<br\s*/?>", re.I)
_THOUSANDS = re.compile(r"(?<=\d)\s*(?:\{\s*,\s*\}|,\s*\\!|\\,|\{\s*\\,\s*\})\s*(?=\d{3}(?!\d))")


def repair(text: str) -> str:
    r"""Undo control characters that were once LaTeX commands (``\f`` + ``rac``)."""
    if any(char in text for char in "\x0c\t\x08\r\x0b\x07\n"):
        for pattern, replacement in _DAMAGED:
            text = pattern.sub(replacement, text)
    return text


_UNIT_RATIO = re.compile(
    r"\\frac\s*\{\s*\\(?:text|mathrm)\s*\{([^{}]*)\}\s*\}\s*"
    r"\{\s*\\(?:text|mathrm)\s*\{([^{}]*)\}(\^\{?\d\}?)?\s*\}"
)
_REPEATING = re.compile(r"(?<!\d)(\d{0,60})\.(\d{0,60})\\(?:overline|dot|bar)\s*\{?(\d+)\}?")
_DOTTED = re.compile(r"(?<![\d.])(\d{0,60})\.(\d{0,60}?)(\d{1,6}?)\3{2,}\d{0,5}\s*\\ldots")
_SCALED = re.compile(
    r"(?<=\d)\s*(?:\\text\s*\{)?\s*(dozen|hundred|thousand|million|billion|trillion)\b\s*\}?", re.I
)
_POWERS = {
    "dozen": "12", "hundred": "10^{2}", "thousand": "10^{3}", "million": "10^{6}",
    "billion": "10^{9}", "trillion": "10^{12}",
}  # fmt: skip


def _repeating(match: re.Match[str]) -> str:
    """A repeating decimal as a fraction: 0.1(6) is 15/90."""
    whole, fixed, cycle = match[1] or "0", match[2], match[3]
    if len(fixed) + len(cycle) > 60 or len(whole) > 60:
        return match.group()
    top = int(whole + fixed + cycle) - int(whole + fixed)
    return f"({top}/{(10 ** len(cycle) - 1) * 10 ** len(fixed)})"


def clean(text: str) -> str:
    r"""One spelling for one meaning: ASCII LaTeX without spacing, sizing and display commands.

    Args:
        text: an answer in LaTeX, Unicode, HTML or plain text.

    Returns:
        The text with ``\frac`` for every fraction command, ``\le`` for every spelling of ≤,
        ``\text{…}`` for words, without dollars, ``\left``, ``\,`` and thousands marks such as
        ``{,}``.
    """
    text = (
        re.sub(r"[ \t\r\f\v]+", " ", spelled(repair(text)))
        .replace('\\"', '"')
        .replace("\\$", " ")
        .replace("\\%", "%")
        .replace("\\#", "#")
    )
    if not text.isascii():
        text = _CIRCLED.sub(
            lambda m: ", ".join(str(ord(char) - 0x2460 + 1) for char in m.group()) + " ", text
        )
        text = _SUPER_RE.sub(lambda m: "^{" + m.group().translate(_SUPERS) + "}", text)
        text = _SUB_RE.sub(lambda m: "_{" + m.group().translate(_SUBS) + "}", text)
        for char, plain in _FRACTIONS.items():
            text = text.replace(char, f" {plain} ")
        text = _UNICODE_RE.sub(lambda m: _UNICODE[m.group()], text)
        text = unicodedata.normalize("NFKC", text)
        text = _UNICODE_RE.sub(lambda m: _UNICODE[m.group()], text)
    if "<" in text:
        text = _SUP_TAG.sub(r"^{\1}", text)
        text = _SUB_TAG.sub(r"_{\1}", text)
        text = _BREAK_TAG.sub(" ", text)
    if "begin{" not in text:
        text = re.sub(r"\\{2,}(?=[a-zA-Z({\[\])}|,;! ])", lambda m: "\\", text)
    text = _THOUSANDS.sub("", text)
    text = text.replace("\\(", " ").replace("\\)", " ")
    text = re.sub(r"(?<!\\)\\\[|\\\](?!\])", " ", text) if "\\[" in text else text
    text = text.replace("$", " ")
    text = _LEFT_DOT.sub(" ", text)
    text = _NOISE.sub(lambda m: "", text)
    text = _SPACES.sub(" ", text)
    for pattern, replacement in _RENAMES:
        text = pattern.sub(replacement, text)
    text = _UNIT_RATIO.sub(r"\\text{ \1/\2\3}", text)
    if "." in text:
        text = _DOTTED.sub(_repeating, _REPEATING.sub(_repeating, text))
    text = _SCALED.sub(lambda m: rf" \times {_POWERS[m[1].lower()]} ", text)
    text = re.sub(r"\\mathrm\s+([A-Za-z])(?![A-Za-z])", r"\\mathrm{\1}", text)
    text = re.sub(r"\.(?=\s*[\])}])", "", text)
    return text.strip()


def strip_ends(text: str) -> str:
    """Without surrounding space, quotes and final punctuation."""
    before = None
    while text != before:
        before = text
        text = text.strip().strip('"`').strip()
        if text.endswith((".", ";", ":", ",")) and not text.endswith("\\;"):
            text = text[:-1]
        if text.endswith("\\"):
            text = text[:-1]
        for mark in ("**", "__", "*", "_"):
            if text.startswith(mark) and text.endswith(mark) and len(text) > 2 * len(mark):
                text = text[len(mark) : -len(mark)]
        text = re.sub(r"(?<=\d)\s+(?:ca|approx|circa)$", "", text)
        text = re.sub(r"^#{1,6}\s+", "", text)
        text = re.sub(r"^(?:\\q?quad|\\\\)\s*|\s*(?:\\q?quad|\\\\)$", "", text)
    return text
