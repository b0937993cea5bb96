"""A worked example: give a DSPy program the stimulus that is worth using, or none.

    python docs/examples/dspy_search.py                                      pocket, offline
    python docs/examples/dspy_search.py --model server/NAME --base-url URL   any server

The questions are a JSON lines file of ``question`` and ``answer``, or sums made here.
"""

# ruff: noqa: T201
import argparse
import json
import random
import re
import sys
from pathlib import Path

import dspy

from heartloop.integrations.dspy import (
    Engine,
    HeartLoop,
    PlainAdapter,
    StimulusOptimizer,
    loop_trace,
    search_of,
    stimulus_of,
    with_stimulus,
)


def sums(count):
    """Questions of our own."""
    dice = random.Random(0)
    pairs = [(dice.randint(1, 20), dice.randint(1, 20)) for _ in range(count)]
    return [{"question": f"What is {a} + {b}?", "answer": str(a + b)} for a, b in pairs]


def last_number(text):
    """The last number in an answer, or an empty text."""
    found = re.findall(r"-?\d+", str(text))
    return found[-1] if found else ""


def right(example, prediction, trace=None):
    """The metric: is the last number of the answer the gold?"""
    return last_number(prediction.answer) == example.answer


def main():
    """Run the example and print what came of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--base-url", action="append", default=[])
    parser.add_argument("--questions", type=Path)
    parser.add_argument("--folder", default="runs/dspy-search")
    parser.add_argument("--stimuli", default="emotionprompt:EP02,EP08,EP10")
    parser.add_argument("--delta", type=float, default=0.15)
    args = parser.parse_args()
    rows = sums(300)
    if args.questions:
        rows = [json.loads(line) for line in args.questions.read_text().splitlines()]
    examples = [
        dspy.Example(id=str(n), **row).with_inputs("question") for n, row in enumerate(rows)
    ]
    program = dspy.Predict(dspy.Signature("question -> answer", "Answer the question."))

    # heartloop asks: every answer is journalled in the folder, a second start pays for nothing.
    with Engine(args.model, args.folder, base_urls=args.base_url) as engine:
        lm = engine.lm(temperature=0.7, max_tokens=200)
        with dspy.context(lm=lm, adapter=PlainAdapter()):
            # 1. A stimulus by hand.
            told = with_stimulus(program, "emotionprompt:EP02")
            print("told:", told.signature.instructions)

            # 2. A heart loop: one question, up to three feedback rounds.
            first = examples[0]
            loop = HeartLoop(
                program,
                rounds=3,
                reward_fn=lambda inputs, made: float(last_number(made.answer) == first.answer),
            )
            trace = loop_trace(loop(**first.inputs()))
            print("loop:", [(one.cue or "first answer", one.reward) for one in trace.attempts])

            # 3. The stimulus worth using, or none.
            run = Path(args.folder) / "compile"  # a run folder: heartloop report, compare, status
            optimizer = StimulusOptimizer(right, stimuli=args.stimuli, delta=args.delta, folder=run)
            best = optimizer.compile(program, trainset=examples)
        stats = engine.stats
    found, held = search_of(best), search_of(best)["held_out"]
    print("chosen:", found["chosen"] or "none of them")
    print(
        f"held out: {found['leader']} {100 * held['difference']:+.1f} points "
        f"({100 * held['low']:+.1f} to {100 * held['high']:+.1f}) on {held['questions']} questions"
    )
    print("worn:", {name: worn.names for name, worn in stimulus_of(best).items()})
    best.save(str(Path(args.folder) / "program.json"))
    print(f"{stats.calls} calls paid, {stats.shared} answered from the journal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
