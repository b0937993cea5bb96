"""The example workspace that ``heartloop init`` writes."""

from __future__ import annotations

from pathlib import Path

from heartloop.errors import UsageError

_README = """\
# A heartloop workspace

heartloop looks for cards here first, then among those it ships. Run it from this folder, or set
`HEARTLOOP_WORKSPACE` to it.

    stimuli/    what may be said to a model
    tasks/      what may be asked
    verifiers/  how an answer is judged
    runs/       where results land

    heartloop stimuli check && heartloop tasks check && heartloop verifiers check
    heartloop run --task example --stimuli example --model pocket
"""

_STIMULI = """\
# A stimulus set. Every field: docs/cards.md of heartloop, or `heartloop stimuli show example`.
name: example
title: Two example stimuli and the placebo of one
source: "own words"
defaults:
  placement: after_instruction   # or after_input, before, system
  joiner: " "
stimuli:
  - id: EX1
    text: "I am counting the minutes until I hear from you, and I am a little nervous."
    valence: positive            # positive, negative, critical, encouraging or neutral
    demand: none                 # does it also ask for something?
  - id: EX2
    text: "Please check every step before you answer."
    valence: neutral
    demand: verification
  - id: PL-EX1
    text: "The page has a header and columns in the middle, and a numbered line below."
    kind: placebo                # of EX1: as long, no feeling, no demand
    of: "example:EX1"
"""

_TASK = """\
# A task over a small CSV file. Every field: docs/cards.md of heartloop.
name: example
title: Twenty-eight small problems
description: Small problems with a number for an answer; the model inside can do about half.
source:
  local: example.csv             # beside this card, or relative to the data folder
fields:
  id: id
  question: question
  answer: answer
prompt:
  instruction: "Solve this problem from a mathematics competition. Work it out step by step."
  input: "Problem: {question}"
  answer_format: 'End with the final answer alone inside \\boxed{}.'
sampling:
  temperature: 0.7
  max_tokens: 256
verifier: example
licence: CC0-1.0
"""

_CSV = """\
id,question,answer
p1,"If $6n+4=40$, what is $n$?",6
p2,A geometric sequence starts with $10$ and has ratio $4$. Find its term number $5$.,2560
p3,How many integers from $1$ to $100$ are divisible by $7$?,14
p4,"If $2n+7=21$, what is $n$?",7
p5,How many subsets with exactly $3$ elements does a set of $6$ elements have?,20
p6,How many subsets with exactly $2$ elements does a set of $9$ elements have?,36
p7,A geometric sequence starts with $2$ and has ratio $5$. Find its term number $4$.,250
p8,A geometric sequence starts with $3$ and has ratio $2$. Find its term number $6$.,96
p9,How many integers from $1$ to $395$ are divisible by $10$?,39
p10,"Compute $\\gcd(200, 160)$.",40
p11,A geometric sequence starts with $5$ and has ratio $3$. Find its term number $4$.,135
p12,"If $7n-6=15$, what is $n$?",3
p13,How many integers from $1$ to $88$ are divisible by $4$?,22
p14,"Compute $\\gcd(90, 60)$.",30
p15,One side of a rectangle is $4$ and its perimeter is $20$. What is its area?,24
p16,"If $5n-10=25$, what is $n$?",7
p17,"If $3n+11=2$, what is $n$?",-3
p18,"If $4n+23=19$, what is $n$?",-1
p19,"If $4n-9=3$, what is $n$?",3
p20,How many integers from $1$ to $250$ are divisible by $20$?,12
p21,"If $3n-18=6$, what is $n$?",8
p22,"Compute $\\gcd(180, 40)$.",20
p23,One side of a rectangle is $5$ and its perimeter is $38$. What is its area?,70
p24,One side of a rectangle is $6$ and its perimeter is $30$. What is its area?,54
p25,How many subsets with exactly $2$ elements does a set of $7$ elements have?,21
p26,One side of a rectangle is $3$ and its perimeter is $26$. What is its area?,30
p27,How many subsets with exactly $2$ elements does a set of $8$ elements have?,28
p28,"Compute $\\gcd(64, 40)$.",8
"""

_VERIFIER = """\
# How an answer is found in a text and compared. Every field: docs/cards.md of heartloop.
name: example
title: A number inside \\boxed{}, else behind "Answer:"
kind: math
extract:
  strict:                        # the first step that finds something gives the answer
    - boxed
    - {after: "Answer:"}
content: maths                   # what a person would read; scored beside it
"""

_RUNS = """\
# runs/

Results land here, one folder a run: `manifest.json`, `calls.jsonl`, `verdicts.jsonl`,
`summary.json`, `report.html`. `heartloop status` lists them. Safe to delete, not to edit.
"""

_FILES = {
    "README.md": _README,
    "stimuli/example.yaml": _STIMULI,
    "tasks/example.yaml": _TASK,
    "tasks/example.csv": _CSV,
    "verifiers/example.yaml": _VERIFIER,
    "runs/README.md": _RUNS,
}


def make_workspace(folder: Path) -> list[Path]:
    """Write the example workspace.

    Args:
        folder: made where it does not exist.

    Returns:
        The files written, in order.

    Raises:
        UsageError: a file of the workspace exists already (nothing is written then), or the
            folder cannot be written.
    """
    paths = {folder / name: text for name, text in _FILES.items()}
    taken = [path for path in paths if path.exists()]
    if taken:
        raise UsageError(
            f"{taken[0]} exists; nothing was written. Choose an empty folder: heartloop init DIR"
        )
    try:
        for path, text in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(
            f"{error.filename or folder}: cannot be written ({error.strerror}); choose another "
            "folder: heartloop init DIR"
        ) from error
    return list(paths)
