"""From flags to the parts of a plan: parameters, sampling, how a model is reached, limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heartloop.errors import UsageError


def method_params_of(flags: Mapping[str, Any], method: str) -> dict[str, Any]:
    from heartloop.methods import SPECS

    names = ("rounds", "candidates", "schedule", "history")
    given = {name: flags[name] for name in names if flags[name] is not None}
    for name in flags["param"]:
        key, equals, value = name.partition("=")
        if not equals:
            raise UsageError(f"--param {name!r}: expected NAME=VALUE")
        given[key.strip()] = scalar(value, key.strip())
    if method not in SPECS:
        return given  # build_arms says which methods there are
    accepted = SPECS[method].params
    ignored = [n for n in given if n not in accepted]
    if ignored:
        near = ", ".join(sorted(accepted)) or "none"
        raise UsageError(
            f"--{ignored[0].replace('_', '-')}: method {method} has no such parameter; "
            f"it has: {near}"
        )
    return given


def scalar(text: str, name: str = "NAME") -> Any:
    """A value as YAML reads it; ``@FILE`` is the JSON of a file, or its text."""
    from heartloop.cards import read_yaml

    if not text.startswith("@"):
        return read_yaml(text.encode("utf-8", "replace"), f"--param {name}")
    path = Path(text[1:])
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--param {name}={text}: cannot be read ({error}); check it") from None
    if path.suffix != ".json":
        return content.strip()
    from heartloop.run.files import parse_json

    return parse_json(content, f"--param {name}={text}")


def sampling_of(flags: Mapping[str, Any]) -> dict[str, Any]:
    names = ("temperature", "max_tokens", "top_p", "reasoning_effort")
    sampling = {name: flags[name] for name in names if flags[name] is not None}
    if flags["logprobs"]:
        sampling["logprobs"] = True
    return sampling


def server_of(flags: Mapping[str, Any], urls: tuple[str, ...]) -> dict[str, Any]:
    server: dict[str, Any] = {"request_seeds": flags["request_seeds"]}
    if urls:
        server["base_urls"] = [normal_url(url) for url in urls]
    if flags["vllm_arg"]:
        server["vllm_args"] = list(flags["vllm_arg"])
    if flags.get("batch"):
        server["batch"] = True
    if flags["tensor_parallel"]:
        server["tensor_parallel"] = flags["tensor_parallel"]
    if flags["timeout"]:
        server["total_timeout"] = flags["timeout"]
    if flags["extra_body"]:
        from heartloop.run.files import parse_json

        try:
            server["extra_body"] = parse_json(flags["extra_body"], "--extra-body")
        except UsageError:
            server["extra_body"] = None
        if not isinstance(server["extra_body"], dict):
            raise UsageError("--extra-body: expected a JSON object")
    if flags["replay_field"]:
        pairs = [field.partition("=") for field in flags["replay_field"]]
        for ours, _, theirs in pairs:
            if not ours or not theirs:
                raise UsageError(
                    f"--replay-field {ours!r}: expected OURS=THEIRS, such as text=output"
                )
        server["replay_fields"] = {ours: theirs for ours, _, theirs in pairs}
    return server


def normal_url(url: str) -> str:
    """A base URL as it is recorded; raises UsageError for anything that is none."""
    from heartloop.models.urls import base_url

    return str(base_url(url))


def limits_of(flags: Mapping[str, Any]) -> dict[str, Any]:
    concurrency = flags["concurrency"]
    if concurrency != "auto":
        try:
            concurrency = int(concurrency)
        except ValueError:
            raise UsageError(f"--concurrency {concurrency!r}: expected auto or a number") from None
        if concurrency < 1:
            raise UsageError("--concurrency: at least 1")
    names = (
        "rpm",
        "tpm",
        "max_total_tokens",
        "max_usd",
        "max_question_tokens",
        "prices",
        "max_unscored",
    )
    limits: dict[str, Any] = {"concurrency": concurrency}
    limits.update({name: flags[name] for name in names if flags[name] is not None})
    return limits
