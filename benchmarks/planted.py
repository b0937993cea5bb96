"""Planted truths: every method against a server of known accuracy, beside values by hand.

    python benchmarks/planted.py --server PATH/mock_openai.py [--questions 2000] [--seed 0]

Starts the mock server with planted chances, runs every method over loopback HTTP with journal and
limits on, and prints measured accuracy by round, pass@k, selected accuracy and flips beside the
values that follow from the chances by hand, each with its exact 99 % interval. The last lines give
the tokens reached by `resample` at equal tokens, and the prompt prefixes shared.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import itertools
import json
import math
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from heartloop.calls import Client, Journal, Limits
from heartloop.methods import (
    METHODS,
    TokenAverages,
    draws_for_equal_tokens,
    matched_controls,
    open_learner,
    render,
    select,
    wordings,
)
from heartloop.methods.bandit import plays
from heartloop.methods.voting import decided
from heartloop.models import ModelOptions, make_model
from heartloop.types import (
    Address,
    AnswerBy,
    Arm,
    Completion,
    Question,
    Request,
    Sampling,
    Stimulus,
    Trace,
)

TASK = "planted"
MODEL = "server/mock"
FIRST_GOLD = 100_000  # golds that no vote or score could be mistaken for
WRONG_VALUES = 9  # the server's wrong answers are gold + 1 … 9, evenly


@dataclass(frozen=True)
class Chances:
    """What is planted: a first answer is right, wrong turns right, right turns wrong."""

    ability: float = 0.4
    gain: float = 0.15
    loss: float = 0.1
    cue_gain: float = 0.3
    cue_emotion: str = "happiness"
    cot_ability: float = 0.2


# --- The values by hand ---------------------------------------------------------------------


def solved(first: float, gains: Iterable[float]) -> list[float]:
    """Oracle: 1 − (1 − a) Π (1 − g_i), by round."""
    left = [1 - first]
    for gain in gains:
        left.append(left[-1] * (1 - gain))
    return [1 - value for value in left]


def chain(first: float, gain: float, loss: float, rounds: int) -> list[float]:
    """Verifier-free: a_r = a_{r−1} (1 − l) + (1 − a_{r−1}) g."""
    values = [first]
    for _ in range(rounds):
        values.append(values[-1] * (1 - loss) + (1 - values[-1]) * gain)
    return values


@cache
def wins(right: int, wrong: int) -> float:
    """Chance that ``right`` equal votes win against ``wrong`` votes spread evenly over 9 values.

    A tie with t others is won with chance 1 / (t + 1).
    """
    if right == 0:
        return 0.0
    total = 0.0
    for tied in range(WRONG_VALUES + 1):
        rest = wrong - tied * right
        if rest < 0:
            break
        # Exponential generating function of the votes of values that stay below ``right``.
        poly = [0.0] * (rest + 1)
        poly[0] = 1.0
        for _ in range(WRONG_VALUES - tied):
            poly = [
                sum(poly[n - k] / math.factorial(k) for k in range(min(n, right - 1) + 1))
                for n in range(rest + 1)
            ]
        ways = math.comb(WRONG_VALUES, tied) * poly[rest] / math.factorial(right) ** tied
        total += ways * math.factorial(wrong) / WRONG_VALUES**wrong / (tied + 1)
    return total


def majority_of_draws(ability: float, draws: int) -> float:
    """Majority over independent draws."""
    return sum(
        math.comb(draws, c) * ability**c * (1 - ability) ** (draws - c) * wins(c, draws - c)
        for c in range(draws + 1)
    )


def majority_of_chain(chances: Chances, rounds: int) -> float:
    """Majority over the answers of a loop, which depend on one another."""
    a, g, keep = chances.ability, chances.gain, 1 - chances.loss
    state = {(True, 1): a, (False, 0): 1 - a}
    for _ in range(rounds):
        after: dict[tuple[bool, int], float] = {}
        for (right, count), chance in state.items():
            up = keep if right else g
            for now, p in ((True, up), (False, 1 - up)):
                place = (now, count + now)
                after[place] = after.get(place, 0.0) + chance * p
        state = after
    return sum(p * wins(c, rounds + 1 - c) for (_, c), p in state.items())


def adaptive_by_hand(ability: float, most: int, threshold: float = 0.95) -> tuple[float, float]:
    """Accuracy and mean number of draws of `adaptive`, by walking through all states."""

    @cache
    def go(right: int, wrong: tuple[int, ...]) -> tuple[float, float]:
        sizes = [n for n in (right, *wrong) if n]
        if sum(sizes) == most or decided(sizes, threshold):
            best = max(sizes)
            share = (right == best) / (wrong.count(best) + (right == best))
            return share, 0.0
        score, more = go(right + 1, wrong)
        total = [ability * score, ability * more]
        fresh = WRONG_VALUES - len(wrong)
        each = (1 - ability) / WRONG_VALUES
        for place in range(len(wrong)):
            grown = tuple(sorted((*wrong[:place], wrong[place] + 1, *wrong[place + 1 :])))
            for i, value in enumerate(go(right, grown)):
                total[i] += each * value
        if fresh:
            for i, value in enumerate(go(right, tuple(sorted((*wrong, 1))))):
                total[i] += fresh * each * value
        return total[0], 1 + total[1]

    return go(0, ())


def interval(p: float, n: int, level: float = 0.99) -> tuple[float, float]:
    """Where a share of n lies with this probability, exactly (binomial quantiles)."""
    from scipy.stats import binom

    tail = (1 - level) / 2
    return binom.ppf(tail, n, p) / n, binom.ppf(1 - tail, n, p) / n


# --- Asking the server ----------------------------------------------------------------------


class BoxReader:
    """Reads the last box; equal strings are equal."""

    def extract(self, text: str) -> str | None:
        found = re.findall(r"\\boxed\{([^}]*)\}", text)
        return found[-1] if found else None

    async def same(self, first: str, second: str) -> bool:
        return first == second

    async def answered(self, completion: Completion) -> AnswerBy | None:
        return "own" if self.extract(completion.text) is not None else None


@dataclass
class ServerAsk:
    """`Ask` over a client, bound to one question."""

    client: Client
    question: Question
    seed: int = 0
    reader: BoxReader = field(default_factory=BoxReader)
    learner: object = None
    helper: object = None

    async def __call__(
        self, messages, *, round=0, draw=0, purpose="answer", extends=None, **sampling
    ) -> Completion:
        return await self.client.ask(
            Request(
                Address(TASK, self.question.id, MODEL, round, draw, self.seed),
                messages,
                Sampling(**sampling),
                extends=extends.key if extends else None,
                purpose=purpose,
            )
        )


def gold(number: int) -> str:
    return str(FIRST_GOLD + 10 * number)


def questions(count: int) -> list[Question]:
    return [
        Question(f"q{n}", TASK, n, f"Problem {n}: what is it?", "Solve the problem.")
        for n in range(count)
    ]


async def ask_all(
    client: Client, arm: Arm, asked: Sequence[Question], *, oracle: bool, open_at_once: int = 96
) -> list[Trace]:
    """Every question under one arm; so many questions are open at once."""
    room = asyncio.Semaphore(open_at_once)
    learner = open_learner(arm, [q.id for q in asked])

    async def one(question: Question) -> Trace:
        async def check(answer: Completion) -> bool:
            return BoxReader().extract(answer.text) == gold(question.index)

        ask = ServerAsk(client, question, learner=learner)
        async with room:
            return await METHODS[arm.method](question, arm, ask, check if oracle else None)

    return list(await asyncio.gather(*(one(q) for q in asked)))


def right(trace: Trace, index: int) -> bool:
    completion = trace.attempts[index].completion
    return completion is not None and BoxReader().extract(completion.text) == gold(
        int(trace.question[1:])
    )


# --- The comparisons ------------------------------------------------------------------------


@dataclass
class Table:
    """Measured beside computed; counts how many lie outside their 99 % interval."""

    quiet: bool = False
    level: float = 0.99
    rows: list[tuple[str, float, float, bool]] = field(default_factory=list)

    def add(self, what: str, hits: int, n: int, expected: float) -> None:
        low, high = interval(expected, n, self.level)
        inside = low - 1e-12 <= hits / n <= high + 1e-12
        self.rows.append((what, hits / n, expected, inside))
        if not self.quiet:
            mark = "" if inside else "   OUTSIDE"
            print(
                f"{what:46} {hits / n:.4f}  by hand {expected:.4f}  [{low:.4f}, {high:.4f}]{mark}"
            )

    @property
    def outside(self) -> list[tuple[str, float, float, bool]]:
        return [row for row in self.rows if not row[3]]

    def by_round(self, what: str, traces: Sequence[Trace], values: Sequence[float]) -> None:
        """Oracle: questions solved up to each round."""
        for r, value in enumerate(values):
            hits = sum(any(a.checked and a.round <= r for a in t.attempts) for t in traces)
            self.add(f"{what} solved by round {r}", hits, len(traces), value)

    def at_round(self, what: str, traces: Sequence[Trace], values: Sequence[float]) -> None:
        """Verifier-free: right answers in each round."""
        for r, value in enumerate(values):
            self.add(
                f"{what} right in round {r}", sum(right(t, r) for t in traces), len(traces), value
            )

    def flips(self, what: str, traces: Sequence[Trace], chances: Chances) -> None:
        """wrong → right and right → wrong of all rounds together, given what stood before."""
        pairs = [(right(t, r - 1), right(t, r)) for t in traces for r in range(1, len(t.attempts))]
        wrong = [after for before, after in pairs if not before]
        kept = [after for before, after in pairs if before]
        self.add(f"{what} wrong→right", sum(wrong), len(wrong), chances.gain)
        self.add(f"{what} right→wrong", len(kept) - sum(kept), len(kept), chances.loss)


EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise")


def cues(card: str = "heart") -> tuple[Stimulus, ...]:
    from heartloop.cards import load_stimuli

    return load_stimuli(card).stimuli


async def compare_all(
    client: Client, count: int, chances: Chances, table: Table, *, methods: Callable[[str], bool]
) -> None:
    """Run every method and add what was measured; ``methods`` says which parts are wanted."""
    asked = questions(count)
    a, g, loss = chances.ability, chances.gain, chances.loss
    high = g + chances.cue_gain
    felt = cues()

    async def run(method: str, oracle: bool, **params: object) -> list[Trace]:
        lines = cues(method) if method.startswith("neutral") else felt
        arm = Arm(method, method, cues=lines, params=params)
        return await ask_all(client, arm, asked, oracle=oracle)

    if methods("single"):
        traces = await run("single", False)
        table.add("single", sum(right(t, 0) for t in traces), count, a)
        traces = await run("cot", False)
        table.add("cot", sum(right(t, 0) for t in traces), count, a + chances.cot_ability)
    if methods("heart"):
        best = f"static:{chances.cue_emotion}"
        table.by_round(
            "heart planted emotion", await run("heart", True, schedule=best), solved(a, [high] * 5)
        )
        other = await run("heart", True, schedule="static:fear")
        table.by_round("heart other emotion", other, solved(a, [g] * 5))
        cycle = await run("heart", True, schedule=f"cycle:fear,{chances.cue_emotion}", rounds=4)
        table.by_round("heart cycle", cycle, solved(a, [g, high, g, high]))
        # Encouraging rounds are dealt evenly between happiness and surprise, and never repeat.
        half = g + chances.cue_gain / 2
        alternate = await run("heart", True, rounds=3)
        table.by_round("heart alternate", alternate, solved(a, [g, half, g]))
        share = sum(cue.emotion == chances.cue_emotion for cue in felt) / len(felt)
        mean = g + chances.cue_gain * share
        table.by_round(
            "heart random",
            await run("heart", True, schedule="random", rounds=3),
            solved(a, [mean] * 3),
        )
        three = await run("heart", True, schedule="static:fear", candidates=3, rounds=2)
        values = solved(1 - (1 - a) ** 3, [1 - (1 - g) ** 3] * 2)
        table.by_round("heart 3 candidates", three, values)
        free = await run("heart", False, schedule="static:fear")
        table.at_round("heart verifier-free", free, chain(a, g, loss, 5))
        table.flips("heart verifier-free", free, chances)
        last = await run("heart", False, schedule="static:fear", history="last", rounds=2)
        table.at_round("heart history last", last, chain(a, g, loss, 2))
        none = await run("heart", False, schedule="static:fear", history="none", rounds=2)
        table.at_round("heart history none", none, [a, a, a])
    if methods("controls"):
        for name in ("reflect", "neutral", "neutral-varied"):
            table.by_round(name, await run(name, True), solved(a, [g] * 5))
        for name in ("budget_force", "direct_refine"):
            table.by_round(name, await run(name, True, rounds=3), solved(a, [g] * 3))
        # Feedback and new answer are two turns: the review may turn it, the answer again.
        twice = g * (1 - loss) + (1 - g) * g
        table.by_round(
            "self_refine", await run("self_refine", True, rounds=3), solved(a, [twice] * 3)
        )
        free = await run("self_refine", False, rounds=2)
        table.at_round("self_refine verifier-free", free, chain(a, g, loss, 4)[::2])
    if methods("resample"):
        draws = 7
        traces = await run("resample", True, draws=draws)
        for k in (1, 3, 7):
            hits = sum(any(x.checked for x in t.attempts[:k]) for t in traces)
            table.add(f"resample pass@{k} (first k draws)", hits, count, 1 - (1 - a) ** k)
        early = await run("resample", True, draws=draws, stop="solved")
        hits = sum(any(x.checked for x in t.attempts) for t in early)
        table.add("resample stopped early", hits, count, 1 - (1 - a) ** draws)
        voted = majority_of_draws(a, draws)
        await compare_selectors(client, traces, table, "resample", [a] * draws, voted)
        picked = await run("adaptive", False, draws=15)
        value, mean_draws = adaptive_by_hand(a, 15)
        table.add("adaptive", sum(right(t, t.selected) for t in picked), count, value)
        used = sum(len(t.attempts) for t in picked) / count
        if not table.quiet:
            print(f"{'adaptive: mean draws':46} {used:.3f}   by hand {mean_draws:.3f}")
        loop = await run("heart", False, schedule="static:fear", rounds=4)
        voted = majority_of_chain(chances, 4)
        await compare_selectors(client, loop, table, "heart", chain(a, g, loss, 4), voted)


async def compare_selectors(
    client: Client,
    traces: Sequence[Trace],
    table: Table,
    what: str,
    accuracies: Sequence[float],
    majority: float,
) -> None:
    """Every selector on the same traces, given the accuracy of each of their answers.

    The server answers a synthesis as a first answer; it gives no scores, preferences or
    log-probabilities, so that those selectors fall back as documented: to any answer, to the
    first one, to the plain majority.
    """
    values = {
        "first": accuracies[0],
        "last": accuracies[-1],
        "majority": majority,
        "weighted": majority,
        "confidence": accuracies[0],
        "synthesis": accuracies[0],
        "tournament": accuracies[0],
        "self_score": sum(accuracies) / len(accuracies),
    }
    for name, value in values.items():
        arm = Arm(what, what, cues=cues())
        picked = await asyncio.gather(
            *(
                select(name, _plain(t), q, arm, ServerAsk(client, q))
                for t in traces
                for q in [questions_by_id(t.question)]
            )
        )
        hits = sum(right(t, t.selected) for t in picked)
        table.add(f"{what} selected by {name}", hits, len(picked), value)


def questions_by_id(name: str) -> Question:
    number = int(name[1:])
    return Question(name, TASK, number, f"Problem {number}: what is it?", "Solve the problem.")


def _plain(trace: Trace) -> Trace:
    """The trace as a verifier-free run would have it: nothing checked."""
    attempts = tuple(dataclasses.replace(a, checked=None) for a in trace.attempts)
    return dataclasses.replace(trace, attempts=attempts)


async def bandit_share(client: Client, count: int, chances: Chances, *, lag: int = 32) -> float:
    """Share of the planted emotion's cues in the last third of the questions."""
    by_emotion = tuple(next(cue for cue in cues() if cue.emotion == e) for e in EMOTIONS)
    arm = Arm("heart", "heart", cues=by_emotion, params={"schedule": "bandit", "lag": lag})
    traces = await ask_all(client, arm, questions(count), oracle=True)
    planted = next(cue.name for cue in by_emotion if cue.emotion == chances.cue_emotion)
    played = [cue for t in traces[-count // 3 :] for cue, _ in plays(t)]
    return played.count(planted) / len(played)


async def equal_tokens(client: Client, count: int) -> dict[str, float]:
    """Tokens of `resample` as a share of the loop's, its draws fixed by lengths alone."""
    asked = questions(count)
    heart = Arm("heart", "heart", cues=cues(), params={"schedule": "static:fear"})
    first = Arm("single")
    pilot = [await METHODS["single"](q, first, ServerAsk(client, q)) for q in asked[:30]]
    answered = [(render(q), t.attempts[0].completion) for q, t in zip(asked, pilot, strict=False)]
    prompts = [render(q) for q in asked]
    draws = draws_for_equal_tokens(heart, "oracle", TokenAverages.of(answered, prompts))
    control = next(c for c in matched_controls(heart, "oracle") if c.method == "resample")
    control = dataclasses.replace(control, params={**control.params, "draws": draws})
    found = {"draws": draws}
    tokens, calls = {}, {}
    for arm in (heart, control):
        traces = await ask_all(client, arm, asked, oracle=True)
        tokens[arm.method] = sum(t.usage.total for t in traces)
        calls[arm.method] = sum(t.calls for t in traces)
        done = sum(any(a.checked for a in t.attempts) for t in traces)
        found[f"{arm.method}_solved"] = done / count
    found["token_ratio"] = tokens["resample"] / tokens["heart"]
    found["call_ratio"] = calls["resample"] / calls["heart"]
    return found


def best_prefix_share(conversations: Iterable[Sequence[tuple[str, str]]]) -> float:
    """The most that any order could share: every distinct leading part is new exactly once."""
    total = new = 0
    seen: set[tuple[tuple[str, str], ...]] = set()
    for messages in conversations:
        total += sum(len(text) for _, text in messages)
        for end in range(1, len(messages) + 1):
            start = tuple(messages[:end])
            if start not in seen:
                seen.add(start)
                new += len(messages[end - 1][1])
    return (total - new) / total


# --- The server -----------------------------------------------------------------------------


def serve(
    script: Path, folder: Path, count: int, chances: Chances, *options: str
) -> tuple[subprocess.Popen[str], str]:
    """Start the mock server with the planted chances; the caller ends it."""
    answers = folder / "answers.jsonl"
    lines = (json.dumps({"match": f"Problem {n}:", "answer": gold(n)}) for n in range(count))
    answers.write_text("\n".join(lines) + "\n", encoding="utf-8")
    planted = {c.text: chances.cue_gain for c in cues() if c.emotion == chances.cue_emotion}
    gains, abilities = folder / "gains.json", folder / "abilities.json"
    gains.write_text(json.dumps(planted), encoding="utf-8")
    abilities.write_text(json.dumps({wordings.STEP_BY_STEP: chances.cot_ability}), encoding="utf-8")
    command = [sys.executable, str(script), "--port", "0", "--answers", str(answers)]
    command += ["--ability", str(chances.ability), "--gain", str(chances.gain)]
    command += ["--loss", str(chances.loss), "--cue-gain", str(gains)]
    command += ["--cue-ability", str(abilities), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline().split()
    if line[:1] != ["listening"]:
        raise SystemExit(f"the mock server did not start: {line}")
    return process, f"http://127.0.0.1:{line[1]}/v1"


def open_client(folder: Path, url: str, concurrency: int = 64) -> Client:
    """A client with journal and limits on, as a run has it."""
    model = make_model(MODEL, ModelOptions(base_urls=(url,)))
    limits = Limits(concurrency=concurrency)
    return Client({MODEL: model}, Journal.open(folder), limits=limits)


def stats(url: str) -> dict[str, float]:
    with urllib.request.urlopen(url.replace("/v1", "/stats")) as reply:
        return json.load(reply)


async def with_client(folder: Path, url: str, work: Callable[[Client], object]) -> object:
    client = open_client(folder, url)
    try:
        return await work(client)  # type: ignore[misc]
    finally:
        await client.close()
        client.journal.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=Path, required=True, help="mock_openai.py")
    parser.add_argument("--questions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0, help="of the server's draws")
    parser.add_argument(
        "--only", default="", help="single, heart, controls, resample, bandit, tokens, prefix"
    )
    options = parser.parse_args()
    wanted = set(options.only.split(",")) - {""}
    chances, count = Chances(), options.questions
    table = Table()
    started = time.monotonic()

    def wants(part: str) -> bool:
        return not wanted or part in wanted

    numbers = itertools.count()

    def against(
        planted: Chances, work: Callable[[Client], object], *flags: str
    ) -> tuple[object, dict[str, float]]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            flags = ("--seed", str(options.seed + 1000 * next(numbers)), *flags)
            process, url = serve(options.server, folder, count, planted, *flags)
            try:
                found = asyncio.run(with_client(folder, url, work))
                return found, stats(url)
            finally:
                process.terminate()
                process.wait(timeout=10)

    _, seen = against(chances, lambda c: compare_all(c, count, chances, table, methods=wants))
    print(
        f"\n{len(table.rows)} comparisons, {len(table.outside)} outside their 99 % interval", end=""
    )
    print(f" (expected {len(table.rows) / 100:.1f}); {seen['requests']} calls, ", end="")
    print(f"{seen['repeated_bodies']} bodies asked twice, {time.monotonic() - started:.0f} s")
    if wants("bandit"):
        share, _ = against(chances, lambda c: bandit_share(c, count, chances))
        flat, _ = against(
            dataclasses.replace(chances, cue_gain=0.0), lambda c: bandit_share(c, count, chances)
        )
        print(
            f"bandit, last third: planted cue in {share:.1%} of rounds; "
            f"with nothing planted {flat:.1%} (chance 16.7%)"
        )
    if wants("tokens"):
        # With nothing ever right nobody stops early, and the whole budgets are spent.
        hopeless = dataclasses.replace(chances, ability=0.0, gain=0.0, cue_gain=0.0)
        for planted, tokens in itertools.product((hopeless, chances), (40, 400)):
            found, _ = against(planted, lambda c: equal_tokens(c, count), "--tokens", str(tokens))
            figures = ", ".join(f"{key} {value:.3f}" for key, value in found.items())
            print(f"equal tokens, ability {planted.ability}, {tokens} a completion: {figures}")
    if wants("prefix"):
        asked: list[list[tuple[str, str]]] = []

        async def loops(client: Client) -> None:
            original = client.ask

            async def watch(request: Request) -> Completion:
                answer = await original(request)
                if not answer.shared:
                    asked.append([(m.role, m.content) for m in request.messages])
                return answer

            client.ask = watch  # type: ignore[method-assign]
            heart = Arm("heart", "heart", cues=cues())
            for arm in (heart, *matched_controls(heart, "oracle")):
                card = arm.method if arm.method.startswith("neutral") else "heart"
                arm = dataclasses.replace(arm, cues=cues(card))
                await ask_all(client, arm, questions(count), oracle=True)

        _, seen = against(chances, loops, "--track-prefix")
        share = seen["prefix_chars"] / seen["prompt_chars"]
        print(
            f"prompt characters that an earlier prompt began with: {share:.1%}, "
            f"best possible {best_prefix_share(asked):.1%}"
        )


if __name__ == "__main__":
    main()
