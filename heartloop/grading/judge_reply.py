"""What a judge decided, read from its reply: its own last verdict, or nothing.

A reply may quote a verdict of the submission, consider one, or negate one; none of these is the
judge's own. Doubt is never read as a verdict: then the vote is lost, and the answer stays unscored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from heartloop import regex as re
from heartloop.grading.extract import visible_text

LONGEST = 20_000
"""Characters of a reply that are read: its end, where verdicts stand."""

# Words that hand what follows to somebody else (the submission, a template) or leave it open.
# Between such a word and the verdict stand a few words at most, and no sentence ends.
_NOT_OWN = re.compile(
    r"""(?ix) (?<![\w'’]) (?:
      (?:(?:sa(?:y|id)|stat|claim|contain|includ|quot|read|writ|wrote|ask|t[eo]l[ld]|want|demand
        |request|instruct|order|tri|try|tempt|inject|print|output|suggest|ignor|disregard
        |consider)\w*
        |ends?\ with|begins?\ with|formats?|templates?|schema|examples?|e\.g|submission(?:'s|’s)
        |could|might|may|would|should|can|cannot|whether|if|unless|either
        |perhaps|maybe|possibly|at\ first|initially|instead\ of|rather\ than
        |than|unlike|despite|not|never|no|nor|neither|hardly|barely|scarcely|without|far\ from)
      | (?:is|was|does|did|do|ca|wo|could|would|should|are|were)n['’]?t
    ) (?![\w]) [\s:"'`*“”‘’«»(\[]*
    (?:[^\s.!?;:,{}]+[\s:"'`*“”‘’«»(\[]+){0,5} $"""
)
_OWN = re.compile(
    r"(?i)\b(?:my|final|own|therefore|thus|hence|so|overall|actual|correct)\b[^.!?{}]{0,40}$"
    r"|\b(?:i|we)\s+(?:\w+\s+)?(?:answer|conclude|decide|judge|grade|rule|give|say|reply)\b\W*$"
    r"|\bafter\b[^.!?{}]{0,40}:\s*$|\byou\s+(?:ask|want|request|said|need)\w*[^.!?{}]{0,20}$"
)
_DOUBTED = re.compile(
    r"(?i)[\s\"'`*”’».)\]]*(?:\?|,?\s*(?:which|is|was|would|as\s+(?:it|the)|but\s+(?:that|"
    r"this|it)\b"
    r"|in\s+(?:the|its)\s+(?:submission|text|answer|reply)|seems|or)\b)"
)


@dataclass(frozen=True, slots=True)
class _Found:
    """One place that names axes: values as written, and whether they are the judge's own."""

    start: int
    end: int
    values: Mapping[str, Any]
    own: bool
    is_object: bool


def parse_reply(
    text: str, axes: Mapping[str, Sequence[str]], *, cut: bool = False
) -> dict[str, str] | None:
    """The label of every axis by the judge's own last verdict, or None.

    Read are JSON objects (loose ones too), ``axis: LABEL``, ``<axis>LABEL</axis>`` and, with one
    axis and nothing of that kind, a label that the reply asserts in words.

    Args:
        text: the judge's reply.
        axes: labels by axis.
        cut: the reply ended at its token limit; then only a JSON verdict at its very end counts.

    Returns:
        A label for each axis; None where there is no verdict of the judge's own, or no clear one.
    """
    text, unclosed = visible_text(text)
    if unclosed:
        return None
    text = text[-LONGEST:]
    try:  # a whole reply that is one JSON string
        inner = json.loads(text, strict=False)
        text = inner if isinstance(inner, str) else text
    except (ValueError, RecursionError):
        pass
    objects, spans = _objects(text, axes)
    places = sorted([*objects, *_named(text, axes, spans)], key=lambda place: place.start)
    own = [place for place in places if place.own]
    if cut:
        rest = text[own[-1].end :] if own and own[-1].is_object else "cut"
        if rest.strip(" \n\t`]}"):
            return None
    if not places and len(axes) == 1 and not spans:
        return _in_words(text, axes)
    return _last(own, axes)


def _last(own: Sequence[_Found], axes: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """The last set of labels: a place that names an axis once more begins a new set."""
    verdict: dict[str, str | None] = {}
    after_object = False
    for place in own:
        labels = {axis: label_of_value(value, axes[axis]) for axis, value in place.values.items()}
        if after_object and not place.is_object and None in labels.values():
            continue  # words that explain the object before them
        if verdict.keys() & labels.keys():
            verdict = {}
        verdict.update(labels)
        after_object = after_object or place.is_object
    known = {axis: label for axis, label in verdict.items() if label is not None}
    return {axis: known[axis] for axis in axes} if known.keys() == axes.keys() else None


def label_of_value(value: Any, labels: Sequence[str]) -> str | None:
    """The label that a value spells, whatever its case, blanks and quotes; ``4/5`` is ``4``."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool):
        value = "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, (str, int)):
        return None
    folded = _fold(str(value))
    truth = {"true": "yes", "false": "no"}.get(folded)
    numbers = [int(label) for label in labels if label.isdigit()]
    if numbers:
        folded = re.sub(rf"_?(?:/|out_of)_?{max(numbers)}$", "", folded)
    return next((label for label in labels if _fold(label) in (folded, truth)), None)


def _fold(text: str) -> str:
    return re.sub(r"[\s_-]+", "_", text.strip(" \n\t.,;!\"'`*_“”‘’«»()[]")).lower()


# --- JSON, as loose as judges write it -----------------------------------------------------


def _objects(
    text: str, axes: Mapping[str, Sequence[str]]
) -> tuple[list[_Found], list[tuple[int, int]]]:
    """Objects that name an axis, and the spans of all objects."""
    found, spans = [], []
    position = 0
    while (start := text.find("{", position)) >= 0:
        read = _read_object(text, start)
        if read is None:
            position = start + 1
            continue
        value, position = read
        spans.append((start, position))
        values = _axes_of(value, axes)
        if values:
            own = _is_own(text, start, position)
            found.append(_Found(start, position, values, own, is_object=True))
    return found, spans


def _axes_of(value: Mapping[str, Any], axes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The axes of an object; those of the one object in it, unless its key quotes."""
    folded = {_fold(str(key)): item for key, item in value.items()}
    found = {axis: folded[_fold(axis)] for axis in axes if _fold(axis) in folded}
    inner = [(key, item) for key, item in value.items() if isinstance(item, (dict, list))]
    if found and not all(isinstance(item, dict) for item in found.values()):
        return found
    if len(inner) == 1:
        key, item = inner[0]
        if isinstance(item, list) and len(item) == 1:
            item = item[0]
        quotes = re.search(r"(?i)submi|example|format|quot|input|text|candidate|student|claim", key)
        if isinstance(item, dict) and not quotes:
            return _axes_of(item, axes)
    return {}


def _read_object(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """The object that begins here and where it ends: strict JSON, else loosely; None if none.

    A cut object gives the pairs that are complete, and ends with the text.
    """
    try:
        value, end = json.JSONDecoder(strict=False).raw_decode(text, start)
        return value, end
    except (ValueError, RecursionError):
        pass
    if not re.compile(r"\{\s*(?:[\"'“]|\w+\s*:)").match(text, start):
        return None
    try:
        return _loose_object(text, start + 1, 0)
    except (ValueError, RecursionError):
        return None


_KEY = re.compile(r"\s*(?:\"([^\"\n]*)\"|'([^'\n]*)'|“([^”\n]*)”|(\w+))\s*:\s*")
_BARE = re.compile(r"[^,}\]\n]*")


def _loose_object(text: str, at: int, depth: int) -> tuple[dict[str, Any], int]:
    pairs: dict[str, Any] = {}
    if depth > 20:
        raise ValueError("too deep")
    while True:
        at = _skip(text, at, " \n\t\r,")
        if at >= len(text):
            return pairs, at
        if text[at] == "}":
            return pairs, at + 1
        key = _KEY.match(text, at)
        if key is None:
            if pairs:  # something else than a pair: what was read so far is all
                return {}, _skip_to(text, at)
            raise ValueError("no object")
        name = next(group for group in key.groups() if group is not None)
        value, at, closed = _loose_value(text, key.end(), depth)
        if closed:
            pairs[name] = value


def _loose_value(text: str, at: int, depth: int) -> tuple[Any, int, bool]:
    """A value, where it ends, and whether it came to its end."""
    if at >= len(text):
        return None, at, False
    first = text[at]
    if first in "\"'“":
        last = "”" if first == "“" else first
        # A quote ends its string where a comma or a bracket follows; others stand in the text.
        end = re.compile(rf"(?<!\\){last}(?=\s*(?:[,}}\]]|$))").search(text, at + 1)
        if end is None:
            return None, len(text), False
        return text[at + 1 : end.start()], end.end(), True
    if first == "{":
        value, end_at = _loose_object(text, at + 1, depth + 1)
        return value, end_at, end_at < len(text) or text.endswith("}")
    if first == "[":
        close = text.find("]", at)
        if close < 0:
            return None, len(text), False
        return [_strip(part) for part in text[at + 1 : close].split(",")], close + 1, True
    bare = _BARE.match(text, at)
    end_at = bare.end() if bare else at
    return text[at:end_at].strip(), end_at, end_at < len(text)


def _strip(part: str) -> str:
    return part.strip(" \n\t\"'")


def _skip(text: str, at: int, blanks: str) -> int:
    while at < len(text) and text[at] in blanks:
        at += 1
    return at


def _skip_to(text: str, at: int) -> int:
    close = text.find("}", at)
    return len(text) if close < 0 else close + 1


# --- Words ---------------------------------------------------------------------------------


def _named(
    text: str, axes: Mapping[str, Sequence[str]], spans: Sequence[tuple[int, int]]
) -> list[_Found]:
    """``axis: LABEL`` in a line or a sentence, and ``<axis>LABEL</axis>``."""
    found = []
    for axis, labels in axes.items():
        name = r"[\s_-]+".join(map(re.escape, re.split(r"[\s_-]+", axis)))
        pattern = re.compile(
            rf"(?im)<(?:{name}|answer|label)>\s*([^<\n]{{1,60}}?)\s*</(?:{name}|answer|label)>"
            rf"|(?<![\w<\\/]){name}[*_\"'`”)\]]*(?:\s*(?:[:=]|->|→|[–—-](?=\s)|\bis\b:?)|[ \t]*\n)"
            rf"[\s*_\"'`“(\[]*(?=([^\n]*))"
        )
        for match in pattern.finditer(text):
            if any(start <= match.start() < end for start, end in spans):
                continue
            tagged = match[1] is not None
            value = match[1] if tagged else _head(match[2], labels)
            own = _is_own(text, match.start(), match.end() if tagged else match.start(2))
            doubted = not tagged and _DOUBTED.match(match[2], len(value or ""))
            values = {axis: value}
            found.append(
                _Found(match.start(), match.end(), values, own and not doubted, is_object=False)
            )
    return found


def _head(value: str, labels: Sequence[str]) -> str:
    """The label at the head of a line's value, if the label is all that is said; else the value."""
    for label in sorted(labels, key=len, reverse=True):
        head = re.match(_spelled(label) + _FOLLOWS, value, re.I)
        if head:
            return head[1]
    return value


def _spelled(label: str) -> str:
    words = r"[\s_-]".join(map(re.escape, re.split(r"[\s_-]+", label)))
    return rf"({words})(?![\w])"


# After a label: the end of what is said, or a reason; never a condition or another label.
_FOLLOWS = (
    r"(?=[\s*_\"'`”’)\]]*(?:$|[.!;|\n(]|</|(?:because|since|as|for)\b"
    r"|[,:–—-](?!\s*(?:but|though|although|however|except|if|only|unless|no|or|wait|partly)\b)))"
)


def _is_own(text: str, start: int, end: int) -> bool:
    """Whether what stands at a place is said by the judge itself, and meant."""
    line_start = text.rfind("\n", 0, start) + 1
    if text[line_start:start].lstrip().startswith(">"):
        return False  # a block quote
    lead = text[max(0, start - 200) : start]
    lead = re.sub(r"[\s`]*(?:```\w*)?\s*$", "", lead)
    lead = re.split(r"(?<=[.!?;}\]])\s+|</\w+>|\n(?=\s*\S)", lead)[-1]
    if _NOT_OWN.search(lead + " ") and not _OWN.search(lead):
        return False
    if re.search(r"[“«„‘]\s*$", lead):
        return False
    return not _DOUBTED.match(text, end)


def _in_words(text: str, axes: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """The one label that a reply in words asserts; None where it asserts none, or doubts."""
    ((axis, labels),) = axes.items()
    whole = label_of_value(text, labels)
    if whole is not None:
        return {axis: whole}
    asserted = set()
    taken: list[tuple[int, int]] = []
    for label in sorted(labels, key=len, reverse=True):
        for match in re.finditer(rf"(?<![\w]){_spelled(label)}", text):
            if any(start <= match.start() < end for start, end in taken):
                continue
            taken.append(match.span())
            if text[match.end() :].lstrip(" *_\"'`”").startswith("?"):
                return None
            listed = re.match(
                r"[\s*_\"'`”]*(?:[,/|]|\bor\b|\band\b)[\s*_\"'`“]*", text[match.end() :]
            )
            behind = text[match.end() + listed.end() :] if listed else ""
            if any(re.match(_spelled(other), behind) for other in labels):
                return None  # "CORRECT, INCORRECT": what there is to choose from
            sentence = re.split(r"(?<=[.!?;:\n])\s+|\n", text[: match.start()])[-1]
            lead = sentence.rstrip(" *_`(")
            at_head = not lead.strip(" -–—#>\"'")
            stated = re.search(
                r"(?i)\b(?:is|as|thus|therefore|hence|so|answer|grade|it)\s*:?$", lead
            )
            quoted = re.search(r"[\"'“«‘]$", lead) is not None or "{" in lead
            if (
                (at_head or (stated and not _ANY_DOUBT.search(lead)))
                and not quoted
                and re.match(_FOLLOWS, text[match.end() :])
            ):
                asserted.add(label)
    return {axis: asserted.pop()} if len(asserted) == 1 else None


_ANY_DOUBT = re.compile(
    r"(?i)n['’]t\b|\b(?:not|never|no|nor|neither|cannot|hardly|barely|scarcely|without|whether|if"
    r"|unless|could|might|may|would|should|can|either|consider\w*|thought|perhaps|maybe|possibly"
    r"|sa(?:ys?|id)|claims?|asks?|wants?|contains?|instead|rather|than|ignor\w*|seems?|almost"
    r"|nearly|partially|partly|mostly|doubt\w*|deny|denies)\b"
)
