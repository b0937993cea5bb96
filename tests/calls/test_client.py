"""``Client.ask`` against a real loopback server and small models that fail on purpose."""

from __future__ import annotations

import asyncio
import itertools
import json
import time
import urllib.request
from dataclasses import replace

import pytest

from heartloop.calls import Caps, Client, Journal, Limits, Patience, Price, Retry, derive_seed
from heartloop.errors import (
    BudgetExceeded,
    CallError,
    CircuitOpen,
    NotInJournal,
    Stopped,
    UsageError,
)
from heartloop.models import ModelOptions, make_model
from heartloop.types import Address, Completion, Message, Request, Sampling, Usage

QUICK = Retry(first=0.01, longest=0.05)


def request(question=0, draw=0, model="m", **sampling):
    return Request(
        Address("task", str(question), model, 0, draw, 1),
        (Message("user", f"Question {question}: what is it?"),),
        Sampling(**{"max_tokens": 64, **sampling}),
        arm="none",
    )


class Scripted:
    """Fails or answers as told, and remembers what it was asked."""

    name = "m"

    def __init__(self, script=(), delay=0.0):
        self.script = list(script)
        self.delay = delay
        self.asked = []
        self.aborted = 0
        self.in_flight = self.peak = 0

    async def complete(self, asked):
        self.asked.append(asked)
        self.in_flight += 1
        self.peak = max(self.peak, self.in_flight)
        try:
            await asyncio.sleep(self.delay)
        except asyncio.CancelledError:
            self.aborted += 1
            raise
        finally:
            self.in_flight -= 1
        step = self.script.pop(0) if self.script else None
        if isinstance(step, Exception):
            raise step
        return Completion("yes", usage=Usage(10, 5), endpoint="here")

    async def close(self):
        pass


def stats_of(base_url):
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats") as reply:
        return json.load(reply)


def run(work, tmp_path, model, **options):
    """Run ``work(client)`` with a fresh client on a journal in ``tmp_path``."""

    async def main():
        with Journal.open(tmp_path) as journal:
            client = Client({model.name: model}, journal, **{"retry": QUICK, **options})
            try:
                return await work(client)
            finally:
                await client.close()

    return asyncio.run(main())


def test_an_answer_comes_back_journalled_with_its_key_and_seed(tmp_path, mock_server):
    url = mock_server("--reasoning-field", "reasoning", "--preasoning", "1")
    model = make_model("server/mock", ModelOptions(base_urls=(url,)))
    asked = request(model="server/mock")

    async def work(client):
        first = await client.ask(asked)
        again = await client.ask(asked)
        assert client.journal.record(first.key)["request"]["seed"] == derive_seed(asked.address)
        return first, again, client.stats()

    first, again, stats = run(work, tmp_path, model)
    assert "boxed{4}" in first.text and first.reasoning and not first.shared
    assert again == replace(first, shared=True)
    assert (stats.calls, stats.shared, stats.tokens) == (1, 1, first.usage.total)
    assert stats_of(url)["requests"] == 1

    reopened = make_model("server/mock", ModelOptions(base_urls=(url,)))
    assert run(lambda client: client.ask(asked), tmp_path, reopened) == again
    assert stats_of(url)["requests"] == 1


def test_calls_asked_at_the_same_time_are_made_once(tmp_path):
    model = Scripted(delay=0.05)

    async def work(client):
        return await asyncio.gather(*(client.ask(replace(request(), arm=a)) for a in "abc"))

    answers = run(work, tmp_path, model)
    assert len(model.asked) == 1
    assert [answer.shared for answer in answers] == [False, True, True]


def test_cancelling_the_first_asker_leaves_the_call_to_the_others(tmp_path):
    model = Scripted(delay=0.1)

    async def work(client):
        first = asyncio.create_task(client.ask(request()))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(client.ask(request()))
        await asyncio.sleep(0.02)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert run(work, tmp_path, model).text == "yes"
    assert (len(model.asked), model.aborted) == (1, 0)


