"""Log-likelihoods of given continuations, through text completions with ``echo``."""

from __future__ import annotations

import math
from typing import Any

from heartloop.errors import CallError
from heartloop.models.replies import read_usage
from heartloop.types import Address, Completion, Message, Request, Sampling

SCORING = Sampling(max_tokens=0, logprobs=True)
NEEDS_ECHO = (
    "Log-likelihoods need a server whose /v1/completions takes echo and logprobs, such as vLLM."
)


def scoring_request(address: Address, prompt: str, continuation: str, arm: str = "") -> Request:
    """A request for the log-likelihood of a continuation after a prompt.

    Args:
        address: of the draw; the continuations of one prompt may share it.
        prompt: raw text; no chat template is applied.
        continuation: what is scored, with its leading space where it needs one.
        arm: for the record.

    Returns:
        A request whose completion has the mean log-probability of the continuation's tokens in
        ``logprob`` and their number in ``logprob_tokens``: the sum is their product.
    """
    messages = (Message("user", prompt), Message("assistant", continuation))
    return Request(address, messages, SCORING, purpose="probe", arm=arm)


def is_scoring(request: Request) -> bool:
    """Whether a request asks for a log-likelihood."""
    return request.sampling.max_tokens == 0 and request.sampling.logprobs


def scoring_body(request: Request, model: str) -> dict[str, Any]:
    """The body of a text completion that repeats its prompt with log-probabilities.

    One token is generated, since not every server takes none; it is not read.
    """
    prompt = "".join(message.content for message in request.messages)
    return {
        "model": model,
        "prompt": prompt,
        "max_tokens": 1,
        "temperature": 0,
        "echo": True,
        "logprobs": 1,
    }


def read_score(
    reply: Any, request: Request, started: float = 0.0, finished: float = 0.0, endpoint: str = ""
) -> Completion:
    """The log-likelihood of the last message in a repeated prompt.

    The continuation is found from the end of the prompt's tokens, so that a token that the server
    puts before the prompt does not matter. A token that spans prompt and continuation counts.

    Raises:
        CallError: kind ``bad_response``: the server repeated nothing, or without log-probabilities.
    """
    try:
        choice = reply["choices"][0]
        logprobs = choice["logprobs"]
        tokens, values = logprobs["tokens"], logprobs["token_logprobs"]
        prompt_tokens = int(reply["usage"]["prompt_tokens"])
        values = [None if value is None else float(value) for value in values]
        tokens = [str(token) for token in tokens]
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise CallError(
            f"{endpoint}: no log-probabilities in the reply. {NEEDS_ECHO}", kind="bad_response"
        ) from error
    if len(values) < prompt_tokens or len(tokens) != len(values):
        raise CallError(
            f"{endpoint}: {len(values)} log-probabilities for {prompt_tokens} prompt tokens: the "
            f"prompt was not repeated. {NEEDS_ECHO}",
            kind="bad_response",
        )
    continuation = request.messages[-1].content
    scored: list[float] = []
    missing = len(continuation)
    prompt = list(zip(tokens, values, strict=True))[:prompt_tokens]
    for token, value in reversed(prompt):
        if missing <= 0:
            break
        if value is None:  # the first token of all has no probability
            break
        scored.append(float(value))
        missing -= len(token)
    usage, estimated = read_usage(reply)
    return Completion(
        text=continuation,
        usage=usage,
        logprob=math.fsum(scored) / len(scored) if scored else None,
        logprob_tokens=len(scored),
        estimated=estimated,
        started=started,
        finished=finished,
        endpoint=endpoint,
    )
