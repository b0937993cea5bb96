"""What pocket can do, on a part of its test sets: right often enough, wrong often enough."""

import asyncio

from heartloop import practice
from heartloop.data import load_data, resolve_tasks
from heartloop.grading import open_grader
from heartloop.methods import render
from heartloop.models.pocket import PocketModel
from heartloop.types import Address, Request, Sampling

ADDRESS = Address("olympiad", "-", "pocket", 0, 0)


def graded(task, limit, temperature=0.7):
    """Strict outcomes of one draw of each of the first questions, by heartloop's own chain."""
    card = resolve_tasks(task)[0]
    data = load_data(card, practice=True, limit=limit)

    async def main():
        model, grader = PocketModel(), open_grader(card.verifier)
        sampling = Sampling(temperature=temperature, max_tokens=200)
        answers = await asyncio.gather(
            *(
                model.complete(
                    Request(ADDRESS, render(q, (), "after_instruction"), sampling, seed=i)
                )
                for i, q in enumerate(data.questions)
            )
        )
        out = []
        for question, answer in zip(data.questions, answers, strict=True):
            found = await grader.grade(question, data.golds[question.id], answer)
            out.append(found.strict.outcome)
        await grader.close()
        await model.close()
        return out

    return asyncio.run(main())


def test_olympiad_answers_are_in_the_useful_band():
    families = len({row["family"] for row in practice.rows("olympiad")})
    outcomes = graded("olympiad", 5 * families)
    share = outcomes.count("correct") / len(outcomes)
    # published: docs/pocket.md; the bounds leave room for a retraining and for 130 draws
    assert 0.25 < share < 0.85
    assert outcomes.count("unscored") <= 0.03 * len(outcomes)


def test_the_other_sets_are_not_out_of_reach():
    for task in ("instruction_induction/sum", "instruction_induction/negation"):
        assert graded(task, 20).count("correct") >= 5
