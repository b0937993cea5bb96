"""The Grader: one answer text in; own metric, content and form out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

from heartloop.cards.verifier import Step, VerifierCard, load_verifier
from heartloop.errors import CardError
from heartloop.grading import extract as ex
from heartloop.grading.comparing import Comparer, Recent, Wanted, unscored
from heartloop.grading.content import BY_KIND, READERS, Asked, Candidate, Reading, asked_of
from heartloop.grading.content.surface import said_over_and_over
from heartloop.grading.judge import Judge, JudgeAsk
from heartloop.grading.maths.pool import MathPool
from heartloop.grading.response import RESPONSE
from heartloop.types import AnswerBy, Completion, Gold, Graded, Question, Verdict, graded

_DEFAULT_CHAINS: dict[str, tuple[str, ...]] = {
    "math": ("conclusion", "answer_is"),
    "choice": ("content",),
    "text": ("content",),
    "label": ("label",),
    "exact": ("single_line",),
}
_SHORT = 500
"""Characters of a text whose verdict is remembered; longer ones are hardly ever said twice."""
_AS_IT_STANDS = ("judge", "choice_loglik", *RESPONSE)
"""Kinds without a form, whose own metric is the only reading of content."""


class Grader(Comparer):
    """Reads answers and grades them under one verifier card.

    Attributes:
        params: the card's, with those of the call laid over them.
        strict: the steps by which the task's own metric finds its answer.
        reads_content: the own metric reads by the content reader itself.
        reader: the name of the content reader.
    """

    def __init__(
        self,
        verifier: VerifierCard,
        *,
        pool: MathPool | None = None,
        judge_ask: JudgeAsk | Sequence[Judge] | None = None,
        params: Mapping[str, Any] | None = None,
        cache: int = 10_000,
    ) -> None:
        """Describe a grader; nothing is started.

        Args:
            verifier: the card.
            pool: a pool to share; it is then not closed here. Made when needed by default.
            judge_ask: asks the judge model, or a panel of judges; needed by judge verifiers.
            params: laid over the card's params (``{"compat": "official"}``).
            cache: number of comparisons remembered, and of short answers.

        Raises:
            CardError: the card names an unknown step or lacks what its kind needs.
        """
        self.params: dict[str, Any] = {**verifier.params, **(params or {})}
        strict = _DEFAULT_CHAINS.get(verifier.kind, ("whole_text",))
        self.strict = verifier.strict or tuple(Step(name) for name in strict)
        self.reads_content = any(step.name == "content" for step in self.strict)
        ex.check_steps((*self.strict, *verifier.form), verifier.name)
        self.reader = _reader_of(verifier)
        super().__init__(verifier, pool, judge_ask, cache)
        self._asked: tuple[Question | None, Gold, Asked] | None = None
        self._graded = Recent(cache)

    # --- reading -----------------------------------------------------------------------

    def extract(self, text: str, question: Question | None = None) -> str | None:
        """The final answer in a text under the strict chain, or None. Sees no gold."""
        visible, _ = ex.visible_text(text)
        if self.reads_content:
            found = self._read(visible, self._without_gold(question)).candidates
            return found[-1].answer if found else None
        own = ex.run_chain(self.strict, visible, ex.context_for(question, self.params))
        return None if own is None else own.answer

    async def answered(
        self, completion: Completion, question: Question | None = None
    ) -> AnswerBy | None:
        """Which reading finds a whole final answer, right or wrong. Sees no gold.

        Returns:
            ``own`` where the task's own metric reads one; ``content`` where only the tolerant
            reading does: an answer is there, not in the form that was asked for; else None. The
            last value of a working that was cut is no final answer.
        """
        text, unclosed = ex.visible_text(completion.text)
        if _unanswered(text, unclosed, completion.finish_reason) is not None:
            return None
        cut = completion.finish_reason == "length"
        if not self.reads_content:
            found = ex.run_chain(self.strict, text, ex.context_for(question, self.params))
            if found is not None and (found.closed or not cut):
                return "own"
            if cut or self.verifier.kind in _AS_IT_STANDS:
                return None
        _, candidates = await self._candidates(text, self._without_gold(question))
        if not any(not cut or _complete(text, one) for one in candidates):
            return None
        return "own" if self.reads_content else "content"

    async def same(self, first: str, second: str, question: Question | None = None) -> bool:
        """Whether two extracted answers are equivalent. Sees no gold."""
        if first.strip() == second.strip():
            return True
        if self.verifier.kind == "judge":
            return _fold(first) == _fold(second)
        params = {**self.params, "symmetric": True}
        gold = Gold(question.id if question is not None else "", (first,), params)
        return (await self.compare(Wanted(gold, params, question), second)).outcome == "correct"

    # --- grading -----------------------------------------------------------------------

    async def grade(self, question: Question, gold: Gold, completion: Completion) -> Graded:
        """Judge one completion: by the task's own metric, by content, and by form.

        A short text that was an answer to the same question before has the verdict it had: arms
        and rounds often say the same.

        Reasoning is never graded: only what stands behind the last closed think block counts.
        Content is read only where the own metric does not already settle it: an own reader that
        says "correct" is believed, a published rule (``published`` in the card, ``compat``) is not.

        Args:
            question: gives choices and, to judges, the question's text.
            gold: accepted answers; its params are laid over the card's.
            completion: the answer.

        Returns:
            Both verdicts and the form. ``unscored`` reasons: ``truncated`` (cut by the token limit
            before a complete answer), ``empty``, ``refused``, ``unparsed``, ``undecided``,
            ``judge_failed``.
        """
        if len(completion.text) > _SHORT or self.verifier.kind == "judge":
            return await self._grade(question, gold, completion)
        key = (question.task, question.id, completion.text, completion.finish_reason)
        known: tuple[Question, Gold, Graded] | None = self._graded.get(key)
        if known is not None and known[0] == question and known[1] == gold:
            self.hits += 1
            return known[2]
        result = await self._grade(question, gold, completion)
        if "undecided" not in (result.own.reason, result.content.reason):  # may go better next time
            self._graded.put(key, (question, gold, result))
        return result

    async def _grade(self, question: Question, gold: Gold, completion: Completion) -> Graded:
        wanted = self._wanted(question, gold)
        params, kind = wanted.params, self.verifier.kind
        text, unclosed = ex.visible_text(completion.text)
        early = _unanswered(text, unclosed, completion.finish_reason)
        if early is not None:
            return Graded(early, early)
        cut = completion.finish_reason == "length"
        found: ex.Found | None = None
        context = ex.context_for(question, params)
        if self.reads_content:
            own = content = await self._content(text, cut, wanted)
        else:
            found = ex.run_chain(self.strict, text, context)
            own = content = await self._own(found, text, cut, wanted)
            published = self.verifier.published or params.get("compat") == "official"
            goes_on = kind == "choice_text" and "\n" in text.strip()  # and may take it back
            settled = (
                own.outcome == "correct"
                and not goes_on
                or (self.reader == "maths" and found is not None and found.step == "conclusion")
            )  # the maths reader would read the same
            if kind not in _AS_IT_STANDS and (published or not settled):
                content = await self._content(text, cut, wanted)
                partial = not published and not (goes_on and content.outcome == "incorrect")
                if partial and (own.score or 0.0) > (content.score or 0.0):
                    content = own  # partial credit that the whole text earns is not lost
        if content.outcome != "correct" or kind in _AS_IT_STANDS:
            return Graded(own, content)
        if not self.verifier.form:
            return graded(own, content)
        asked = ex.run_chain(self.verifier.form, text, context)
        if asked is None:
            return Graded(own, content, False)
        kept = own
        if found is None or asked.answer != found.answer:
            kept = await self.compare(wanted, asked.answer)
        return Graded(own, content, kept.outcome == "correct")

    async def check(self, question: Question, gold: Gold, completion: Completion) -> bool:
        """Whether the strict verdict is ``correct``: all that oracle mode may know."""
        return (await self.grade(question, gold, completion)).own.outcome == "correct"

    async def grade_answer(self, question: Question | None, gold: Gold, answer: str) -> Verdict:
        """Judge an answer that was extracted elsewhere (no chain is run)."""
        if not answer.strip():
            return unscored("empty", "the answer is empty")
        return await self.compare(self._wanted(question, gold), answer)

    # --- inside ------------------------------------------------------------------------

    def _wanted(self, question: Question | None, gold: Gold) -> Wanted:
        params = {**self.params, **gold.params} if gold.params else self.params
        return Wanted(gold, params, question)

    def _without_gold(self, question: Question | None) -> Wanted:
        return Wanted(Gold("", ()), self.params, question)

    def _read(self, text: str, wanted: Wanted) -> Reading:
        # All arms answer one question before the next: what it asks is worked out once.
        gold, params, question = wanted
        if self._asked is None or self._asked[0] is not question or self._asked[1] is not gold:
            letters = True if self.verifier.kind == "choice" else None
            self._asked = question, gold, asked_of(question, gold, params, letters)
        if self.reader != "whole":
            text = said_over_and_over(text)
        return READERS[self.reader](text, self._asked[2])

    async def _candidates(self, text: str, wanted: Wanted) -> tuple[Reading, tuple[Candidate, ...]]:
        """What the content reader finds, and the statements that may be the answer."""
        reading = self._read(text, wanted)
        if reading.candidates or not reading.clause or wanted.question is None:
            return reading, reading.candidates
        return reading, await self.equal_choice(reading, wanted.question)

    async def _own(self, found: ex.Found | None, text: str, cut: bool, wanted: Wanted) -> Verdict:
        """The metric on what the task's own steps found."""
        if found is None:
            if cut:
                return unscored("truncated", "cut by the token limit, no answer yet")
            if ex.is_refusal(text):
                return unscored("refused", "the text declines to answer")
            steps = ", ".join(step.name for step in self.strict)
            return unscored("unparsed", f"no answer found by: {steps}")
        if cut and not found.closed and self.verifier.kind not in RESPONSE:
            said = f"cut by the token limit; the answer read by {found.step} may be incomplete"
            return unscored("truncated", said, found.answer)
        return await self.compare(wanted, found.answer)

    async def _content(self, text: str, cut: bool, wanted: Wanted) -> Verdict:
        """The same metric on the statement that the content reader finds."""
        reading, candidates = await self._candidates(text, wanted)
        if not candidates:
            if cut:
                return unscored("truncated", "cut by the token limit")
            return unscored(reading.reason or "unparsed", reading.detail)
        best: Verdict | None = None  # the barest reading of those that score most
        for candidate in candidates:
            if cut and not _complete(said_over_and_over(text), candidate):
                said = "cut by the token limit; what was read may be incomplete"
                verdict = unscored("truncated", said, candidate.answer)
            else:
                verdict = await self.compare_content(wanted, candidate)
            detail = f"{verdict.detail}; read {candidate.rule}"
            verdict = replace(verdict, detail=detail, span=candidate.span)
            if verdict.outcome == "correct":
                return verdict
            if best is None or (verdict.score or 0.0) >= (best.score or 0.0):
                best = verdict
        assert best is not None
        return best