def test_who_asks_again_while_an_aborted_call_ends_gets_an_answer(tmp_path):
    class SlowToAbort(Scripted):
        async def complete(self, asked):
            try:
                return await super().complete(asked)
            except asyncio.CancelledError:
                await asyncio.sleep(0.05)
                raise

    model = SlowToAbort(delay=0.1)

    async def work(client):
        first = asyncio.create_task(client.ask(request()))
        await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.sleep(0.02)
        again = await client.ask(request())
        with pytest.raises(asyncio.CancelledError):
            await first
        return again

    assert run(work, tmp_path, model).text == "yes"
    assert (len(model.asked), model.aborted) == (2, 1)


@pytest.mark.parametrize("turns", [1, 2])
def test_a_call_that_is_cancelled_before_it_begins_can_be_made_again(tmp_path, turns):
    model = Scripted()

    async def work(client):
        first = asyncio.create_task(client.ask(request()))
        for _ in range(turns):
            await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await asyncio.wait_for(client.ask(request()), 1)

    assert run(work, tmp_path, model).text == "yes"


def test_an_error_and_a_close_reach_everybody_who_waits(tmp_path):
    no = CallError("no", kind="http_400")
    model = Scripted([no], delay=0.02)

    async def work(client):
        failed = await asyncio.gather(
            *(client.ask(request()) for _ in range(3)), return_exceptions=True
        )
        model.delay = 9.0
        waiting = [asyncio.create_task(client.ask(request(1))) for _ in range(2)]
        await asyncio.sleep(0.01)
        await client.close()
        return failed, await asyncio.gather(*waiting, return_exceptions=True)

    failed, closed = run(work, tmp_path, model)
    assert [str(error) for error in failed] == ["no"] * 3
    assert all(isinstance(error, asyncio.CancelledError) for error in closed)


def test_cancelling_the_only_asker_aborts_the_request_and_books_its_prompt(tmp_path, mock_server):
    url = mock_server("--latency", "5000")
    model = make_model("server/mock", ModelOptions(base_urls=(url,)))

    async def work(client):
        task = asyncio.create_task(client.ask(request(model="server/mock")))
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.2)
        return client.stats(), list(client.journal.records())

    stats, records = run(work, tmp_path, model)
    assert stats_of(url)["abandoned"] == 1
    assert stats.cancelled == 1 and stats.tokens > 5
    assert records[0]["error"]["class"] == "cancelled"
    assert records[0]["usage"]["prompt"] == stats.tokens


def test_retryable_failures_are_repeated_and_final_ones_are_not(tmp_path):
    busy = CallError("busy", kind="http_503", retryable=True)
    model = Scripted([busy, busy, None, CallError("no", kind="http_400")])

    async def work(client):
        first = await client.ask(request(0))
        with pytest.raises(CallError, match="no"):
            await client.ask(request(1))
        again = await client.ask(request(1))
        return first, again, client.stats()

    first, again, stats = run(work, tmp_path, model)
    assert first.attempts == 3 and again.attempts == 1
    assert (stats.retries, stats.errors, stats.calls) == (2, 1, 2)
    assert len(model.asked) == 5


def test_at_least_eight_attempts_are_made_by_default(tmp_path):
    assert Retry().attempts >= 8
    sick = CallError("sick", kind="http_500", retryable=True)
    model = Scripted([sick] * 7)
    answer = run(lambda client: client.ask(request()), tmp_path, model)
    assert answer.attempts == 8


def test_a_call_that_goes_on_failing_ends_as_its_own_error(tmp_path):
    sick = CallError("sick", kind="http_500", retryable=True)
    model = Scripted([sick] * 10)

    async def work(client):
        with pytest.raises(CallError, match="sick"):
            await client.ask(request(0))
        return await client.ask(request(1)), list(client.journal.records())

    answer, records = run(work, tmp_path, model)
    assert answer.text == "yes"
    assert records[0]["attempts"] == 10 and records[0]["error"]["class"] == "http_500"


