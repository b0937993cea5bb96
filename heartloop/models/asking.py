"""Asking a model in the way that its server takes: learnt once, said, recorded, for all arms.

Two things are learnt. Fields that the server refuses are left out, renamed or moved from then on.
And where the context is smaller than ``max_tokens`` wants, answers are capped: at one number for
all calls, so that no arm is asked otherwise than its control; only a prompt that leaves less room
than that gets less.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from heartloop.errors import CallError
from heartloop.models.refusals import Refused, read_limit, refused_field
from heartloop.types import Message

PROMPT_SHARE = 4  # a quarter of a small context is kept free for the prompt
LEAST_ROOM = 16  # tokens; with less there is no answer to be had
MOST_LESSONS = 6  # requests a single attempt may take to find out how to ask

FIELDS: dict[str, re.Pattern[str]] = {
    # how servers speak of each field; None of them is ever dropped where the user spelt it out
    name: re.compile(pattern, re.IGNORECASE)
    for name, pattern in {
        "max_tokens": r"\bmax_?tokens\b",
        "temperature": r"\btemperature\b",
        "top_p": r"\btop_?p\b",
        "response_format": r"response_format|json_schema|json_object|structured[ _]outputs?"
                           r"|guided_json|grammar",
        "seed": r"\bseeds?\b",  # left to the lane, which sends them
    }.items()
}  # fmt: skip
SYSTEM_WORDS = re.compile(
    r"system (?:role|messages?|prompt|instructions?).{0,60}(?:n't|not|un)"
    r"|(?:not|n't) (?:support|allow|accept).{0,20}system|'system'.{0,40}(?:not|n't|unsupported)"
    r"|only user.{0,12}assistant|roles? must alternate|must alternate between"
    r"|developer instruction|unexpected role|unknown role|invalid role",
    re.IGNORECASE,
)  # Gemma's, Mistral's and Llama 2's templates, o1-mini, Gemini
RANGE_WORDS = re.compile(
    r"between|range|strictly positive|less than|greater than|at (?:most|least)|[<>]=?|non-?negative"
    r"|must be (?:a |> |positive)",
    re.IGNORECASE,
)
"""A value out of its range is the user's to mend, not to be left out."""


@dataclass(frozen=True, slots=True)
class Again:
    """Ask again: ``room`` is what this prompt leaves for its answer, where it is known."""

    room: int | None = None


