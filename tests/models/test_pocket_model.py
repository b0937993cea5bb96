"""Pocket as a model: seeded, batched, stoppable; any text gives text, never a crash."""

import asyncio
import time
from types import SimpleNamespace

import numpy as np
import pytest

from heartloop import practice
from heartloop.errors import CallError
from heartloop.models import make_model
from heartloop.models.generation import choose
from heartloop.models.pocket import PocketModel
from heartloop.types import Address, Message, Request, Sampling

ADDRESS = Address("olympiad", "1", "pocket", 0, 0)
QUESTIONS = [row["question"] for row in practice.rows("olympiad")[:24]]


def request(*turns, seed=None, **sampling):
    messages = tuple(
        Message("assistant" if i % 2 else "user", text) for i, text in enumerate(turns)
    )
    return Request(
        ADDRESS, messages, Sampling(**{"temperature": 0.7, "max_tokens": 96, **sampling}), seed=seed
    )


def run(*requests, model=None):
    async def main():
        own = model or PocketModel()
        try:
            return await asyncio.gather(*(own.complete(r) for r in requests))
        finally:
            await own.close()

    return asyncio.run(main())


def test_a_seeded_draw_does_not_depend_on_what_runs_beside_it():
    asked = [request(q, seed=i) for i, q in enumerate(QUESTIONS)]
    together = [c.text for c in run(*asked)]
    alone = [run(r)[0].text for r in asked[:6]]
    assert together[:6] == alone


def test_two_seeds_give_two_draws_and_no_seed_gives_fresh_ones():
    a, b, c = run(*(request(QUESTIONS[4], seed=s, temperature=1.5) for s in (1, 2, 1)))
    assert a.text == c.text != b.text
    free = run(*(request(QUESTIONS[4], temperature=1.5) for _ in range(4)))
    assert len({x.text for x in free}) > 1


def test_answers_are_boxed_and_counted():
    for answer in run(*(request(q, seed=1, max_tokens=200) for q in QUESTIONS)):
        assert answer.finish_reason == "stop"
        assert "\\boxed{" in answer.text
        assert answer.usage.completion > 5 and answer.usage.prompt > 5


def test_max_tokens_cuts_and_says_so():
    (cut,) = run(request(QUESTIONS[0], temperature=0, max_tokens=5))
    (full,) = run(request(QUESTIONS[0], temperature=0, max_tokens=200))
    assert cut.finish_reason == "length" and cut.usage.completion == 5
    assert full.text.startswith(cut.text)


def test_stop_strings_end_the_text_before_them():
    (full,) = run(request(QUESTIONS[0], temperature=0))
    word = full.text[len(full.text) // 2 :][:3]
    (cut,) = run(request(QUESTIONS[0], temperature=0, stop=(word, "never there")))
    assert cut.text == full.text[: full.text.index(word)] and cut.finish_reason == "stop"


def test_a_tiny_nucleus_is_greedy():
    greedy, nucleus = run(
        request(QUESTIONS[2], temperature=0), request(QUESTIONS[2], temperature=2, top_p=1e-9)
    )
    assert greedy.text == nucleus.text


def test_draws_follow_the_softmax():
    rng = np.random.default_rng(1)
    scores = np.array([[2.0, 1.0, 0.0, -1.0, -3.0]], np.float32).repeat(20000, 0)
    jobs = [SimpleNamespace(temperature=0.7, top_p=1.0, rng=rng) for _ in range(20000)]
    tokens, logprobs = choose(scores, jobs)
    p = np.exp(scores[0].astype(float) / 0.7)
    p /= p.sum()
    seen = np.bincount(tokens, minlength=5) / 20000
    assert np.abs(seen - p).max() < 4 * 0.5 / 20000**0.5
    raw = np.exp(scores[0].astype(float)) / np.exp(scores[0].astype(float)).sum()
    assert np.allclose(logprobs, np.log(raw)[tokens])


def test_a_nucleus_keeps_the_likeliest_tokens_only():
    scores = np.log(np.array([[0.5, 0.3, 0.15, 0.05]], np.float32)).repeat(500, 0)
    jobs = [
        SimpleNamespace(temperature=1.0, top_p=0.75, rng=np.random.default_rng(i))
        for i in range(500)
    ]
    assert set(choose(scores, jobs)[0]) == {0, 1}


def test_the_mean_logprob_is_that_of_scoring_the_text():
    model = PocketModel()
    (answer,) = run(request(QUESTIONS[1], temperature=0, logprobs=True, stop=(".",)), model=model)
    (whole,) = run(request(QUESTIONS[1], temperature=0, logprobs=True))
    messages = (Message("user", QUESTIONS[1]),)
    (score,) = PocketModel().score(messages, [whole.text])
    assert whole.logprob_tokens == whole.usage.completion
    assert score.tokens == whole.usage.completion - 1  # all but the end token
    assert abs(score.logprob) <= abs(whole.logprob * whole.logprob_tokens) + 1e-3
    assert answer.logprob is not None and answer.logprob < 0


def test_scores_prefer_what_the_model_says():
    (answer,) = run(request(QUESTIONS[5], temperature=0))
    first, second = PocketModel().score(
        (Message("user", QUESTIONS[5]),), [answer.text, answer.text[::-1]]
    )
    assert first.logprob > second.logprob


def test_a_final_message_is_continued():
    (full,) = run(request(QUESTIONS[3], temperature=0))
    half = full.text[:12]
    (rest,) = run(request(QUESTIONS[3], half, temperature=0, continue_final_message=True))
    assert half + rest.text == full.text


def test_a_longer_conversation_reuses_what_was_read():
    async def main():
        model = PocketModel()
        first = await model.complete(request(QUESTIONS[0], seed=1))
        turns = (QUESTIONS[0], first.text, "That is wrong. Try again.")
        again = await model.complete(request(*turns, seed=2))
        await model.close()
        return first, again, turns

    first, again, turns = asyncio.run(main())
    assert again.usage.cached >= first.usage.prompt + first.usage.completion - 1
    (fresh,) = run(request(*turns, seed=2))
    assert fresh.usage.cached == 0 and fresh.text == again.text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "日本語 😀",
        "word " * 5000,
        "9" * 3000,
        "\x00\ud800",
        "<|end|><|assistant|>",
        "\\" * 99,
    ],
)
def test_any_text_gives_text(text):
    (answer,) = run(request(text, seed=1, max_tokens=20))
    assert isinstance(answer.text, str) and answer.finish_reason in ("stop", "length")
    assert answer.usage.prompt + answer.usage.completion <= 2048


