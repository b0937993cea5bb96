"""The ledger and the price list."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from heartloop.calls import Caps, Price, load_prices, price_of
from heartloop.calls.ledger import Ledger
from heartloop.calls.prices import prices_for
from heartloop.errors import BudgetExceeded, UsageError
from heartloop.types import Address, Completion, Message, Request, Sampling, Usage


def request(chars=300, max_tokens=100):
    messages = (Message("user", "x" * chars),)
    return Request(Address("t", "1", "m", 0, 0), messages, Sampling(max_tokens=max_tokens))


def settle(ledger, usage, **options):
    async def main():
        asked = request(**options)
        ledger.settle(await ledger.reserve(asked), asked, Completion("", usage=usage))

    asyncio.run(main())


def test_an_estimate_covers_the_prompt_and_the_longest_answer():
    assert Ledger().estimate(request(chars=300, max_tokens=100)).tokens >= 300 / 4 + 100


def test_estimates_of_prompts_follow_what_was_counted():
    ledger = Ledger()
    before = ledger.estimate(request(chars=10_000)).prompt
    for _ in range(5):
        settle(ledger, Usage(prompt=2000, completion=50), chars=10_000)
    after = ledger.estimate(request(chars=10_000)).prompt
    assert 2000 <= after < 2300 < before


def test_an_answer_without_a_limit_is_reserved_by_the_longest_seen():
    ledger = Ledger()
    assert ledger.estimate(request(max_tokens=None)).tokens > 2000
    settle(ledger, Usage(10, 9000), max_tokens=None)
    assert ledger.estimate(request(max_tokens=None)).tokens > 18_000


def test_reservations_wait_for_running_calls_before_they_give_up():
    async def main():
        ledger = Ledger(Caps(total_tokens=400))
        first = await ledger.reserve(request())
        second = asyncio.create_task(ledger.reserve(request()))
        await asyncio.sleep(0.01)
        assert not second.done()
        ledger.settle(first, request(), Completion("", usage=Usage(80, 10)))
        ledger.settle(await second, request(), Completion("", usage=Usage(80, 90)))
        with pytest.raises(BudgetExceeded, match="260 used"):
            await ledger.reserve(request())

    asyncio.run(main())


def test_a_failed_call_gives_its_reservation_back():
    async def main():
        ledger = Ledger(Caps(total_tokens=300))
        for _ in range(10):
            ledger.settle(await ledger.reserve(request()), request(), None)
        assert ledger.spent == Usage()

    asyncio.run(main())


def test_a_price_counts_cached_prompt_tokens_apart():
    price = Price(prompt=1.0, completion=10.0, cached=0.5)
    assert price.cost(Usage(prompt=10, completion=2, reasoning=1, cached=4)) == 6 + 2 + 20
    assert Price(1.0, 10.0).cost(Usage(10, 2, 0, 4)) == 30


def test_the_users_prices_are_read_per_million_tokens(tmp_path):
    file = tmp_path / "prices.yaml"
    file.write_text(
        "server/mine: {prompt: 0.5, completion: 1.5}\nx/y: {prompt: 1, completion: 2, cached: 0}\n"
    )
    prices = load_prices(file)
    assert prices["server/mine"] == Price(0.5e-6, 1.5e-6)
    assert price_of("server/mine", prices) == prices["server/mine"]
    assert prices["x/y"].cached == 0.0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a", "must map"),
        ("m: 3", "m: must be"),
        ("m: {prompt: 1}", "m: completion:"),
        ("m: {prompt: -1, completion: 1}", "m: prompt:"),
        ("m: {prompt: 1, completion: true}", "m: completion:"),
        ("m: {prompt: 1, completion: 1, out: 2}", "out: unknown"),
        ("m: {", "not valid YAML"),
    ],
)
def test_a_wrong_price_list_names_file_and_field(tmp_path, text, complaint):
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=complaint) as caught:
        load_prices(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="No such file"):
        load_prices(tmp_path / "none.yaml")


def test_litellms_map_gives_prices_without_importing_litellm():
    script = (
        "import sys\n"
        "from heartloop.calls import price_of\n"
        "price = price_of('openai/gpt-4o-mini')\n"
        "assert 0 < price.prompt < price.completion < 1e-4, price\n"
        "assert price_of('anthropic/claude-haiku-4-5') is not None\n"
        "assert 'litellm' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_local_models_cost_nothing_unless_the_user_says_so():
    assert price_of("server/gpt-4o") is None and price_of("pocket") is None
    assert prices_for(["pocket", "hf/x", "replay/f"], None, needed=True) == {}
    assert prices_for(["server/x"], None, needed=False) == {}
    with pytest.raises(UsageError, match="server/x, so --max-usd cannot hold"):
        prices_for(["server/x"], None, needed=True)
    with pytest.raises(UsageError, match="somebody/unheard-of"):
        prices_for(["somebody/unheard-of"], None, needed=True)
