"""What pocket can do, on a part of its test sets: right often enough, and it hears a verdict."""

import asyncio

from heartloop import practice
from heartloop.data import load_data, resolve_tasks
from heartloop.grading import open_grader
from heartloop.methods import render, wordings
from heartloop.models.pocket import PocketModel
from heartloop.types import Address, Message, Request, Sampling

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


def test_told_wrong_it_does_better_than_in_a_fresh_draw_and_does_not_merely_repeat():
    """The loop's own words, first answers that were wrong; fresh draws of the same questions."""
    data = load_data(resolve_tasks("olympiad")[0], practice=True, limit=130)
    told = f"{wordings.VERDICT_WRONG}\n\n{wordings.REFLECT}"
    sampling = Sampling(temperature=0.7, max_tokens=200)

    async def main():
        model, grader = PocketModel(), open_grader("math")

        async def answers(conversations, seed):
            return await asyncio.gather(
                *(
                    model.complete(Request(ADDRESS, messages, sampling, seed=seed + i))
                    for i, messages in enumerate(conversations)
                )
            )

        async def verdicts(questions, texts):
            found = [
                await grader.grade(q, data.golds[q.id], t)
                for q, t in zip(questions, texts, strict=True)
            ]
            return [one.strict for one in found]

        asked = [render(q, (), "after_instruction") for q in data.questions]
        first, fresh = await answers(asked, 0), await answers(asked, 1000)
        judged = await verdicts(data.questions, first)
        wrong = [i for i, one in enumerate(judged) if one.outcome == "incorrect"]
        again = await answers(
            [
                (*asked[i], Message("assistant", first[i].text), Message("user", told))
                for i in wrong
            ],
            2000,
        )
        questions = [data.questions[i] for i in wrong]
        after = await verdicts(questions, again)
        redrawn = await verdicts(questions, [fresh[i] for i in wrong])
        await grader.close()
        await model.close()
        same = [a.answer == judged[i].answer for a, i in zip(after, wrong, strict=True)]
        return len(wrong), after, redrawn, sum(same)

    n, after, redrawn, same = asyncio.run(main())
    assert n >= 20
    right, by_chance = (sum(v.outcome == "correct" for v in part) for part in (after, redrawn))
    # docs/pocket.md gives the difference on the whole set; here a third of it is enough
    assert (right - by_chance) / n > 0.08
    assert same / n < 0.4


def test_the_other_sets_are_not_out_of_reach():
    for task in ("instruction_induction/sum", "instruction_induction/negation"):
        assert graded(task, 20).count("correct") >= 5
