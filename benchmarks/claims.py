"""How often the verdict function is wrong, and how often it is right: simulated verdict tables.

``python benchmarks/claims.py [--tables 2000] [--only a,d] [--seed 0]`` prints what
docs/statistics.md shows.
Every table is drawn from planted probabilities and goes through the functions that the sentence
uses (`heartloop.analysis.words`): nothing here knows how they decide. ``--wiring N`` makes N runs
through the command on a server of its own (`benchmarks/mock_claims.py`).
"""

from __future__ import annotations

import argparse
import heapq
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from heartloop.analysis.contrasts import Sample, sample
from heartloop.analysis.design import power_plan
from heartloop.analysis.words import Finding, Roles, decide, measure

NULLS = 11
FLIPS = 2_000
DRAWS = 400
SEED = [0]  # --seed: another seed draws other tables
Table = np.ndarray


@dataclass(frozen=True)
class World:
    """Planted probabilities: arms are none, two placebos, then the treatments.

    Attributes:
        shift: added to each arm's chance of a right answer.
        form: share of each arm's right answers that keep the asked form.
        questions, tasks: size; tasks of equal size.
        task_sd: spread of a treatment's effect over tasks (mean 0, added to ``shift``).
        ability, spread: chance of a right answer, evenly spread over questions.
        coupling: share of questions on which all arms succeed or fail by one draw, as with one
            seed.
    """

    shift: tuple[float, ...]
    form: tuple[float, ...] = ()
    questions: int = 600
    tasks: int = 1
    task_sd: float = 0.0
    ability: float = 0.5
    spread: float = 0.3
    coupling: float = 0.5

    def draw(self, rng: np.random.Generator) -> Sample:
        arms, n = len(self.shift), self.questions
        task = np.repeat(np.arange(self.tasks), n // self.tasks)
        n = len(task)
        chance = self.ability + self.spread * (2 * rng.random(n) - 1)
        moved = np.array(self.shift)[:, None] + np.zeros((arms, n))
        if self.task_sd:
            own = rng.normal(0, self.task_sd, (arms, self.tasks))
            own[:3] = 0
            moved = moved + own[:, task]
        together = rng.random(n) < self.coupling
        luck = np.where(together, rng.random(n), rng.random((arms, n)))
        right = (luck < np.clip(chance + moved, 0, 1)).astype(float)
        kept = np.ones_like(right)
        if self.form:
            kept = rng.random(right.shape) < np.array(self.form)[:, None]
        return sample(right * kept, right, task)


def verdicts(found: Sample, seed: int, flips: int = FLIPS, draws: int = DRAWS) -> list[Finding]:
    """What the sentence would be made of."""
    treatments = [Roles(i, 0, (1, 2)) for i in range(3, len(found.own))]
    return decide(measure(found, treatments, flips=flips, draws=draws, seed=seed))


def share(
    world: World, tables: int, *events: Callable[[list[Finding]], bool], flips: int = FLIPS
) -> list[float]:
    """How often each event happens, in percent."""
    rng = np.random.default_rng([SEED[0], hash(world) % 2**32])
    counts: Counter[int] = Counter()
    draws = DRAWS if world.form else 20  # without any other form there is nothing to tell apart
    for seed in range(tables):
        found = verdicts(world.draw(rng), seed, flips, draws)
        counts.update(i for i, event in enumerate(events) if event(found))
    return [100 * counts[i] / tables for i in range(len(events))]


def said(*words: str) -> Callable[[list[Finding]], bool]:
    return lambda found: any(f.word in words for f in found)


def line(name: str, planted: str, event: str, value: float, bound: str, tables: int) -> None:
    error = (value * (100 - value) / tables) ** 0.5
    print(f"| {name} | {planted} | {event} | {value:.1f} ± {error:.1f} | {bound} |", flush=True)


def point_a(tables: int) -> None:
    for shift, word in ((-0.2, "works"), (0.2, "hurts")):
        for n in (200, 600):
            world = World((0.0, shift, shift, *[0.0] * NULLS), questions=n)
            (value,) = share(world, tables, said(word))
            line("a", f"placebos {100 * shift:+.0f}, 11 nulls, {n} questions", f"any “{word}”",
                 value, "≤ 5", tables)  # fmt: skip


def _missed(found: list[Finding]) -> bool:
    every = [d for f in found for d in (f.measured.none, f.measured.placebo) if d]
    return any(not d.low <= 0 <= d.high for d in every)


def point_b(tables: int) -> None:
    for n in (200, 600):
        world = World((0.0,) * (3 + NULLS), questions=n)
        words = (said("works", "hurts"), said("above", "below"), _missed)
        names = ("any “works” or “hurts”", "any “above” or “below the plain prompt”",
                 "any simultaneous interval without 0")  # fmt: skip
        for value, name in zip(share(world, tables, *words), names, strict=True):
            line("b", f"nothing, 11 treatments, {n} questions", name, value, "≤ 5", tables)


def point_c(tables: int) -> None:
    for kept, others in ((0.6, 1.0), (1.0, 0.6)):
        form = (others, others, others, *[kept] * NULLS)
        world = World((0.0,) * (3 + NULLS), form, questions=600)
        found = share(world, tables, said("works", "hurts"), said("above", "below"))
        for value, name in zip(found, ("any “works” or “hurts”", "any “above” or “below”"),
                               strict=True):  # fmt: skip
            line("c", f"form kept {100 * kept:.0f} against {100 * others:.0f} %, content equal",
                 name, value, "≤ 5", tables)  # fmt: skip


def point_d(tables: int) -> None:
    for coupling in (0.8, 0.5):
        rng = np.random.default_rng(1)
        probe = World((0.0, 0.0, 0.0, 0.08), questions=40_000, coupling=coupling).draw(rng)
        differ = float(np.abs(probe.own[3] - probe.own[0]).mean())
        plan = power_plan(1000, NULLS, discordance=differ, target=0.08)
        assert plan.needed is not None
        world = World((0.0, 0.0, 0.0, 0.08, *[0.0] * (NULLS - 1)), questions=plan.needed,
                      coupling=coupling)  # fmt: skip
        # as many flips as the command makes: fewer blur a p-value near the first step's level
        (value,) = share(world, tables, lambda found: found[0].word == "works", flips=10_000)
        line("d", f"+8 of content in one of 11, {100 * differ:.0f} % differ: n = {plan.needed}",
             "it “works”", value, "≥ 80", tables)  # fmt: skip


def point_e(tables: int) -> None:
    for shift in (0.03, -0.03):
        for n in (1000, 2000):
            world = World((0.0, 0.0, 0.0, *[shift] * NULLS), questions=n, coupling=0.9)
            (value,) = share(world, tables, lambda found: any(f.inside for f in found), flips=1000)
            line("e", f"all 11 at {100 * shift:+.0f}, {n} questions", "any “no difference”",
                 value, "≤ 5", tables)  # fmt: skip


def point_f(tables: int) -> None:
    def claimed(found: list[Finding]) -> bool:
        return any(f.over for f in found)

    for tasks, sd in ((8, 0.06), (8, 0.15), (24, 0.06)):
        world = World((0.0,) * (3 + NULLS), questions=40 * tasks, tasks=tasks, task_sd=sd)
        every = said("works", "hurts", "above", "below")
        value, fixed = share(world, tables, claimed, every, flips=1000)
        planted = f"{tasks} tasks × 40, effects N(0, {100 * sd:.0f})"
        line("f", planted, "any word “over tasks like these”", value, "≤ 5", tables)
        line("f", planted, "any word on these tasks", fixed, "(they differ)", tables)


def point_g(tables: int) -> None:
    """Runs cut at a random moment: what the prefix says, against what was planted."""
    from heartloop.run.speaking import who_speaks

    for in_flight in (64, 512):
        kept, silent = [], 0
        rng = np.random.default_rng([SEED[0], in_flight])
        questions, arms = (2000, 4) if in_flight == 64 else (8000, 4)
        for _ in range(max(100, tables // 5)):
            chance = 0.5 + 0.45 * (2 * rng.random(questions) - 1)
            right = rng.random((arms, questions)) < chance
            # hard questions take longer, and a wrong answer longer still
            seconds = (2 - chance) * (1 + 0.7 * ~right) * rng.lognormal(0, 0.5, right.shape)
            begin, end = _schedule(seconds, in_flight)
            cut = rng.random() * end.max()
            opened = int((begin.min(axis=0) <= cut).sum())
            prefix, _ = who_speaks((end <= cut)[:, :opened])
            if not prefix:
                silent += 1
                continue
            own = right[:, :prefix].mean(axis=1)
            kept.append([own[0] - 0.5, own[1] - own[0]])
        table = 100 * np.array(kept)
        for column, name in enumerate(("accuracy of an arm", "difference of two arms")):
            bias = table[:, column].mean()
            error = table[:, column].std(ddof=1) / len(table) ** 0.5
            print(
                f"| g | {in_flight} in flight, cut at random; {len(table)} of "
                f"{len(table) + silent} runs speak | bias of the {name}, points | "
                f"{bias:+.2f} ± {error:.2f} | < 2 s.e. |",
                flush=True,
            )


def point_h(tables: int) -> None:
    """Models whose answers share the luck of the questions: how often an average of 0 is missed."""
    from heartloop.analysis.meta import joint_moments, random_effects

    n = 300
    for models in range(3, 9):
        for sd in (0.0, 0.03):
            rng = np.random.default_rng([SEED[0], models, round(100 * sd)])
            missed = spoken = 0
            for _ in range(tables):
                chance = 0.5 + 0.3 * (2 * rng.random(n) - 1)
                # what a phrase does to a question is in part the same in every model, mean 0
                on_question = rng.normal(0, 0.2, n)
                moved = chance + on_question + rng.normal(0, sd, (models, 1))
                luck = rng.random((models, n))
                arms = np.stack([luck < np.clip(p, 0, 1) for p in (chance + 0 * moved, moved)])
                gain = arms[1].astype(float) - arms[0]
                found = random_effects(*joint_moments(sample(gain)))
                spoken += found is not None
                missed += found is not None and found.p <= 0.05
            planted = f"{models} models × {n} questions, effects N(0, {100 * sd:.0f})"
            if not spoken:
                print(f"| h | {planted} | a summary | {spoken} | none under 4 |", flush=True)
                continue
            line("h", planted, "a summary without 0", 100 * missed / spoken, "≤ 6", spoken)


def point_i(tables: int) -> None:
    """Awkward shapes: few right, conversations, uneven and tiny tasks."""
    import claims_shapes

    words = (said("works", "hurts"), lambda found: any(f.plain for f in found), _missed)
    names = ("any “works” or “hurts”", "any “above” or “below the plain prompt”",
             "any simultaneous interval without 0")  # fmt: skip
    for number, (shape, draw) in enumerate(claims_shapes.SHAPES.items()):
        rng = np.random.default_rng([SEED[0], number])
        counts = np.zeros(3)
        for seed in range(tables):
            found = verdicts(draw(rng), seed, draws=20)
            counts += [word(found) for word in words]
        for value, name in zip(100 * counts / tables, names, strict=True):
            line("i", f"nothing, 6 treatments, {shape}", name, value, "≤ 5", tables)


def point_esc(tables: int) -> None:
    """Support strategies: B first, Q behind it."""
    import claims_esc

    claims_esc.point(tables, SEED[0], line)


def _schedule(seconds: np.ndarray, in_flight: int) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end of every call: questions in order, all arms of one together."""
    free = [0.0] * in_flight
    begin, end = np.zeros_like(seconds), np.zeros_like(seconds)
    for q in range(seconds.shape[1]):
        for arm in range(seconds.shape[0]):
            begin[arm, q] = heapq.heappop(free)
            end[arm, q] = begin[arm, q] + seconds[arm, q]
            heapq.heappush(free, end[arm, q])
    return begin, end


# --- The wiring: whole runs through the command -------------------------------------------

EP02 = "This is very important to my career."
QUESTIONS = 300
WORLDS: dict[str, tuple[dict[str, Any], float]] = {
    "nothing": ({}, 0.4),
    "+15 of content in EP02": ({EP02: {"content": 0.15}}, 0.3),
    "EP02 keeps the asked form in 60 %": ({EP02: {"form": 0.6}}, 0.3),
}


def check(url: str, plant: dict[str, Any], seed: int) -> str:
    """What the server does, counted without heartloop, against what was planted."""
    import mock_claims

    right = {True: 0, False: 0}
    bare = {True: 0, False: 0}
    wanted = {True: 0.0, False: 0.0}
    for number in range(QUESTIONS):
        for cue in (True, False):
            prompt = f"Problem {number:05d} of q: what is it?" + (f" {EP02}" if cue else "")
            body = {"model": "mock", "messages": [{"role": "user", "content": prompt}], "seed": 7}
            request = urllib.request.Request(
                f"{url}/chat/completions", json.dumps(body).encode(),
                {"Content-Type": "application/json"},
            )  # fmt: skip
            with urllib.request.urlopen(request) as reply:
                text = json.load(reply)["choices"][0]["message"]["content"]
            right[cue] += f"{1000 + number}" in text
            bare[cue] += text.isdigit()
            wanted[cue] += mock_claims.planted(plant, seed, prompt)[0]
    for cue in (True, False):
        assert abs(right[cue] - wanted[cue]) < 4 * (QUESTIONS / 4) ** 0.5, "not what was planted"
    return (
        f"with EP02 right {right[True]} of {QUESTIONS} (planted {wanted[True]:.0f}), bare "
        f"{bare[True]}; without {right[False]} ({wanted[False]:.0f}), bare {bare[False]}"
    )


def wiring(runs: int) -> None:
    """Whole runs through the command: plan, claim, calls, grading, sentence."""
    print("\n| planted | runs | “works” | “hurts” | form named | the server, counted apart |")
    print("|---|---|---|---|---|---|")
    for name, (cues, part) in WORLDS.items():
        count = max(1, round(runs * part))
        said: Counter[str] = Counter()
        counted = ""
        for seed in range(count):
            plant = {"ability": 0.5, "spread": 0.3, "coupling": 0.5, "cues": cues}
            sentence, counted = _one_run(plant, seed)
            said.update(w for w in ("works", "hurts", "in the asked form") if w in sentence)
        print(
            f"| {name} | {count} | {said['works']} | {said['hurts']} | "
            f"{said['in the asked form']} | {counted} |",
            flush=True,
        )


def _one_run(plant: dict[str, Any], seed: int) -> tuple[str, str]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plant.json").write_text(json.dumps(plant))
        rows = [f"q{i},Problem {i:05d} of q: what is it?,{1000 + i}" for i in range(QUESTIONS)]
        (folder / "q.csv").write_text("\n".join(["id,question,answer", *rows]))
        server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("mock_claims.py")), "--plant",
             str(folder / "plant.json"), "--seed", str(seed)],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().split()[1]}/v1"
            counted = check(url, plant, seed)
            subprocess.run(
                [sys.executable, "-m", "heartloop", "run", "--task", str(folder / "q.csv"),
                 "--stimuli", "emotionprompt:EP02,EP08", "--verifier", "ii_exact", "--model",
                 "server/mock", "--base-url", url, "--runs", str(folder / "runs"), "--name", "r",
                 "--json"],
                check=True, capture_output=True, cwd=folder,
            )  # fmt: skip
        finally:
            server.terminate()
            server.wait(timeout=10)
        from heartloop.report import conclude

        return conclude(folder / "runs" / "r"), counted


POINTS = {"a": point_a, "b": point_b, "c": point_c, "d": point_d, "e": point_e, "f": point_f,
          "g": point_g, "h": point_h, "i": point_i, "esc": point_esc}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--tables", type=int, default=2000, help="verdict tables a point")
    parser.add_argument("--only", default=",".join(POINTS), help="points, such as a,d")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is drawn")
    parser.add_argument("--wiring", type=int, metavar="N", help="N runs through the command")
    options = parser.parse_args()
    SEED[0] = options.seed
    if options.wiring:
        wiring(options.wiring)
        return
    print("| point | planted | event | % of tables | wanted |\n|---|---|---|---|---|")
    for name in options.only.split(","):
        began = time.monotonic()
        POINTS[name](options.tables)
        print(f"<!-- {name}: {time.monotonic() - began:.0f} s -->", flush=True)


if __name__ == "__main__":
    main()
