"""Run folders with synthetic answers, written through the real journal and verdict log."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from heartloop.calls import Journal
from heartloop.run.folder import MANIFEST, RunFolder, write_json
from heartloop.run.plan import arm_to_dict
from heartloop.run.session import write_summary
from heartloop.run.verdicts import VerdictLog, candidate_lines
from heartloop.types import (
    Address,
    Arm,
    Attempt,
    Completion,
    Graded,
    Message,
    Question,
    Request,
    Sampling,
    Stimulus,
    Trace,
    Usage,
    Verdict,
)

Say = Callable[[str, str, int, bool], str]


def phrase(name: str, kind: str = "stimulus", of: str = "") -> Stimulus:
    text = f"A synthetic phrase called {name}."
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Stimulus(name, "synthetic", text, digest, valence="critical", kind=kind, of=of)


LOOP_ARMS = (
    Arm("heart", "heart", cues=(phrase("CUE"),), params={"rounds": 3}),
    Arm("resample", "resample", params={"draws": 4}, role="resample"),
    Arm("neutral", "neutral", cues=(phrase("N"),), params={"rounds": 3}, role="neutral"),
    Arm("single", "single", role="none"),
)


def say(question: str, arm: str, number: int, right: bool) -> str:
    words = random.Random(f"{question}{arm}{number}").choices(WORDS, k=60)
    return f"{' '.join(words)} so the answer is \\boxed{{{question if right else 'wrong'}}}"


WORDS = (
    "first we add both sides and look at what is left over then divide by two since the "
    "number is even which gives a smaller sum of digits therefore it cannot be prime because "
    "every factor was counted twice so we subtract again and compare with the line above"
).split()


def make_run(
    folder: Path,
    *,
    arms: Sequence[Arm] = LOOP_ARMS,
    questions: int = 40,
    tasks: Sequence[str] = ("sums",),
    seeds: Sequence[int] = (0,),
    mode: str = "oracle",
    rates: dict[str, float] | None = None,
    text: Say = say,
    model: str = "server/synthetic",
    content: float | dict[str, float] = 0.0,
    unscored: float = 0.0,
    temperature: float = 0.7,
    practice: bool = False,
    sha: str = "d" * 64,
    frozen_seeds: bool = False,
    suite: str | None = None,
    metric: str = "accuracy",
    scores: dict[str, float] | None = None,
    prices: Path | None = None,
) -> RunFolder:
    """A finished run: each attempt is right with the arm's rate, drawn from a hash.

    With ``scores`` no answer is right; each has partial credit around the arm's mean.
    """
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    manifest = {
        "schema": 1,
        "run": folder.name,
        "plan": {
            "tasks": list(tasks), "models": [model], "seeds": list(seeds), "mode": mode,
            "selector": "last", "arms": [arm_to_dict(arm) for arm in arms], "sampling": {},
            "shots": 0, "shots_seed": 0, "server": {}, "reuse": [],
            "limits": {"prices": str(prices)} if prices else {},
            "limit": None, "sample": None, "verifier": None, "judge": None, "data_dir": None,
            "practice": practice, "stop_when": None,
        },
        "tasks": [
            {
                "task": task, "suite": suite, "mode": mode, "card_sha256": "c" * 64,
                "verifier": "math", "verifier_sha256": "e" * 64, "metric": metric,
                "metric_low": 0.0, "metric_high": 1.0, "chance": None,
                "sampling": {"temperature": temperature, "max_tokens": 512},
                "questions": questions, "items": questions, "question_ids_sha256": "f" * 64,
                "licence": "none",
                "citation": "",
            }
            for task in tasks
        ],
        "data": [
            {
                "task": task, "source": "synthetic", "sha256": sha, "expected_sha256": sha,
                "revision": None, "questions": questions, "practice": practice,
                "licence": "none", "notes": [],
            }
            for task in tasks
        ],
        "shard": None,
        "versions": {"heartloop": "0"},
        "git": None,
        "sessions": [{"started": "a", "ended": "b", "wall_s": 1.0, "command": "synthetic"}],
        "calls": {},
    }  # fmt: skip
    write_json(folder / MANIFEST, manifest)
    rates = rates or {}
    log = VerdictLog(folder / "verdicts.jsonl")
    with Journal.open(folder) as journal:
        for task in tasks:
            for i in range(questions):
                for seed in seeds:
                    for arm in arms:
                        where = SimpleNamespace(
                            task=SimpleNamespace(card=SimpleNamespace(name=task)),
                            turn=i, question=Question(f"q{i}", task, i, f"Problem {i} of {task}?"),
                            model=model, seed=seed, arm=arm,
                        )  # fmt: skip
                        _trace(where, journal, log, mode, rates.get(arm.name, 0.4), text,
                               content, unscored, 0 if frozen_seeds else seed, scores)  # fmt: skip
    log.close()
    write_summary(run, manifest, stopped=None)
    return run


def _chance(*parts: Any) -> float:
    digest = hashlib.md5(repr(parts).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def _trace(
    unit: Any, journal: Journal, log: VerdictLog, mode: str, rate: float, text: Say,
    content: float, unscored: float, luck: int, scores: dict[str, float] | None,
) -> None:  # fmt: skip
    question, arm = unit.question, unit.arm
    rounds = int(arm.params.get("rounds", 0))
    draws = int(arm.params.get("draws", 1))
    asked = " ".join([question.input, *(stimulus.text for stimulus in arm.stimuli)])
    messages = [Message("user", asked)]
    attempts, graded, spent = [], [], {}
    total, key, said = Usage(), None, ""
    gift = content.get(arm.name, 0.0) if isinstance(content, dict) else content
    for n in range(max(rounds + 1, draws)):
        r, d = (n, 0) if rounds else (0, n)
        if r:
            again = " ".join([f"Look again, round {r}.", *(cue.text for cue in arm.cues[:1])])
            messages += [Message("assistant", said), Message("user", again)]
        # Round 0 is shared by arms that ask the same, as in a real run.
        luck_of = "shared" if n == 0 and not arm.stimuli else arm.name
        right = _chance(question.task, question.id, luck_of, luck, r, d) < rate
        said = text(question.id, luck_of, n if luck == unit.seed else 0, right)
        address = Address(question.task, question.id, unit.model, r, d, unit.seed)
        request = Request(address, tuple(messages), Sampling(temperature=0.7), extends=key)
        name = hashlib.md5(repr((address, messages)).encode()).hexdigest()
        usage = Usage(20 * len(messages), 30)
        completion = Completion(said, usage=usage, key=name, started=1.0, finished=2.0)
        if name not in journal:
            journal.append(request, completion)
        key = name if rounds else None
        total += usage
        spent[name] = (n + 1, total)
        cue = arm.cues[0].name if r and arm.cues else ""
        attempts.append(Attempt(r, d, completion, cue))
        lost = _chance("lost", question.id, luck_of, n) < unscored
        soft = right or _chance("soft", question.id, arm.name) < gift
        strict = Verdict("unscored", "unparsed") if lost else _verdict(right, question.id)
        read = _verdict(soft, question.id)
        if scores is not None:
            part = scores[arm.name] + 0.2 * (_chance(question.task, question.id, arm.name) - 0.5)
            strict = read = Verdict("incorrect", None, "some", part, "partly")
        graded.append(Graded(strict, read))
        if mode == "oracle" and right and not lost:
            break
    trace = Trace(question.id, arm.name, tuple(attempts), len(attempts) - 1, len(attempts), total)
    log.write(candidate_lines(unit, trace, graded, spent))


def _verdict(right: bool, answer: str) -> Verdict:
    return Verdict(
        "correct" if right else "incorrect",
        None,
        answer if right else "wrong",
        float(right),
        "equal" if right else f"wrong is not {answer}",
    )