def test_a_conversation_over_the_context_keeps_its_task_and_its_newest_turn():
    model = PocketModel()
    turns = [Message("user", "FIRST " + "filler " * 3000), Message("user", "and LAST")]
    ids = model.prompt_ids(turns, reserve=100)
    text = model.tokenizer.decode(ids)
    assert len(ids) == 2048 - 100 and "FIRST" in text and text.endswith("and LAST")


def test_hundreds_of_calls_share_one_batch_and_leave_the_loop_free():
    async def main():
        model = PocketModel()
        gaps, last = [], time.perf_counter()

        async def tick():
            nonlocal last
            while True:
                await asyncio.sleep(0.005)
                now = time.perf_counter()
                gaps.append(now - last)
                last = now

        ticker = asyncio.create_task(tick())
        asked = [request(QUESTIONS[i % 24], seed=i, max_tokens=24) for i in range(200)]
        answers = await asyncio.gather(*(model.complete(r) for r in asked))
        ticker.cancel()
        await model.close()
        return answers, gaps

    answers, gaps = asyncio.run(main())
    assert len(answers) == 200 and all(a.usage.completion <= 24 for a in answers)
    assert len(gaps) > 20 and sorted(gaps)[len(gaps) // 2] < 0.1


def test_cancelled_calls_make_room():
    async def main():
        model = PocketModel(batch=2)
        tasks = [
            asyncio.create_task(
                model.complete(request("go on " * 20, temperature=2.0, max_tokens=None))
            )
            for _ in range(6)
        ]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        answer = await asyncio.wait_for(model.complete(request(QUESTIONS[0], seed=1)), 20)
        await model.close()
        return answer

    assert asyncio.run(main()).text


def test_a_closed_model_says_so():
    async def main():
        model = make_model("pocket")
        assert model.name == "pocket"
        await model.close()
        with pytest.raises(CallError, match="closed"):
            await model.complete(request("hi"))

    asyncio.run(main())


def test_closing_ends_open_calls():
    async def main():
        model = PocketModel()
        asked = [request(q, temperature=2.0, max_tokens=None) for q in QUESTIONS]
        tasks = [asyncio.create_task(model.complete(r)) for r in asked]
        await asyncio.sleep(0.02)
        await model.close()
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)

    results = asyncio.run(main())
    assert all(isinstance(r, CallError) or r.text is not None for r in results)
    assert any(isinstance(r, CallError) for r in results)


def test_one_model_serves_one_loop_after_another():
    model = PocketModel()

    async def once():
        return (await model.complete(request(QUESTIONS[0], seed=3))).text

    assert asyncio.run(once()) == asyncio.run(once())
    asyncio.run(model.close())
