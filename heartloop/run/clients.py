"""Models of a plan: how they are reached, what they cost, and the client over all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from heartloop.calls import Caps, Client, Journal, Limits, load_prices
from heartloop.calls.prices import Price, price_of
from heartloop.errors import UsageError
from heartloop.grading import Grader
from heartloop.grading.judge import Judge
from heartloop.models import ModelOptions, make_model
from heartloop.models.in_turn import take_turns
from heartloop.models.unasked import Unasked
from heartloop.models.urls import base_url
from heartloop.run.ask import judge_ask
from heartloop.run.judges import (
    JudgeModel,
    judge_options,
    judge_price,
    judge_sampling,
    names_of,
)
from heartloop.run.plan import Plan
from heartloop.run.unit import LoadedTask
from heartloop.secrets import secret_fields
from heartloop.types import Model


def automatic(grader: Grader) -> bool:
    """Whether a verifier grades without asking a model."""
    return grader.verifier.kind != "judge"


def model_options(plan: Plan) -> ModelOptions:
    """Provider options of a plan.

    Raises:
        UsageError: an option that does not exist.
    """
    known = {f.name for f in dataclasses.fields(ModelOptions)}
    for name in plan.server:
        if name not in known:
            raise UsageError(f"server: unknown option {name!r}; known: {', '.join(sorted(known))}")
    if "api_key" in plan.server:
        raise UsageError(
            "server: api_key does not belong into a plan, which is written to the manifest; "
            "set HEARTLOOP_API_KEY"
        )
    held = secret_fields(plan.server.get("extra_body") or {})
    if held:
        raise UsageError(
            f"--extra-body: {held[0]} does not belong into a request that is written to the "
            "manifest and shown in the report; set HEARTLOOP_API_KEY"
        )
    values: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in plan.server.items()
    }
    if "base_urls" in values:
        values["base_urls"] = tuple(str(base_url(url)) for url in values["base_urls"])
    return ModelOptions(**values)


def judges_for(plan: Plan, tasks: Sequence[LoadedTask]) -> tuple[JudgeModel, ...]:
    """The panel of a run: the plan's; else the first model under test judges itself.

    Empty where no task needs a judge.
    """
    if all(automatic(task.grader) for task in tasks):
        return ()
    return plan.judge or (JudgeModel(plan.models[0]),)


def options_for(plan: Plan, model: str) -> ModelOptions:
    """How a model under test, a helper or a judge without a URL of its own is reached.

    A plan's base URLs are for its ``server/`` models; any other kind goes to its provider, unless
    the plan has no ``server/`` model, so that the URLs can only be meant for the models it tests.
    """
    options = model_options(plan)
    if model.startswith("server/"):
        return options
    if model in plan.models and not any(m.startswith("server/") for m in plan.models):
        return options
    return dataclasses.replace(options, base_urls=())


def make_client(
    plan: Plan,
    journal: Journal,
    tasks: Sequence[LoadedTask],
    *,
    opened: Mapping[str, Model] | None = None,
    in_waves: bool = False,
    **options: Any,
) -> tuple[Client, dict[str, JudgeModel]]:
    """The client over all models of a plan, the panel's included; and the panel by name.

    Args:
        plan: whose models.
        journal: where answers are found and written.
        tasks: whose judges.
        opened: models that are open already, by name.
        in_waves: vLLM models that do not fit on the cards together are asked one after another,
            and so are several in this process.
        **options: further ones of `heartloop.calls.Client`.

    Raises:
        UsageError: a model that cannot be asked, or dollars are capped and a price is unknown.
    """
    tested = list(dict.fromkeys([*plan.models, *([plan.helper] if plan.helper else [])]))
    replay = bool(options.get("replay_only"))
    panel = judges_for(plan, tasks)
    names = names_of(panel, tested)
    stays = {*names, *([plan.helper] if plan.helper else [])}
    models = dict(opened or {})
    if in_waves and not replay:
        here = [n for n in plan.models if n.startswith("hf/") and n not in {*stays, *models}]
        models |= take_turns(here, lambda name: _tested_model(plan, name, journal))
    for name in tested:
        if name not in models:
            models[name] = Unasked(name) if replay else _tested_model(plan, name, journal)
    own = load_prices(Path(plan.limits["prices"])) if plan.limits.get("prices") else {}
    prices = dict(own)
    for name in tested if plan.server.get("batch") else ():
        price = tested_price(plan, name, own)
        if price is not None:
            prices[name] = price
    for name, judge in zip(names, panel, strict=True):
        price = judge_price(judge) or price_of(judge.model, own)
        if price is not None:
            prices[name] = price
        if name not in models:
            models[name] = Unasked(name) if replay else judge_model(plan, judge)
    if sum(name.startswith("vllm/") for name in models) > 1 and not replay:
        from heartloop.models.vllm import share_cards

        share_cards(models, stays, in_waves=in_waves)
    given = plan.limits
    at_once = given.get("concurrency")
    if plan.server.get("batch"):
        from heartloop.calls.batches import MOST

        at_once = at_once or MOST
    caps = Caps(
        total_tokens=given.get("max_total_tokens") or None,
        usd=given.get("max_usd") or None,
        question_tokens=given.get("max_question_tokens") or None,
    )
    if replay:
        caps = Caps()  # nothing is asked, so nothing is spent
    client = Client(
        models,
        journal,
        limits=Limits(
            at_once or "auto",
            given.get("rpm") or None,
            given.get("tpm") or None,
        ),
        caps=caps,
        prices=prices,
        **options,
    )
    return client, dict(zip(names, panel, strict=True))


def _tested_model(plan: Plan, name: str, journal: Journal) -> Model:
    """A model under test or a helper; with ``batch`` behind its batch endpoint."""
    options = options_for(plan, name)
    if not options.batch:
        return make_model(name, options)
    from heartloop.calls.batches import Batched
    from heartloop.models.batch_shapes import shape_of

    return Batched(name, shape_of(name, options), journal.path.parent)


BATCH_SHARE = 0.5
"""What a batch's tokens cost, of the usual price, at OpenAI and at Anthropic."""


def tested_price(plan: Plan, name: str, own: Mapping[str, Price]) -> Price | None:
    """The price of a model under test: the user's as it is, the known one halved for batches."""
    price = price_of(name, own)
    if price is None or name in own or not plan.server.get("batch"):
        return price
    cached = None if price.cached is None else price.cached * BATCH_SHARE
    return Price(price.prompt * BATCH_SHARE, price.completion * BATCH_SHARE, cached)


def judge_model(plan: Plan, judge: JudgeModel) -> Model:
    """Open a judge at its own address, or where models of its kind are reached."""
    if judge.base_url is None:
        return make_model(judge.model, options_for(plan, judge.model))
    return make_model(judge.model, judge_options(judge, model_options(plan)))


def attach_judges(
    tasks: Sequence[LoadedTask], client: Client, panel: Mapping[str, JudgeModel]
) -> None:
    """Hand the panel to every grader that needs one."""
    for task in tasks:
        if not automatic(task.grader):
            card = task.grader.judge_spec().sampling
            task.grader.judge_ask = [
                Judge(name, judge_ask(client, name, judge_sampling(judge, card)))
                for name, judge in panel.items()
            ]
