"""Thinking that stands inside an answer's text: every known format, told apart in one place.

What a model thought is never graded, never sent back and never counted as its answer. Servers
with a reasoning parser hand it out in a field of its own (``models.replies``); all others leave
it in the text, in the marks that the model was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

from heartloop import regex as re


@dataclass(frozen=True, slots=True)
class Form:
    """One pair of marks.

    Attributes:
        opening, closing: patterns of the marks.
        needs_close: the opening is made of ordinary words; without its closing it means nothing.
    """

    opening: re.Pattern[str]
    closing: re.Pattern[str]
    needs_close: bool = False


def _form(opening: str, closing: str, *, needs_close: bool = False) -> Form:
    return Form(re.compile(opening, re.IGNORECASE), re.compile(closing, re.IGNORECASE), needs_close)


_TAG = (
    "think(?:ing)?|thoughts?|reason(?:ing)?|reflect(?:ion)?|scratchpad|cot_budget_reflect|analysis"
    "|(?:inner_|internal_)?monologue|chain_of_thought|cot"
)
_TOKEN = "(?:begin_of_|start_of_|begin_|start_)?(?:think(?:ing)?|thought|reasoning)|inner_prefix"
_TOKEN_END = "(?:end_of_|end_|/)(?:think(?:ing)?|thought|reasoning)|inner_suffix"

FORMS = (
    # DeepSeek R1, Qwen, GLM, MiniMax, EXAONE, Reflection; <seed:think> of Seed-OSS;
    # <thinking>; in any case, with blanks or attributes
    _form(
        rf"<\s*(?:[a-z]\w*:)?(?:{_TAG})(?:\s[^<>\n]{{0,80}})?>",
        rf"<\s*/\s*(?:[a-z]\w*:)?(?:{_TAG})\s*>",
    ),
    # Mistral's Magistral
    _form(r"\[THINK\]", r"\[/THINK\]"),
    # Kimi
    _form(r"\u25c1think\u25b7", r"\u25c1/think\u25b7"),
    # OpenThoughts <|begin_of_thought|>, Cohere <|START_THINKING|>, Apertus <|inner_prefix|>
    _form(rf"<\|(?:{_TOKEN})\|>", rf"<\|(?:{_TOKEN_END})\|>"),
    # MedGemma, and Gemma's channel of thoughts
    _form(r"<unused94>(?:thought)?", r"<unused95>"),
    _form(r"<\|channel>(?:thought)?", r"<channel\|>"),
    # Granite; Ollama's command line
    _form(
        r"here(?:'s|\u2019s| is) my thought process:",
        r"here(?:'s|\u2019s| is) my response:",
        needs_close=True,
    ),
    _form(r"thinking\.\.\.\s*\n", r"\.\.\.done thinking\.?", needs_close=True),
)

# Harmony (gpt-oss): messages in channels, of which the last one called final is the answer.
_HARMONY = re.compile(r"\s*(?:<\|start\|>[^<]{0,40})?<\|channel\|>|<\|start\|>\s*assistant")
_HARMONY_MESSAGE = re.compile(
    r"(?s)(?:<\|channel\|>(?P<channel>[^<]*))?(?:<\|constrain\|>[^<]*)?<\|message\|>"
    r"(?P<text>.*?)(?=<\|(?:end|return|call|start|channel)\|>|\Z)"
)
# The same with its marks lost in detokenising: "analysisWe need …assistantfinalIt is 4."
_BARE = re.compile(r"\s*(?:(?:analysis|commentary)(?=[\w\\$({\[])|assistantfinal)")
_BARE_FINAL = re.compile(r"assistant\s?final(?:<\|message\|>)?")

# What wraps the answer once the thinking is over, and nothing else.
_WRAPPERS = re.compile(
    r"<\|(?:START_RESPONSE|END_RESPONSE|begin_of_solution|end_of_solution|return|end)\|>"
)
_QUOTES = "`'\"\u201c\u2018\u00ab"
# Without any of these there is no mark: what most answers are asked first.
_TELLTALES = ("think", "thought", "reason", "reflect", "scratch", "cot", "monologue", "analysis",
              "<|", "unused9", "|>")  # fmt: skip
_AT_HEAD = re.compile(r"\s*(?:analysis|commentary|assistantfinal|here|thinking)", re.IGNORECASE)

MOST_BLOCKS = 50


def split_thinking(text: str) -> tuple[str, str | None, bool]:
    """The answer in a text, the thinking in it, and whether the thinking came to its end.

    The opening mark may be missing, since some chat templates put it into the prompt; marks that
    an answer merely talks about (within a line, or quoted) are part of it.

    Returns:
        The answer (untouched where there was no thinking, else without blanks around it), the
        thinking or None, and False where the thinking was cut: then the answer is what was said
        before it, as a rule nothing.
    """
    lower = text.lower()
    for word in _TELLTALES:
        if word in lower:
            break
    else:
        if not _AT_HEAD.match(text):
            return text, None, True
    if _HARMONY.match(text) or "<|start|>assistant<|channel|>" in text:
        return _harmony(text)
    if _BARE.match(text):
        return _bare(text)
    thoughts: list[str] = []
    said: list[str] = []
    closed = True
    rest = text
    while closed and (block := _first_block(rest, at_head=not said)):
        if len(thoughts) == MOST_BLOCKS:  # a model that goes round in circles said nothing
            thoughts.append(rest.strip())
            rest, closed = "", False
            break
        before, thought, after, closed = block
        if before.strip():
            said.append(before.strip())
        thoughts.append(thought.strip())
        rest = after
    if not thoughts:
        return text, None, True
    answer = "\n".join([*said, _WRAPPERS.sub("", rest).strip()]).strip()
    return answer, "\n".join(t for t in thoughts if t), closed


def _first_block(text: str, *, at_head: bool) -> tuple[str, str, str, bool] | None:
    """What stands before the first block of thinking, in it and after it, and if it is closed."""
    head = len(text) - len(text.lstrip())
    found: tuple[int, int, Form] | None = None
    for form in FORMS:
        opening = form.opening.match(text, head) if at_head else None
        if opening is None and not form.needs_close:
            opening = next((m for m in form.opening.finditer(text) if _at_line(text, m)), None)
        if opening is not None and (found is None or opening.start() < found[0]):
            if not form.needs_close or form.closing.search(text, opening.end()):
                found = (opening.start(), opening.end(), form)
    stray = _stray_close(text) if at_head else None
    if stray is not None and (found is None or stray[1] <= found[0]):
        return "", text[: stray[0]], text[stray[1] :], True
    if found is None:
        return None
    start, end, form = found
    closing = _closing(text, end, form)
    if closing is None:
        return text[:start], text[end:], "", False
    return text[:start], text[end : closing.start()], text[closing.end() :], True


def _closing(text: str, start: int, form: Form) -> re.Match[str] | None:
    """The mark that ends a block: blocks may stand inside one another (<reflection>)."""
    depth = 1
    position = start
    last = None
    while closing := form.closing.search(text, position):
        depth += sum(1 for m in form.opening.finditer(text, position, closing.start())
                     if _at_line(text, m)) - 1  # fmt: skip
        position, last = closing.end(), closing
        if depth <= 0:
            break
    return last


def _stray_close(text: str) -> tuple[int, int] | None:
    """Start and end of the last closing mark that has no opening before it."""
    best: tuple[int, int] | None = None
    for form in FORMS:
        if form.needs_close:
            continue
        opening = form.opening.search(text)
        end = len(text) if opening is None else opening.start()
        for closing in form.closing.finditer(text, 0, end):
            if not _quoted(text, closing) and (best is None or closing.end() > best[1]):
                best = closing.span()
    return best


def _at_line(text: str, mark: re.Match[str]) -> bool:
    """Whether a mark begins a line, outside of a block of code."""
    before = text[: mark.start()].rstrip(" \t")
    return (not before or before.endswith("\n")) and before.count("```") % 2 == 0


def _quoted(text: str, mark: re.Match[str]) -> bool:
    return mark.start() > 0 and text[mark.start() - 1] in _QUOTES


def _harmony(text: str) -> tuple[str, str | None, bool]:
    thoughts: list[str] = []
    final: str | None = None
    first = _HARMONY.search(text)
    lead = text[: first.start()] if first else ""
    lead = re.sub(r"<\|(?:end|return)\|>\s*$", "", lead)  # opened in the prompt
    if lead.strip():
        thoughts.append(lead.strip())
    for message in _HARMONY_MESSAGE.finditer(text, first.start() if first else 0):
        channel = (message["channel"] or "").strip().lower()
        if channel.startswith("final"):
            final = message["text"].strip()
        else:
            thoughts.append(message["text"].strip())
    return final or "", "\n".join(t for t in thoughts if t) or None, final is not None


def _bare(text: str) -> tuple[str, str | None, bool]:
    finals = list(_BARE_FINAL.finditer(text))
    start = re.match(r"\s*(?:analysis|commentary)?", text)
    begin = start.end() if start else 0
    if not finals:
        return "", text[begin:].strip(), False
    last = finals[-1]
    return text[last.end() :].strip(), text[begin : last.start()].strip() or None, True