class Asking:
    """What is known of how one model wants to be asked.

    Attributes:
        dropped: fields that are not sent any more, and the server's words.
        renamed: ``max_tokens`` is sent as ``max_completion_tokens``.
        no_system: system messages are put before the first user message.
        context: tokens that prompt and answer have together, where the server said so.
        answer: tokens that an answer may have at most, where the server said so.
        notes: what the user should know, each said once.
    """

    def __init__(self, notes: list[str]) -> None:
        self.dropped: dict[str, str] = {}
        self.renamed = False
        self.no_system = False
        self.context: int | None = None
        self.answer: int | None = None
        self.notes = notes
        self.answered = 0

    def facts(self) -> dict[str, Any]:
        """What differs from how it would be asked by itself; empty where nothing does."""
        found = {
            "left_out": sorted(self.dropped),
            "max_completion_tokens": self.renamed,
            "system_as_user": self.no_system,
            "context": self.context,
            "longest_answer": self.answer,
        }
        return {name: value for name, value in found.items() if value}

    def cap(self, asked: int) -> int:
        """The largest ``max_tokens`` that is sent, the same for every call."""
        largest = asked
        if self.answer is not None:
            largest = min(largest, self.answer)
        if self.context is not None:
            largest = min(largest, self.context - self.context // PROMPT_SHARE)
        return max(1, largest)

    def shape(
        self, body: Mapping[str, Any], room: int | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """A request body as the server takes it.

        Args:
            body: as it was to be sent.
            room: tokens that this prompt leaves for its answer, where the server said so.

        Returns:
            The body, and what in it differs: field to what was sent instead (None: not sent).
        """
        sent: dict[str, Any] = {}
        shaped = dict(body)
        for name in self.dropped:
            if shaped.pop(name, None) is not None:
                sent[name] = None
        asked = shaped.get("max_tokens")
        if isinstance(asked, int) and asked > 0:
            fitted = self.cap(asked)
            self._say_cap(asked, fitted)
            fitted = fitted if room is None else min(fitted, room)
            if fitted != asked:
                shaped["max_tokens"] = sent["max_tokens"] = fitted
            if self.renamed:
                shaped["max_completion_tokens"] = shaped.pop("max_tokens")
                sent["max_completion_tokens"] = fitted
        if self.no_system and (merged := without_system(shaped.get("messages") or ())):
            shaped["messages"] = merged
            sent["system"] = "user"
        return shaped, sent

    def learn(
        self,
        error: CallError,
        body: Mapping[str, Any],
        own: Collection[str] = (),
        *,
        room: int | None = None,
    ) -> Again | None:
        """What a refusal teaches.

        Args:
            error: the refusal.
            body: as it was shaped and sent.
            own: fields that the user spelt out in an extra body; they are never touched.
            room: what an earlier refusal of this request gave it; it is fitted once.

        Returns:
            Whether, and how, to ask again; None where the refusal is to be taken as it is.
        """
        if room is None and isinstance(error, Refused) and (again := self._fit(error, body)):
            return again
        if error.kind == "context_length":
            return None
        if has_system(body) and self._system_refused(error):
            if not self.no_system:
                self.no_system = True
                self._note("the server takes no system role; its words are put before the "
                           "user's", error)  # fmt: skip
            return Again()
        present = {
            name: pattern for name, pattern in FIELDS.items() if name in body and name not in own
        }
        name = refused_field(error, present)
        if name is None or name == "seed":
            return None
        words = error.words if isinstance(error, Refused) else str(error)
        if name in ("temperature", "top_p") and RANGE_WORDS.search(words):
            return None
        if name == "max_tokens":
            if self.renamed or "max_completion_tokens" in body:
                return None
            self.renamed = True
            self._note("the server takes max_completion_tokens instead of max_tokens", error)
            return Again()
        if "both" in words and {"temperature", "top_p"} <= set(present):
            name = "top_p"
        if name not in self.dropped:
            self.dropped[name] = words[:200]
            after = f", after {self.answered} answers that had it" if self.answered else ""
            hint = " (--temperature sets one that it takes)" if name == "temperature" else ""
            self._note(f"the server takes no {name}{hint}; none is sent to it{after}", error)
        return Again()

    def know_context(self, tokens: int) -> None:
        """Take over a context that the server named; of several the smallest counts."""
        if tokens > 0:
            self.context = tokens if self.context is None else min(self.context, tokens)

    # --- Inside --------------------------------------------------------------------------

    def _fit(self, error: Refused, body: Mapping[str, Any]) -> Again | None:
        """A smaller max_tokens after a refusal for length; None where that would not help."""
        sent = body.get("max_tokens", body.get("max_completion_tokens"))
        if not isinstance(sent, int) or error.kind not in ("context_length", "http_400",
                                                           "http_422", "too_large"):  # fmt: skip
            return None
        limit = read_limit(error, sent)
        if limit.answer is not None and 0 < limit.answer < sent:
            self.answer = min(limit.answer, self.answer or limit.answer)
            return Again()
        if error.kind != "context_length" or limit.context is None:
            return None
        self.know_context(limit.context)
        if limit.prompt is None:
            return Again() if self.cap(sent) < sent else None
        room = limit.context - limit.prompt
        return Again(room) if LEAST_ROOM <= room < sent else None

    def _system_refused(self, error: CallError) -> bool:
        words = error.words if isinstance(error, Refused) else str(error)
        if error.kind not in ("http_400", "http_422", "http_500"):
            return False
        return bool(SYSTEM_WORDS.search(words)) or (
            isinstance(error, Refused) and bool(re.match(r"messages\W+0\W+role", error.param))
        )

    def _say_cap(self, asked: int, fitted: int) -> None:
        if fitted == asked:
            return
        why = (
            f"the model's context is {self.context:,} tokens"
            if self.context is not None and fitted != self.answer
            else f"the server gives at most {self.answer:,} tokens an answer"
        )
        note = f"{why}: max_tokens is {fitted:,} instead of {asked:,}, the same for every arm"
        if note not in self.notes:
            self.notes.append(note)

    def _note(self, what: str, error: CallError) -> None:
        self.notes.append(f"{what} ({str(error)[:160]})")


def has_system(body: Mapping[str, Any]) -> bool:
    """Whether a body has a message of the system."""
    return any(_role(m) in ("system", "developer") for m in body.get("messages") or ())


def without_system(messages: Any) -> list[Any] | None:
    """The messages with those of the system put before the first of the user; None without any."""
    rules = [_content(m) for m in messages if _role(m) in ("system", "developer")]
    if not rules:
        return None
    others = [m for m in messages if _role(m) not in ("system", "developer")]
    text = "\n\n".join(rules)
    if others and _role(others[0]) == "user":
        text, others = f"{text}\n\n{_content(others[0])}", others[1:]
    plain = isinstance(messages[0], Mapping)
    return [{"role": "user", "content": text} if plain else Message("user", text), *others]


def _role(message: Any) -> str:
    return str(message["role"] if isinstance(message, Mapping) else message.role)


def _content(message: Any) -> str:
    return str(message["content"] if isinstance(message, Mapping) else message.content)
