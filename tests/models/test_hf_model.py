"""``hf/…``: the shipped checkpoint in transformers says what it says in numpy."""

import asyncio
import shutil

import pytest

from heartloop import practice
from heartloop.errors import CallError, UsageError
from heartloop.models import ModelOptions
from heartloop.models.pocket import CHECKPOINT, PocketModel
from heartloop.types import Address, Message, Request, Sampling

pytestmark = pytest.mark.hf
pytest.importorskip("torch")
pytest.importorskip("transformers")

ADDRESS = Address("olympiad", "1", "hf", 0, 0)
QUESTIONS = [row["question"] for row in practice.rows("olympiad")[:26]]


def request(text, seed=None, **sampling):
    chosen = Sampling(**{"temperature": 0.0, "max_tokens": 80, "logprobs": True, **sampling})
    return Request(ADDRESS, (Message("user", text),), chosen, seed=seed)


@pytest.fixture(scope="module")
def hf():
    import torch

    from heartloop.models import hf

    # Two threads wait for one another at every step: where other work keeps the cores busy, these
    # small steps take a hundred times as long. And a batch waits until it is full (see `ask`), so
    # that its rows, and with them the last digits, do not depend on how busy the machine is.
    threads, patience = torch.get_num_threads(), hf.GATHER_SECONDS
    torch.set_num_threads(1)
    hf.GATHER_SECONDS = 120.0
    yield hf.HFModel(f"hf/{CHECKPOINT}", str(CHECKPOINT), ModelOptions(device="cpu"))
    torch.set_num_threads(threads)
    hf.GATHER_SECONDS = patience


def ask(model, *requests):
    """Answers to requests that are one batch together."""

    async def main():
        return await asyncio.gather(*(model.complete(r) for r in requests))

    if not isinstance(model, PocketModel):
        model._batch = len(requests)
    return asyncio.run(main())


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_transformers_and_numpy_give_the_same_tokens(hf, temperature):
    asked = [request(q, seed=i, temperature=temperature) for i, q in enumerate(QUESTIONS)]
    pocket = PocketModel()
    first = [answer for one in asked for answer in ask(pocket, one)]
    second = ask(hf, *asked)
    asyncio.run(pocket.close())
    equal = sum(a.text == b.text for a, b in zip(first, second, strict=True))
    assert equal >= len(asked) - 1  # one near tie may fall the other way
    for a, b in zip(first, second, strict=True):
        if a.text == b.text:
            assert a.usage.prompt == b.usage.prompt and a.usage.completion == b.usage.completion
            assert abs(a.logprob - b.logprob) < 1e-4


def test_the_tokenizers_agree_on_any_text(hf):
    texts = [
        "", "  a  b\t\n\n x", "héllo — “q”", "日本語 😀", "<|end|> in <|user|>", "\u2028\x85",
        "a\r\nb", "\\frac{1}{2}\\\\", "x" * 300, "123 4567", "٣٤ ½",
    ]  # fmt: skip
    own = PocketModel().tokenizer
    for text in texts + QUESTIONS:
        assert own.encode(text) == hf._tokenizer.encode(text, add_special_tokens=False)


def test_stop_length_and_batches_behave(hf):
    (full,) = ask(hf, request(QUESTIONS[0]))
    word = full.text[len(full.text) // 2 :][:3]
    cut, short = ask(hf, request(QUESTIONS[0], stop=(word,)), request(QUESTIONS[0], max_tokens=4))
    assert cut.text == full.text[: full.text.index(word)] and cut.finish_reason == "stop"
    assert short.finish_reason == "length" and short.usage.completion == 4


def test_a_prompt_over_the_context_is_an_error(hf):
    with pytest.raises(CallError) as caught:
        ask(hf, request("word " * 3000))
    assert caught.value.kind == "context_length" and not caught.value.retryable


def test_no_such_model_is_a_usage_error(tmp_path):
    from heartloop.models.hf import HFModel

    with pytest.raises(UsageError, match="hf/"):
        HFModel(f"hf/{tmp_path}/none", f"{tmp_path}/none", ModelOptions())


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_damaged_checkpoint_is_a_usage_error(tmp_path, name):
    from heartloop.models.hf import HFModel

    shutil.copytree(CHECKPOINT, tmp_path / "model")
    broken = tmp_path / "model" / name
    broken.write_bytes(broken.read_bytes()[:300])
    with pytest.raises(UsageError, match="hf/broken"):
        HFModel("hf/broken", str(tmp_path / "model"), ModelOptions(device="cpu"))


def test_a_closed_model_says_so():
    from heartloop.models.hf import HFModel

    model = HFModel(f"hf/{CHECKPOINT}", str(CHECKPOINT), ModelOptions(device="cpu", batch_size=1))

    async def main():
        await model.complete(request("hi", max_tokens=2))
        await model.close()
        with pytest.raises(CallError, match="closed"):
            await model.complete(request("hi"))

    asyncio.run(main())
