"""The flags of the commands that ask models, in groups; each flag is declared once."""

from __future__ import annotations

from typing import Any

import click

from heartloop.cli._command import option_group
from heartloop.cli._judges import judge_options
from heartloop.models.kinds import SPECS
from heartloop.types import PLACEMENTS

ALLOW_CODE = click.option(
    "--allow-code",
    is_flag=True,
    help="Execute the programs that a run folder from elsewhere names; read them first.",
)

WHAT = option_group(
    "What is run",
    click.option(
        "--task", multiple=True, metavar="T[,T]", help="Task, suite, card or a .jsonl/.csv file."
    ),
    click.option(
        "--model",
        multiple=True,
        metavar="M[,M]",
        help=f"{SPECS}, or a name of litellm's.",
    ),
    click.option(
        "--method",
        metavar="NAME",
        help="Loops: heart (default), reflect, neutral, neutral-varied, self_refine, "
        "direct_refine, critique, budget_force. Scripted: dialogue. One turn: single "
        "(default with --stimuli), cot, emotional_cot, planner, knowledge, traces. "
        "Draws: resample, adaptive. Of your own: FILE.py:NAME, or dspy:FILE.py:program.",
    ),
    click.option(
        "--mode",
        type=click.Choice(["oracle", "verifier-free"]),
        help="Default: oracle where the verifier is automatic.",
    ),
    click.option(
        "--stimuli",
        metavar="SET[:ID]",
        help="Stimuli, an arm each: emotionprompt,negativeprompt:NP04,EP02+EP07.",
    ),
    click.option(
        "--seeds",
        default="0",
        show_default=True,
        metavar="0,1,2",
        help="Run seeds; each repeats every arm.",
    ),
    click.option(
        "--placement",
        metavar="P[,P]",
        help=f"Where a stimulus goes, an arm each: {', '.join(PLACEMENTS)}. Default: as its card "
        "says.",
    ),
)
ARMS = option_group(
    "What is run",
    click.option(
        "--controls",
        type=click.Choice(["none", "lean", "matched", "full"]),
        default="matched",
        show_default=True,
        help="Arms beside it. lean: none, again. matched: placebos, too, and demand-only twins of "
        "claims that stand. full: every twin.",
    ),
    click.option(
        "--plan", type=click.Path(dir_okay=False), help="A plan in YAML, or a run's manifest.json."
    ),
    click.option(
        "--claim-from",
        metavar="RUN",
        help="Confirm the claim of an earlier run: its plan, on the questions left to ask.",
    ),
    click.option(
        "--power-from",
        metavar="RUN",
        help="The power line takes its noise from this run instead of assuming it.",
    ),
    click.option(
        "--target",
        type=click.FloatRange(0, 100, min_open=True, max_open=True),
        metavar="POINTS",
        help="The power line says how many questions this difference needs.",
    ),
    click.option(
        "--exclude-questions",
        multiple=True,
        metavar="RUN",
        help="Do not ask the questions of this run again.",
    ),
)
LOOP = option_group(
    "Loop and selection",
    click.option(
        "--rounds",
        type=click.IntRange(0),
        help="Feedback rounds after the first answer. Default 5.",
    ),
    click.option("--candidates", type=click.IntRange(1), help="Candidates a round. Default 1."),
    click.option(
        "--history",
        type=click.Choice(["full", "last", "none"]),
        help="What a round sees of the rounds before.",
    ),
    click.option(
        "--selector",
        metavar="S",
        help="Verifier-free: synthesis (default), last, first, majority, self_score, tournament, "
        "confidence, weighted, adaptive; or your own, FILE.py:NAME.",
    ),
    click.option(
        "--param",
        multiple=True,
        metavar="NAME=VALUE",
        help="Any other parameter of the method; NAME=@FILE takes a text or .json file.",
    ),
)
SCHEDULE = option_group(
    "Loop and selection",
    click.option(
        "--schedule",
        metavar="S",
        help="alternate (default), static:EMOTION, cycle:A,B, random, state, contextual, bandit.",
    ),
)
DATA = option_group(
    "Data and judges",
    click.option(
        "--data",
        type=click.Path(file_okay=False),
        help="Folder with benchmark data (or HEARTLOOP_DATA).",
    ),
    click.option(
        "--practice", is_flag=True, help="Use the practice sets that ship with heartloop."
    ),
    click.option(
        "--limit",
        type=click.IntRange(1),
        metavar="N",
        help="At most N questions a task, the same for every arm.",
    ),
    click.option(
        "--sample", type=int, metavar="SEED", help="Draw the N of --limit at random with this seed."
    ),
    click.option(
        "--shots",
        type=click.IntRange(0),
        metavar="K",
        help="Demonstrations from the task's own pool, the same for every arm.",
    ),
    click.option(
        "--shots-as",
        type=click.Choice(["turns", "text"]),
        help="Demonstrations as turns of a chat (the default) or in the one message "
        "(the default of published protocols).",
    ),
    click.option(
        "--verifier",
        metavar="V",
        help="A verifier card instead of the task's own, or FILE.py:NAME.",
    ),
    click.option(
        "--helper",
        metavar="M",
        help="A second model, for methods that need one (critique, planner).",
    ),
    judge_options,
)
SAMPLING = option_group(
    "Sampling",
    click.option(
        "--temperature",
        type=click.FloatRange(0),
        help="Default: the task card's, the same for every arm.",
    ),
    click.option("--max-tokens", type=click.IntRange(1), help="Default: the task card's."),
    click.option("--top-p", type=click.FloatRange(0, 1), help="Nucleus sampling."),
    click.option(
        "--logprobs",
        is_flag=True,
        help="Ask for log-probabilities, so that every selector can be tried later.",
    ),
    click.option("--reasoning-effort", metavar="LEVEL", help="For reasoning models."),
    click.option(
        "--request-seeds",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="Send a seed with every request.",
    ),
    click.option("--extra-body", metavar="JSON", help="Further fields of every request body."),
)
SERVER = option_group(
    "Server",
    click.option(
        "--base-url",
        multiple=True,
        metavar="URL",
        help="OpenAI-compatible server; repeat to balance over several.",
    ),
    click.option(
        "--concurrency",
        default="auto",
        show_default=True,
        metavar="auto|N",
        help="Calls in flight.",
    ),
    click.option(
        "--rpm", type=click.FloatRange(0, min_open=True), help="Requests a minute at most."
    ),
    click.option("--tpm", type=click.FloatRange(0, min_open=True), help="Tokens a minute at most."),
    click.option(
        "--timeout",
        type=click.FloatRange(0, min_open=True),
        metavar="S",
        help="Seconds an attempt may take. Default 900.",
    ),
)
BATCH = option_group(
    "Server",
    click.option(
        "--batch",
        is_flag=True,
        help="Send what is asked together as one batch: half the price, hours instead of seconds. "
        "openai/NAME, anthropic/NAME, or server/NAME that has such an endpoint.",
    ),
)
LAUNCH = option_group(
    "Server",
    click.option(
        "--replay-field",
        multiple=True,
        metavar="OURS=THEIRS",
        help="Other field names of a replay file.",
    ),
    click.option(
        "--vllm-arg",
        multiple=True,
        metavar="ARG",
        help="Passed on to every vLLM server heartloop starts.",
    ),
    click.option(
        "--tensor-parallel", type=click.IntRange(1), metavar="K", help="GPUs a vLLM server spans."
    ),
)
SHARDS = option_group(
    "Shards",
    click.option(
        "--shard",
        metavar="I/N",
        help="One of N shards of the questions, for a scheduler; heartloop merge joins them.",
    ),
    click.option(
        "--ray", metavar="ADDRESS", help="Run shards on a Ray cluster: an address, or auto."
    ),
    click.option(
        "--shards", type=click.IntRange(1), metavar="N", help="With --ray: how many shards."
    ),
)
CAPS = option_group(
    "Money",
    click.option(
        "--max-total-tokens",
        type=click.IntRange(1),
        metavar="N",
        help="Stop cleanly before going over N tokens.",
    ),
    click.option(
        "--max-usd",
        type=click.FloatRange(0, min_open=True),
        metavar="X",
        help="Stop cleanly before going over X dollars.",
    ),
    click.option(
        "--max-question-tokens",
        type=click.IntRange(1),
        metavar="N",
        help="Cap for one question under one arm.",
    ),
    click.option(
        "--prices", type=click.Path(dir_okay=False), metavar="FILE", help="Your own prices.yaml."
    ),
    click.option("--yes", is_flag=True, help="Do not ask before spending money."),
)
MONEY = option_group(
    "Money",
    CAPS,
    click.option(
        "--max-unscored",
        type=click.FloatRange(0, 1, min_open=True),
        metavar="SHARE",
        help="Stop cleanly when more than this share of an arm's answers (50 or more) has no "
        "verdict. Without it, 0.2 is warned of.",
    ),
)
REUSE = option_group(
    "Money",
    click.option(
        "--reuse",
        multiple=True,
        metavar="RUN",
        help="Take over calls that an earlier run already paid for.",
    ),
)
STOPPING = option_group(
    "Comparison",
    click.option(
        "--match",
        type=click.Choice(["tokens", "calls"]),
        default="tokens",
        show_default=True,
        help="What the resample control is matched on.",
    ),
    click.option(
        "--margin",
        type=click.FloatRange(0, 100, min_open=True),
        default=3.0,
        show_default=True,
        metavar="POINTS",
        help="Region of equivalence for --stop-when.",
    ),
    click.option(
        "--stop-when",
        type=click.Choice(["decided"]),
        help="Stop when the sequential test of --primary is decided.",
    ),
    click.option(
        "--primary",
        metavar="ARM",
        help="The one arm whose comparison --stop-when watches, named before the first call.",
    ),
)
VERBOSITY = (
    click.option("--quiet", is_flag=True, help="Print the conclusion and nothing else."),
    click.option("--verbose", is_flag=True, help="Print every arm, task, warning and note."),
)
OUTPUT = option_group(
    "Output",
    click.option(
        "--runs", type=click.Path(file_okay=False), help="Where run folders land. Default: runs/"
    ),
    click.option("--name", metavar="NAME", help="Exact name of the run folder."),
    click.option("--dry-run", is_flag=True, help="Print the plan and stop."),
    click.option(
        "--probe/--no-probe",
        default=False,
        help="With --dry-run: ask four questions for real, to tell tokens and time.",
    ),
    *VERBOSITY,
    click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Print the summary as JSON on stdout and nothing else.",
    ),
)


def defaults(*groups: Any) -> dict[str, Any]:
    """What the flags of groups are where none of them is given."""

    def nothing() -> None: ...

    for group in groups:
        group(nothing)
    command = click.Command("defaults", params=nothing.__click_params__)  # type: ignore[attr-defined]
    return dict(command.make_context("defaults", []).params)