def test_retry_after_is_honoured_and_shown_as_waiting(tmp_path, mock_server):
    url = mock_server("--p429", "0.6", "--retry-after", "0.5", "--seed", "3")
    model = make_model("server/mock", ModelOptions(base_urls=(url,)))
    seen = []

    async def work(client):
        asks = [asyncio.create_task(client.ask(request(i, model="server/mock"))) for i in range(20)]
        while not all(ask.done() for ask in asks):
            seen.append(client.stats())
            await asyncio.sleep(0.02)
        return [ask.result() for ask in asks]

    answers = run(work, tmp_path, model)
    for answer in answers:
        assert answer.finished - answer.started >= 0.5 * (answer.attempts - 1)
    assert max(answer.attempts for answer in answers) > 1
    waiting = [stats for stats in seen if stats.waiting]
    assert waiting and all(0 <= stats.next_retry_in <= 0.7 for stats in waiting)


def test_a_fixed_limit_is_kept_and_filled(tmp_path):
    model = Scripted(delay=0.01)

    async def work(client):
        await asyncio.gather(*(client.ask(request(i)) for i in range(50)))

    run(work, tmp_path, model, limits=Limits(concurrency=7))
    assert model.peak == 7


def test_hungry_lets_in_as_many_units_as_there_are_places(tmp_path, mock_server):
    url = mock_server("--latency", "50")
    model = make_model("server/mock", ModelOptions(base_urls=(url,)))
    opened = 0

    async def work(client):
        nonlocal opened
        tasks = set()

        async def unit(number):
            for draw in range(5):
                await client.ask(request(number, draw, model="server/mock"))
                await asyncio.sleep(0.001)  # grading

        async def watch():
            while len(tasks) < 60:
                in_flight.append(client.stats().in_flight)
                await asyncio.sleep(0.005)

        watching = asyncio.create_task(watch())
        for number in range(60):
            await client.hungry()
            tasks.add(asyncio.create_task(unit(number)))
            opened = max(opened, sum(not task.done() for task in tasks))
        await asyncio.gather(*tasks, watching)
        return client.stats()

    in_flight = []
    stats = run(work, tmp_path, model, limits=Limits(concurrency=16))
    assert stats.calls == 300
    assert stats_of(url)["peak_in_flight"] == 16
    steady = in_flight[10:]
    assert sum(steady) / len(steady) > 14
    assert opened <= 48  # a unit that is being graded holds no place


def test_an_answer_of_the_journal_makes_room_at_once(tmp_path):
    """No call ends to say so, and a promise runs out in its own time only."""

    async def work(client):
        await client.ask(request())
        await client.hungry()
        waiting = asyncio.create_task(client.hungry())
        await asyncio.sleep(0)
        assert not waiting.done()
        await client.ask(request())  # out of the journal
        for _ in range(3):
            await asyncio.sleep(0)
        return waiting.done()

    assert run(work, tmp_path, Scripted(), limits=Limits(concurrency=1))


def test_promises_that_nobody_takes_up_run_out_for_all_who_wait(tmp_path):
    """One timer wakes them, again and again: those that find the places promised wait on."""

    async def work(client):
        await asyncio.wait_for(asyncio.gather(*(client.hungry() for _ in range(6))), timeout=5)
        waiting = asyncio.create_task(client.hungry())  # after all of them were let in
        await asyncio.sleep(0)
        waiting.cancel()  # who gives up takes nobody's timer away
        await asyncio.wait_for(asyncio.gather(*(client.hungry() for _ in range(4))), timeout=5)
        return True

    assert run(work, tmp_path, Scripted(), limits=Limits(concurrency=2))


def test_units_of_many_draws_are_opened_one_after_another(tmp_path):
    """Their calls count as wanted before they are made: else all places draw in a unit each."""
    model = Scripted(delay=0.001)

    async def work(client):
        async def unit(number):
            await asyncio.gather(*(client.ask(request(number, draw)) for draw in range(40)))

        opened, tasks = 0, []
        for number in range(10):
            await client.hungry(calls=40)
            tasks.append(asyncio.create_task(unit(number)))
            opened = max(opened, sum(not task.done() for task in tasks))
        await asyncio.gather(*tasks)
        return opened

    assert run(work, tmp_path, model, limits=Limits(concurrency=8)) <= 3
    assert model.peak == 8


