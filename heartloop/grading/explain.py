"""Says of one answer what was read where, by which rule, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from heartloop.grading import extract as ex
from heartloop.grading.grader import Grader
from heartloop.types import Completion, Gold, Graded, Question, Verdict

_AROUND = 60
"""Characters of the text shown on either side of what was read."""


async def explain(grader: Grader, question: Question, gold: Gold, completion: Completion) -> str:
    """What a person needs to judge a verdict: text, gold, both readings, form and rules.

    Args:
        grader: the task's grader.
        question: the question.
        gold: its accepted answers.
        completion: the answer.

    Returns:
        Lines of text; what was read stands between ⟦ and ⟧.
    """
    graded = await grader.grade(question, gold, completion)
    params = {**grader.params, **gold.params}
    text, _ = ex.visible_text(completion.text)
    found = None
    if not grader.reads_content:
        found = ex.run_chain(grader.strict, text, ex.context_for(question, params))
    lines = [f"{question.id}"]

    def add(name: str, said: str) -> None:
        lines.append(f"  {name:<9} {said}")

    add("text", _marked(text, graded.content.span or _place(text, found)))
    add("gold", " | ".join(repr(answer) for answer in gold.answers[:5]))
    how = f"read by the step {found.step}" if found is not None else ""
    add("own", _said(graded.own) + (f"; {how}" if how else ""))
    if graded.own.answer is not None:
        add("", f"answer {graded.own.answer!r}")
    if graded.content == graded.own:
        add("content", "the same reading")
    else:
        add("content", _said(graded.content))
        if graded.content.answer is not None:
            add("", f"answer {graded.content.answer!r}")
    if graded.content.span is not None:
        start, end = graded.content.span
        add("", f"characters {start} to {end} of the visible text")
    add("form", _form(graded, grader))
    add("rule", _rule(grader, params))
    return "\n".join(lines)


def _said(verdict: Verdict) -> str:
    reason = f" ({verdict.reason})" if verdict.reason else ""
    score = f", score {verdict.score:.3g}" if verdict.score not in (None, 0.0, 1.0) else ""
    return f"{verdict.outcome}{reason}{score}: {verdict.detail}"


def _form(graded: Graded, grader: Grader) -> str:
    if graded.form is None:
        return "not defined: the content is not right, or the task asks for none"
    steps = ", ".join(step.name for step in grader.verifier.form)
    by = f"by {steps}" if steps else "by the own metric"
    return f"{'kept' if graded.form else 'not kept'} ({by})"


def _rule(grader: Grader, params: Mapping[str, Any]) -> str:
    steps = ", ".join(step.name for step in grader.strict)
    extra = {k: v for k, v in params.items() if k != "target_scores"}
    said = f"verifier {grader.verifier.name} ({grader.verifier.kind}): own metric from {steps}; "
    said += f"content by the reader {grader.reader}"
    if grader.verifier.published or params.get("compat") == "official":
        said += ", read apart from the published rule"
    return said + (f"; params {extra}" if extra else "")


def _place(text: str, found: ex.Found | None) -> tuple[int, int] | None:
    at = text.rfind(found.answer) if found is not None else -1
    return None if found is None or at < 0 else (at, at + len(found.answer))


def _marked(text: str, span: tuple[int, int] | None) -> str:
    """The text around what was read, on one line."""
    if span is None:
        cut = " ".join(text.split())
        return cut if len(cut) <= 2 * _AROUND else cut[: 2 * _AROUND] + " …"
    start, end = span
    before, behind = text[max(0, start - _AROUND) : start], text[end : end + _AROUND]
    head = "… " if start > _AROUND else ""
    tail = " …" if end + _AROUND < len(text) else ""
    inside = text[start:end]
    inside = inside if len(inside) <= 200 else inside[:200] + " …"
    return " ".join(f"{head}{before}⟦{inside}⟧{behind}{tail}".split())