def _reader_of(verifier: VerifierCard) -> str:
    """The name of a card's content reader, which an installed package may bring.

    Raises:
        CardError: there is no such reader.
    """
    reader = verifier.content or BY_KIND.get(verifier.kind, "text")
    if reader not in READERS:
        for point in metadata.entry_points(group="heartloop.readers", name=reader):
            READERS[reader] = point.load()
    if reader not in READERS:
        raise CardError(
            f'{verifier.name}: content: unknown reader "{reader}"; '
            f"one of: {', '.join(sorted(READERS))}"
        )
    return reader


def _unanswered(text: str, unclosed: bool, finish_reason: str) -> Verdict | None:
    """The verdict of a completion without any visible text, or None."""
    if unclosed:
        return unscored("truncated", "the think block was never closed")
    if finish_reason == "content_filter":
        return unscored("refused", "stopped by a content filter")
    if not text.strip():
        if finish_reason == "length":
            return unscored("truncated", "cut before any visible answer")
        return unscored("empty", "the answer is empty")
    return None


def _complete(text: str, candidate: Candidate) -> bool:
    """Whether an answer in a cut text is whole: something stands behind it."""
    if candidate.span is None:
        return candidate.closed
    behind = text[candidate.span[1] :].strip(" \t*_`\"'")
    if behind.startswith(".") and candidate.answer[-1:].isdigit():
        behind = behind[1:]  # "1." may have been "1.5"
    return bool(behind)


def _fold(text: str) -> str:
    return " ".join(text.lower().split()).strip(" .!?\"'")


def open_grader(card_or_name: VerifierCard | str, **options: Any) -> Grader:
    """Make a grader from a verifier card or its name.

    Args:
        card_or_name: a card, or the name or path of one.
        **options: as for ``Grader``.

    Raises:
        UsageError: no such card.
        CardError: the card does not validate.
    """
    card = load_verifier(card_or_name) if isinstance(card_or_name, str) else card_or_name
    return Grader(card, **options)