def test_replay_only_answers_from_the_journal_and_never_asks(tmp_path):
    model = Scripted([None, CallError("bad", kind="http_400")])

    async def record(client):
        await client.ask(request(0))
        with pytest.raises(CallError):
            await client.ask(request(1))

    run(record, tmp_path, model)

    async def main():
        with Journal.open(tmp_path, read_only=True) as journal:
            client = Client({"m": model}, journal, replay_only=True)
            assert (await client.ask(request(0))).text == "yes"
            with pytest.raises(CallError) as caught:
                await client.ask(request(1))
            assert caught.value.kind == "http_400"
            with pytest.raises(NotInJournal, match="question 2"):
                await client.ask(request(2))
            await client.close()

    asyncio.run(main())
    assert len(model.asked) == 2


def test_stopping_finishes_what_is_in_flight_and_refuses_the_rest(tmp_path):
    sick = CallError("sick", kind="http_500", retryable=True)
    model = Scripted([sick], delay=0.05)

    async def work(client):
        backing_off = asyncio.create_task(client.ask(request(0)))
        await asyncio.sleep(0.07)
        flying = asyncio.create_task(client.ask(request(1)))
        await asyncio.sleep(0.02)
        client.stop(Stopped("Ctrl-C"))
        with pytest.raises(Stopped):
            await client.ask(request(2))
        with pytest.raises(Stopped):
            await backing_off
        with pytest.raises(Stopped):
            await client.hungry()
        return await flying

    retry = Retry(first=60, longest=60)
    assert run(work, tmp_path, model, retry=retry).text == "yes"
    with Journal.open(tmp_path) as journal:
        assert len(journal) == 1 and journal.errors == 0


# --- The circuit breaker ---------------------------------------------------------------------


async def everything(client, count=675):
    """Ask many questions as a runner would; returns how many ended how."""
    ended = {}

    async def unit(number):
        try:
            await client.ask(request(number, model="server/mock"))
            kind = "answered"
        except CallError as error:
            kind = error.kind
        ended[kind] = ended.get(kind, 0) + 1

    tasks = []
    try:
        for number in range(count):
            await client.hungry()
            tasks.append(asyncio.create_task(unit(number)))
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return ended


def test_a_server_that_is_down_from_the_start_stops_the_run_quickly(tmp_path, unused_port):
    url = f"http://127.0.0.1:{unused_port}/v1"
    model = make_model("server/mock", ModelOptions(base_urls=(url,)))
    started = time.monotonic()
    with pytest.raises(CircuitOpen, match="cannot be reached") as caught:
        run(everything, tmp_path, model, patience=Patience(start=1.0), retry=Retry())
    assert time.monotonic() - started < 6
    assert url in str(caught.value)


PAGE = b"<!doctype html><title>Welcome to nginx!</title>"


@pytest.mark.parametrize(
    ("reply", "path", "said"),
    [
        (PAGE, "", 'a web page, not a reply of the API ("Welcome to nginx!"). Is the base URL'),
        (PAGE, "/v1", "Is an OpenAI-compatible server there, and is no login wanted?"),
        (b"Ollama is running", "", '("Ollama is running"). Is the base URL that of the API?'),
        (b'{"status": "ok"}', "", 'the reply has no choices: {"status":"ok"}. Is the base URL'),
        (b"", "", "the reply is empty. Is the base URL"),
    ],
)
def test_a_server_that_is_no_api_stops_the_run_at_once(tmp_path, loopback, reply, path, said):
    url = loopback(lambda body: (200, reply)).url.removesuffix("/v1") + path
    model = make_model("server/mock", ModelOptions(base_urls=(url,)))
    with pytest.raises(CircuitOpen) as caught:
        run(lambda c: everything(c, 1), tmp_path, model, retry=Retry(first=0.01))
    assert f"4 in a row. {url}: " in str(caught.value) and said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_garbled_reply_among_good_ones_is_asked_again(tmp_path, loopback):
    count = itertools.count()
    url = loopback(lambda body: (200, PAGE) if next(count) % 3 == 1 else "four").url
    model = make_model("server/mock", ModelOptions(base_urls=(url,)))
    ended = run(lambda c: everything(c, 20), tmp_path, model, retry=Retry(first=0.01))
    assert ended == {"answered": 20}


