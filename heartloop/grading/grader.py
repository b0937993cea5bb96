"""The Grader: one answer text in, own metric, content and form out; equal pairs compared once."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

from heartloop.cards.verifier import Step, VerifierCard, load_verifier
from heartloop.errors import CardError
from heartloop.grading import extract as ex
from heartloop.grading.comparators import COMPARATORS
from heartloop.grading.content import (
    BY_KIND,
    READERS,
    Asked,
    Candidate,
    Reading,
    asked_of,
    same_number,
    same_text,
)
from heartloop.grading.judge import Judge, JudgeAsk, JudgeSpec, judge_answer, judge_spec
from heartloop.grading.judgement import Judgement, shown
from heartloop.grading.math import compare_maths
from heartloop.grading.maths.pool import MathPool
from heartloop.grading.maths.words import spoken_number
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
_NAMES = ("exact", "ii_exact", "ii_set", "ii_f1", "f1", "text")
"""Kinds whose content is also right where the span is the same name or number as a gold."""


class Grader:
    """Grades answers under one verifier card.

    Comparisons of equal (gold, answer, params) are made once and kept in a bounded cache. Maths
    that plain logic does not decide goes to a pool of worker processes, which is started by the
    first pair that needs it and stopped by ``close``.
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
            cache: number of comparisons remembered.

        Raises:
            CardError: the card names an unknown step or lacks what its kind needs.
        """
        self.verifier = verifier
        self.params: dict[str, Any] = {**verifier.params, **(params or {})}
        kind = verifier.kind
        strict = _DEFAULT_CHAINS.get(kind, ("whole_text",))
        self.strict = verifier.strict or tuple(Step(name) for name in strict)
        self.reads_content = any(step.name == "content" for step in self.strict)
        ex.check_steps((*self.strict, *verifier.form), verifier.name)
        reader = verifier.content or BY_KIND.get(kind, "text")
        if reader not in READERS:
            for point in metadata.entry_points(group="heartloop.readers", name=reader):
                READERS[reader] = point.load()
        if reader not in READERS:
            raise CardError(
                f'{verifier.name}: content: unknown reader "{reader}"; '
                f"one of: {', '.join(sorted(READERS))}"
            )
        self.reader = reader
        self.judge_ask = judge_ask
        self._judge_spec: JudgeSpec | None = None
        if verifier.kind == "judge":
            self.judge_spec()  # a faulty card is refused before anything is asked
        self._pool = pool
        self._own_pool = pool is None
        self._cache: OrderedDict[tuple[Any, ...], Verdict] = OrderedDict()
        self._asked: tuple[Question | None, Gold, Asked] | None = None
        self._graded: OrderedDict[tuple[str, str, str, str], tuple[Question, Gold, Graded]] = (
            OrderedDict()
        )
        self._cache_size = cache
        self.hits = 0
        self.misses = 0

    @property
    def pool(self) -> MathPool:
        """The maths workers; described here, started by the first task."""
        if self._pool is None:
            self._pool = MathPool()
        return self._pool

    # --- reading -----------------------------------------------------------------------

    def extract(self, text: str, question: Question | None = None) -> str | None:
        """The final answer in a text under the strict chain, or None. Sees no gold."""
        visible, _ = ex.visible_text(text)
        if self.reads_content:
            found = self._read(visible, Gold("", ()), self.params, question).candidates
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
        reading = self._read(text, Gold("", ()), self.params, question)
        candidates = reading.candidates
        if not candidates and reading.clause and question is not None:
            candidates = await self._equal_choice(reading, question, self.params)
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
        verdict = await self._compare(gold, params, second, question)
        return verdict.outcome == "correct"

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
        known = self._graded.get(key)
        if known is not None and known[0] == question and known[1] == gold:
            self.hits += 1
            return known[2]
        result = await self._grade(question, gold, completion)
        if "undecided" not in (result.own.reason, result.content.reason):  # may go better next time
            self._graded[key] = (question, gold, result)
            if len(self._graded) > self._cache_size:
                self._graded.popitem(last=False)
        return result

    async def _grade(self, question: Question, gold: Gold, completion: Completion) -> Graded:
        params = {**self.params, **gold.params} if gold.params else self.params
        text, unclosed = ex.visible_text(completion.text)
        early = _unanswered(text, unclosed, completion.finish_reason)
        if early is not None:
            return Graded(early, early)
        cut = completion.finish_reason == "length"
        context = ex.context_for(question, params)
        found: ex.Found | None = None
        if self.reads_content:
            own = content = await self._content(text, cut, gold, params, question)
        else:
            found = ex.run_chain(self.strict, text, context)
            own = await self._verdict(found, text, cut, gold, params, question)
            published = self.verifier.published or params.get("compat") == "official"
            content = own
            settled = own.outcome == "correct" or (
                self.reader == "maths" and found is not None and found.step == "conclusion"
            )  # the maths reader would read the same
            if self.verifier.kind not in _AS_IT_STANDS and (published or not settled):
                content = await self._content(text, cut, gold, params, question)
                if not published and (own.score or 0.0) > (content.score or 0.0):
                    content = own  # partial credit that the whole text earns is not lost
        if content.outcome != "correct" or self.verifier.kind in _AS_IT_STANDS:
            return Graded(own, content)
        if not self.verifier.form:
            return graded(own, content)
        asked = ex.run_chain(self.verifier.form, text, context)
        if asked is not None and found is not None and asked.answer == found.answer:
            return Graded(own, content, own.outcome == "correct")
        kept = asked is not None and (
            (await self._compare(gold, params, asked.answer, question)).outcome == "correct"
        )
        return Graded(own, content, kept)

    async def check(self, question: Question, gold: Gold, completion: Completion) -> bool:
        """Whether the strict verdict is ``correct``: all that oracle mode may know."""
        return (await self.grade(question, gold, completion)).own.outcome == "correct"

    async def grade_answer(self, question: Question | None, gold: Gold, answer: str) -> Verdict:
        """Judge an answer that was extracted elsewhere (no chain is run)."""
        params = {**self.params, **gold.params}
        if not answer.strip():
            return Verdict("unscored", "empty", None, None, "the answer is empty")
        return await self._compare(gold, params, answer, question)

    async def close(self) -> None:
        """Stop the workers that this grader started."""
        if self._own_pool and self._pool is not None:
            await self._pool.close()
            self._pool = None

    # --- inside ------------------------------------------------------------------------

    def _read(
        self, text: str, gold: Gold, params: Mapping[str, Any], question: Question | None
    ) -> Reading:
        # All arms answer one question before the next: what it asks is worked out once.
        if self._asked is None or self._asked[0] is not question or self._asked[1] is not gold:
            letters = True if self.verifier.kind == "choice" else None
            self._asked = question, gold, asked_of(question, gold, params, letters)
        return READERS[self.reader](text, self._asked[2])

    async def _content(
        self,
        text: str,
        cut: bool,
        gold: Gold,
        params: Mapping[str, Any],
        question: Question | None,
    ) -> Verdict:
        """The same metric on the statement that the content reader finds."""
        reading = self._read(text, gold, params, question)
        candidates = reading.candidates
        if not candidates and reading.clause and question is not None:
            candidates = await self._equal_choice(reading, question, params)
        if not candidates:
            if cut:
                return Verdict("unscored", "truncated", None, None, "cut by the token limit")
            return Verdict("unscored", reading.reason or "unparsed", None, None, reading.detail)
        best: Verdict | None = None  # the barest reading of those that score most
        for candidate in candidates:
            if cut and not _complete(text, candidate):
                detail = "cut by the token limit; what was read may be incomplete"
                verdict = Verdict("unscored", "truncated", candidate.answer, None, detail)
            else:
                verdict = await self._compare_content(gold, params, candidate, question)
            verdict = replace(
                verdict, detail=f"{verdict.detail}; read {candidate.rule}", span=candidate.span
            )
            if verdict.outcome == "correct":
                return verdict
            if best is None or (verdict.score or 0.0) >= (best.score or 0.0):
                best = verdict
        assert best is not None
        return best

    async def _compare_content(
        self,
        gold: Gold,
        params: Mapping[str, Any],
        candidate: Candidate,
        question: Question | None,
    ) -> Verdict:
        if self.verifier.kind in _NAMES:
            for accepted in gold.answers:
                if same_text(accepted, candidate.answer, question):
                    said = f"{shown(candidate.answer)} is the same as {shown(accepted)}"
                    return Verdict("correct", None, candidate.answer, 1.0, said)
                if _same_number(accepted, candidate.answer, question):
                    said = f"{shown(candidate.answer)} is the number {shown(accepted)}"
                    return Verdict("correct", None, candidate.answer, 1.0, said)
        kind = self.verifier.kind
        if kind == "choice_text" and question is not None and question.choices:
            if candidate.answer not in question.choices:
                said = f"{shown(candidate.answer)} is none of the choices"
                return Verdict("incorrect", None, candidate.answer, 0.0, said)
        plain = {k: v for k, v in params.items() if k != "compat"}
        return await self._compare(gold, plain, candidate.answer, question)

    async def _equal_choice(
        self, reading: Reading, question: Question, params: Mapping[str, Any]
    ) -> tuple[Candidate, ...]:
        """The only choice that equals a clause by value: 3156 for "3,156"."""
        if not re.search(r"\d", reading.clause) and spoken_number(reading.clause) is None:
            return ()
        equal = []
        for choice in question.choices:
            if re.fullmatch(r"[^\W\d_]{2,}", choice) and spoken_number(choice) is None:
                continue  # a word: "in" is no inch
            gold = Gold(question.id, (choice,), {})
            judgement = await compare_maths(self, gold, {"symmetric": True}, reading.clause, None)
            if judgement.outcome == "correct":
                equal.append(choice)
        if len(equal) != 1:
            return ()
        return (Candidate(equal[0], reading.span, "by its value"),)

    async def _verdict(
        self,
        found: ex.Found | None,
        text: str,
        cut: bool,
        gold: Gold,
        params: Mapping[str, Any],
        question: Question | None,
    ) -> Verdict:
        if found is None:
            if cut:
                return Verdict(
                    "unscored", "truncated", None, None, "cut by the token limit, no answer yet"
                )
            if ex.is_refusal(text):
                return Verdict("unscored", "refused", None, None, "the text declines to answer")
            steps = ", ".join(step.name for step in self.strict)
            return Verdict("unscored", "unparsed", None, None, f"no answer found by: {steps}")
        if cut and not found.closed and self.verifier.kind not in RESPONSE:
            return Verdict(
                "unscored",
                "truncated",
                found.answer,
                None,
                f"cut by the token limit; the answer read by {found.step} may be incomplete",
            )
        return await self._compare(gold, params, found.answer, question)

    async def _compare(
        self, gold: Gold, params: Mapping[str, Any], answer: str, question: Question | None
    ) -> Verdict:
        kind = self.verifier.kind
        key: tuple[Any, ...] = (gold.answers, answer, _params_key(params))
        if kind in ("judge", "choice", "choice_text", "choice_loglik", "text"):
            key = (*key, question.task if question else "", question.id if question else "")
        known = self._cache.get(key)
        if known is not None:
            self.hits += 1
            self._cache.move_to_end(key)
            return known
        self.misses += 1
        judgement = await self._judge(kind, gold, params, answer, question)
        verdict = Verdict(
            judgement.outcome,
            judgement.reason,
            judgement.answer if judgement.answer is not None else answer,
            judgement.score,
            judgement.detail,
        )
        if verdict.reason not in ("undecided", "judge_failed"):  # those may go better next time
            self._cache[key] = verdict
            if len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return verdict

    def judge_spec(self) -> JudgeSpec:
        """What a judge card asks."""
        if self._judge_spec is None:
            self._judge_spec = judge_spec(self.verifier.name, self.verifier.judge)
        return self._judge_spec

    async def _judge(
        self,
        kind: str,
        gold: Gold,
        params: Mapping[str, Any],
        answer: str,
        question: Question | None,
    ) -> Judgement:
        if kind == "math":
            return await compare_maths(self, gold, params, answer, question)
        if kind == "judge":
            votes = params.get("votes")
            return await judge_answer(
                self.verifier.name,
                self.judge_spec(),
                self.judge_ask,
                gold,
                answer,
                question,
                votes=votes,
            )
        compare = COMPARATORS.get(kind)
        if compare is None:
            raise CardError(f'{self.verifier.name}: kind: "{kind}" cannot grade a text')
        return compare(gold, params, answer, question)


def _unanswered(text: str, unclosed: bool, finish_reason: str) -> Verdict | None:
    """The verdict of a completion without any visible text, or None."""
    if unclosed:
        return Verdict("unscored", "truncated", None, None, "the think block was never closed")
    if finish_reason == "content_filter":
        return Verdict("unscored", "refused", None, None, "stopped by a content filter")
    if not text.strip():
        if finish_reason == "length":
            return Verdict("unscored", "truncated", None, None, "cut before any visible answer")
        return Verdict("unscored", "empty", None, None, "the answer is empty")
    return None


def _same_number(accepted: str, answer: str, question: Question | None) -> bool:
    """Whether an answer is the accepted number; digits that the question gave are its echo."""
    if not same_number(accepted, answer):
        return False
    echoed = (
        question is not None and not accepted[:1].isdigit() and answer.strip() in question.input
    )
    return not echoed


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


def _params_key(params: Mapping[str, Any]) -> str:
    return repr(sorted(params.items(), key=lambda item: item[0])) if params else ""


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
