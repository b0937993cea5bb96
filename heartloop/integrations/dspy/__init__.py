"""heartloop in DSPy programs: stimuli, heart loops, the stimulus search, and the engine.

>>> from heartloop.integrations.dspy import HeartLoop, StimulusOptimizer, with_stimulus
"""

from __future__ import annotations

# DSPy 3.3 puts a stand-in in numpy's place that is filled at its first use; what uses numpy below
# imports parts of it, which cannot be done through the stand-in.
from numpy import ndarray as _  # noqa: F401

from heartloop.calls import Caps, Limits
from heartloop.integrations.dspy.adapter import PlainAdapter
from heartloop.integrations.dspy.bridge import Place, example
from heartloop.integrations.dspy.engine import Engine
from heartloop.integrations.dspy.loop import HeartLoop, LoopAttempt, LoopTrace, loop_trace
from heartloop.integrations.dspy.method import register_program
from heartloop.integrations.dspy.stimulus import (
    Worn,
    compile_with_stimulus,
    stimulus_of,
    with_stimulus,
    without_stimulus,
)
from heartloop.integrations.dspy.teleprompter import StimulusOptimizer, search_of

__all__ = [
    "Caps",
    "Engine",
    "HeartLoop",
    "Limits",
    "LoopAttempt",
    "LoopTrace",
    "PlainAdapter",
    "Place",
    "StimulusOptimizer",
    "Worn",
    "compile_with_stimulus",
    "example",
    "loop_trace",
    "register_program",
    "search_of",
    "stimulus_of",
    "with_stimulus",
    "without_stimulus",
]
