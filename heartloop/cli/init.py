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
title: Eight sums
description: Whole-number sums, to see that everything works.
source:
  local: example.csv             # beside this card, or relative to the data folder
  format: csv
fields:
  id: id
  question: question
  answer: answer
prompt:
  instruction: "Work out the sum."
  input: "{question}"
  answer_format: 'Give the final answer inside \\boxed{}.'
sampling:
  temperature: 0.7
  max_tokens: 256
verifier: example
licence: CC0-1.0
"""

_CSV = """\
id,question,answer
s1,What is 17 + 25?,42
s2,What is 8 + 64?,72
s3,What is 39 + 14?,53
s4,What is 120 + 45?,165
s5,What is 7 + 9 + 11?,27
s6,What is 66 + 78?,144
s7,What is 250 + 375?,625
s8,What is 31 + 13?,44
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
