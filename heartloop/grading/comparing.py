"""An answer that was read against the accepted ones: each equal comparison is made once."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from heartloop.cards.verifier import VerifierCard
from heartloop.errors import CardError
from heartloop.grading.comparators import COMPARATORS
from heartloop.grading.content import Candidate, Reading, same_number, same_text
from heartloop.grading.judge import Judge, JudgeAsk, JudgeSpec, judge_answer, judge_spec
from heartloop.grading.judgement import Judgement, shown
from heartloop.grading.math import compare_maths
from heartloop.grading.maths.pool import MathPool
from heartloop.grading.maths.words import spoken_number
from heartloop.types import Gold, Question, UnscoredReason, Verdict

_NAMES = ("exact", "ii_exact", "ii_set", "ii_f1", "f1", "text")
"""Kinds whose content is also right where the span is the same name or number as a gold."""
_OF_A_QUESTION = ("judge", "choice", "choice_text", "choice_loglik", "text")
"""Kinds whose verdict hangs on the question too."""


class Wanted(NamedTuple):
    """What an answer is held against.

    Attributes:
        gold: the accepted answers.
        params: the card's, the gold's laid over them.
        question: where it is known: gives choices and, to judges, its text.
    """

    gold: Gold
    params: Mapping[str, Any]
    question: Question | None


class Recent(OrderedDict[Any, Any]):
    """A dictionary that forgets what was put in first once it holds more than ``size``."""

    def __init__(self, size: int) -> None:
        """Begin empty."""
        super().__init__()
        self.size = size

    def put(self, key: Any, value: Any) -> None:
        """Put in, and forget the oldest."""
        self[key] = value
        if len(self) > self.size:
            self.popitem(last=False)


class Comparer:
    """Compares answers under one verifier card.

    Comparisons of equal (gold, answer, params) are made once and kept in a bounded cache. Maths
    that plain logic does not decide goes to a pool of worker processes, which is started by the
    first pair that needs it and stopped by ``close``.

    Attributes:
        verifier: the card.
        judge_ask: asks the judge model, or a panel of judges; needed by judge verifiers.
        hits: comparisons whose verdict was known.
        misses: comparisons that were made.
    """

    def __init__(
        self,
        verifier: VerifierCard,
        pool: MathPool | None,
        judge_ask: JudgeAsk | Sequence[Judge] | None,
        cache: int,
    ) -> None:
        """Describe a comparer; nothing is started.

        Raises:
            CardError: a judge card lacks what it needs.
        """
        self.verifier = verifier
        self.judge_ask = judge_ask
        self._judge_spec: JudgeSpec | None = None
        if verifier.kind == "judge":
            self.judge_spec()  # a faulty card is refused before anything is asked
        self._pool = pool
        self._own_pool = pool is None
        self._compared = Recent(cache)
        self.hits = 0
        self.misses = 0

    @property
    def pool(self) -> MathPool:
        """The maths workers; described here, started by the first task."""
        if self._pool is None:
            self._pool = MathPool()
        return self._pool

    def judge_spec(self) -> JudgeSpec:
        """What a judge card asks."""
        if self._judge_spec is None:
            self._judge_spec = judge_spec(self.verifier.name, self.verifier.judge)
        return self._judge_spec

    async def close(self) -> None:
        """Stop the workers that this comparer started."""
        if self._own_pool and self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def compare(self, wanted: Wanted, answer: str) -> Verdict:
        """Judge an answer that was read by the task's own metric."""
        gold, params, question = wanted
        key: tuple[Any, ...] = (gold.answers, answer, _params_key(params))
        if self.verifier.kind in _OF_A_QUESTION:
            key = (*key, question.task if question else "", question.id if question else "")
        known: Verdict | None = self._compared.get(key)
        if known is not None:
            self.hits += 1
            self._compared.move_to_end(key)
            return known
        self.misses += 1
        judged = await self._judge(wanted, answer)
        read = answer if judged.answer is None else judged.answer
        verdict = Verdict(judged.outcome, judged.reason, read, judged.score, judged.detail)
        if verdict.reason not in ("undecided", "judge_failed"):  # those may go better next time
            self._compared.put(key, verdict)
        return verdict

    async def compare_content(self, wanted: Wanted, candidate: Candidate) -> Verdict:
        """Judge a statement that a content reader found: the same metric, names by their sense."""
        gold, params, question = wanted
        answer, kind = candidate.answer, self.verifier.kind
        for accepted in gold.answers if kind in _NAMES else ():
            if same_text(accepted, answer, question):
                said = f"{shown(answer)} is the same as {shown(accepted)}"
                return Verdict("correct", None, answer, 1.0, said)
            if _same_number(accepted, answer, question):
                said = f"{shown(answer)} is the number {shown(accepted)}"
                return Verdict("correct", None, answer, 1.0, said)
        if kind == "choice_text" and question is not None and question.choices:
            if answer not in question.choices:
                said = f"{shown(answer)} is none of the choices"
                return Verdict("incorrect", None, answer, 0.0, said)
        if "compat" in params:
            plain = {k: v for k, v in params.items() if k != "compat"}
            wanted = wanted._replace(params=plain)
        return await self.compare(wanted, answer)

    async def equal_choice(self, reading: Reading, question: Question) -> tuple[Candidate, ...]:
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
        return (Candidate(equal[0], reading.span, "by its value"),) if len(equal) == 1 else ()

    async def _judge(self, wanted: Wanted, answer: str) -> Judgement:
        gold, params, question = wanted
        name, kind = self.verifier.name, self.verifier.kind
        if kind == "math":
            return await compare_maths(self, gold, params, answer, question)
        if kind == "judge":
            spec, votes = self.judge_spec(), params.get("votes")
            return await judge_answer(
                name, spec, self.judge_ask, gold, answer, question, votes=votes
            )
        compare = COMPARATORS.get(kind)
        if compare is None:
            raise CardError(f'{name}: kind: "{kind}" cannot grade a text')
        return compare(gold, params, answer, question)


def unscored(reason: UnscoredReason, detail: str, answer: str | None = None) -> Verdict:
    """The verdict of an answer that has no score, and why."""
    return Verdict("unscored", reason, answer, None, detail)


def _same_number(accepted: str, answer: str, question: Question | None) -> bool:
    """Whether an answer is the accepted number; digits that the question gave are its echo."""
    if not same_number(accepted, answer):
        return False
    echoed = (
        question is not None and not accepted[:1].isdigit() and answer.strip() in question.input
    )
    return not echoed


def _params_key(params: Mapping[str, Any]) -> str:
    return repr(sorted(params.items(), key=lambda item: item[0])) if params else ""