def test_a_wrong_model_name_stops_the_run_with_the_names_there_are(tmp_path, mock_server):
    url = mock_server("--model", "llama")
    model = make_model("server/mock", ModelOptions(base_urls=(url,)))
    with pytest.raises(CircuitOpen, match="It serves: llama"):
        run(everything, tmp_path, model)
    assert stats_of(url)["requests"] < 100


def test_a_server_that_refuses_everything_stops_the_run(tmp_path, mock_server):
    url = mock_server("--max-body", "10")
    model = make_model("server/mock", ModelOptions(base_urls=(url,)))
    # Each question may be too large on its own: the run goes on, and every question ends.
    assert run(lambda c: everything(c, 30), tmp_path, model) == {"too_large": 30}
    url = mock_server("--p500", "1")
    model = make_model("server/mock", ModelOptions(base_urls=(url,)))
    with pytest.raises(CircuitOpen, match="a planned fault"):
        run(everything, tmp_path, model, patience=Patience(start_sick=0.5))


def test_a_server_that_goes_away_in_the_middle_and_returns_costs_no_question(tmp_path):
    gone = CallError("gone", kind="connection", retryable=True)
    model = Scripted([None] * 5 + [gone] * 200)

    async def work(client):
        return await asyncio.gather(*(client.ask(request(i)) for i in range(40)))

    answers = run(work, tmp_path, model, limits=Limits(concurrency=8))
    assert len(answers) == 40


def test_under_the_worst_mix_of_faults_every_question_ends_and_none_as_text(tmp_path, mock_server):
    faults = ("--p429", "0.3", "--p500", "0.05", "--phang", "0.02")
    url = mock_server(*faults, "--pmalformed", "0.02", "--pdisconnect", "0.02")
    options = ModelOptions(base_urls=(url,), first_byte_timeout=1.0)
    model = make_model("server/mock", options)
    complete, timeouts = model.complete, 0

    async def counted(asked):
        nonlocal timeouts
        try:
            return await complete(asked)
        except CallError as error:
            timeouts += error.kind == "timeout"
            raise

    model.complete = counted

    async def work(client):
        asks = []
        for number in range(400):
            await client.hungry()
            ask = client.ask(request(number, model="server/mock"))
            asks.append(asyncio.create_task(ask))
        return await asyncio.gather(*asks, return_exceptions=True)

    # Ten attempts at a call may all be struck; forty are not.
    retry = Retry(attempts=40, first=0.01, longest=0.1)
    ended = run(work, tmp_path, model, limits=Limits(concurrency=32), retry=retry)
    assert len(ended) == 400
    assert all(isinstance(end, Completion) and end.text.endswith("\\boxed{4}.") for end in ended)
    seen = stats_of(url)
    struck = seen["faults"]
    assert set(struck) == {"429", "500", "hang", "malformed", "disconnect"}
    # What a busy machine answers after its time is asked, and answered, again; nothing else is.
    assert seen["repeated_answers"] <= timeouts - struck["hang"]


# --- Seeds -----------------------------------------------------------------------------------


def test_a_server_that_dies_of_seeds_is_asked_without_them_from_then_on(tmp_path):
    death = CallError(
        "500: RuntimeError: CPU Generator does not use offset", kind="http_500", retryable=True
    )
    model = Scripted([None, death])

    async def work(client):
        for number in range(4):
            await client.ask(request(number))
        return client.stats(), client.facts()

    stats, facts = run(work, tmp_path, model)
    assert [asked.seed is not None for asked in model.asked] == [True, True, False, False, False]
    assert "--max-num-batched-tokens" in stats.notes[0] and len(stats.notes) == 1
    assert facts["models"]["m"] | {"servers": 0} == {
        "request_seeds": False,
        "seeds_stopped": True,
        "peak_in_flight": 1,
        "last_limit": 32,
        "servers": 0,
        "asked_otherwise": {},
        "served": {},
        "rate_limit": {},
    }


def test_an_engine_that_dies_twice_is_asked_without_seeds(tmp_path):
    death = CallError("500: EngineCore encountered an issue", kind="http_500", retryable=True)
    model = Scripted([None, death, death, None, death])

    async def work(client):
        for number in range(4):
            await client.ask(request(number))
        return client.stats()

    stats = run(work, tmp_path, model)
    assert [asked.seed is not None for asked in model.asked] == [True] * 5 + [False] * 2
    assert "died twice" in stats.notes[0]


@pytest.mark.parametrize(("choice", "sent"), [("off", False), ("on", True)])
def test_seeds_are_sent_as_chosen(tmp_path, choice, sent):
    death = CallError("CPU Generator does not use offset", kind="http_500", retryable=True)
    model = Scripted([death])
    model.request_seeds = choice
    run(lambda client: client.ask(request()), tmp_path, model)
    assert [asked.seed is not None for asked in model.asked] == [sent, sent]


# --- Money -----------------------------------------------------------------------------------


def test_a_cap_on_tokens_is_never_passed_and_holds_over_sessions(tmp_path):
    model = Scripted(delay=0.005)

    async def work(client):
        answered = 0
        with pytest.raises(BudgetExceeded, match="--max-total-tokens 1000"):
            for number in range(1000):
                await client.ask(request(number))
                answered += 1
        return answered, client.stats().tokens

    answered, tokens = run(work, tmp_path, model, caps=Caps(total_tokens=1000))
    assert tokens == 15 * answered and 1000 - 100 < tokens <= 1000

    async def further(client):
        calls = 0
        with pytest.raises(BudgetExceeded):
            for number in range(1000):
                calls += not (await client.ask(request(number))).shared
        return calls

    assert run(further, tmp_path, Scripted(), caps=Caps(total_tokens=1000)) == 0
    assert run(further, tmp_path, Scripted(), caps=Caps(total_tokens=2000)) > 50


def test_calls_at_once_use_a_budget_up_without_passing_it(tmp_path):
    model = Scripted(delay=0.005)

    async def work(client):
        ended = await asyncio.gather(
            *(client.ask(request(i)) for i in range(500)), return_exceptions=True
        )
        assert {type(end) for end in ended} == {Completion, BudgetExceeded}
        return client.stats().tokens

    assert 4900 < run(work, tmp_path, model, caps=Caps(total_tokens=5000)) <= 5000


def test_a_cap_on_dollars_stops_the_run_and_needs_prices(tmp_path):
    prices = {"m": Price(prompt=0.001, completion=0.002)}
    model = Scripted()

    async def work(client):
        with pytest.raises(BudgetExceeded, match="--max-usd 0.5"):
            for number in range(1000):
                await client.ask(request(number))
        return client.stats()

    stats = run(work, tmp_path, model, caps=Caps(usd=0.5), prices=prices)
    assert stats.cost == pytest.approx(stats.calls * (10 * 0.001 + 5 * 0.002))
    assert 0.3 < stats.cost <= 0.5
    with pytest.raises(UsageError, match="no price is known for m"):
        run(work, tmp_path, model, caps=Caps(usd=0.5))


def test_a_cap_for_a_question_ends_that_question_alone(tmp_path):
    model = Scripted()

    async def work(client):
        for draw in range(3):
            await client.ask(request(0, draw))
        with pytest.raises(CallError) as caught:
            for draw in range(3, 100):
                await client.ask(request(0, draw))
        assert caught.value.kind == "question_budget"
        return await client.ask(request(1))

    assert run(work, tmp_path, model, caps=Caps(question_tokens=200)).text == "yes"
