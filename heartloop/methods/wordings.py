"""Every sentence that a method says to a model, beside the stimuli: heartloop's own words.

They stand in one place so that a reader can judge them; the manifest of a run holds each of them
(`heartloop.run.pins`). None is taken from a paper: HEART did not publish its prompts, and the
other methods are written anew so that no loop profits from a better worded instruction.
"""

from __future__ import annotations

VERDICT_WRONG = "Your answer was checked, and it is not correct."
"""Oracle mode only: the one bit that a verifier gives."""

CHECK_AGAIN = "Please go over your answer once more."
"""Said in the verdict's place where no verdict may be told: verifier-free mode."""

ANSWER_CUT = "Your last reply was cut off before it came to a final answer."
ANSWER_MISSING = "Your last reply holds no final answer to the task."
ANSWER_UNFORMED = "Your last reply is not in the form that was asked for."
WORK_AGAIN = "Work on the task again and give your final answer in the form that was asked for."
WORK_BRIEFLY = (
    "Work on the task again, more briefly, and give your final answer in the form that was asked "
    "for."
)
"""Said where there is no answer that the verifier could have read, in either mode."""

REFLECT = (
    "Look back at how you reached it: go through the steps, the assumptions and the form of the "
    "answer. Then work on the task again and give your final answer in the form that was asked for."
)
"""The reflection instruction, the same in `heart`, `reflect`, `neutral` and `neutral-varied`."""

NO_HISTORY_WRONG = "An earlier answer to this was checked, and it is not correct."
NO_HISTORY_AGAIN = "This has been answered before; please go over it once more."
NO_HISTORY_MISSING = "An earlier reply to this came to no final answer."
NO_HISTORY_UNFORMED = "An earlier reply to this was not in the form that was asked for."
NO_HISTORY_WORK = (
    "Go through the steps, the assumptions and the form of the answer with care. Then give your "
    "final answer in the form that was asked for."
)
"""History ``none``: the earlier answer is not shown, so the words do not point to it."""

EMPTY_ANSWER = "(no answer)"
"""Stands for an empty answer in a history: several servers refuse empty turns."""

STEP_BY_STEP = (
    "Work through this in small steps, writing each of them down, before you give your final "
    "answer."
)
"""`cot`."""

GIVE_FEEDBACK = (
    "Act as the reviewer of the answer above. List what is right, what is wrong or missing, and "
    "what should change. Do not write a new answer yet."
)
USE_FEEDBACK = (
    "Now use this review: write an improved answer to the task and end with the final answer in "
    "the form that was asked for."
)
"""`self_refine`."""

USE_CRITIQUE = (
    "A reviewer read your answer and wrote:\n\n{review}\n\nUse the review: write an improved "
    "answer to the task and end with the final answer in the form that was asked for."
)

CRITIC_TASK = "Do not answer the task above yourself. Here is an answer that was given to it."
"""`critique`: how the second model is shown the work of the first; it asks by GIVE_FEEDBACK."""

KEEP_THINKING = (
    "Wait. Do not settle yet: keep thinking about the task from where you stopped, then give your "
    "final answer in the form that was asked for."
)
CONTINUE_THINKING = "\n\nWait, let me keep thinking about this."
"""`budget_force`: as a further turn, or as the words that the model's own turn goes on from."""

DIRECT_REFINE = (
    "Improve this answer where it can be improved. Keep the form that was asked for, and write the "
    "whole answer again."
)

FEELING_FIRST = (
    "First say in one or two sentences how the person feels and what they may need right now. "
    "Then do what is asked above, in the form that was asked for."
)
"""`emotional_cot`."""

PLANNED = "Follow this plan: {plan}"
ASK_PLAN = (
    "Do not answer yet. Say in one short line which approach the answer should take, and nothing "
    "else."
)
"""`planner`."""

TRACE = "Your own choices so far, with what people choose in brackets: {choices}."
TRACE_CHOICE = "{label} {own:.0f} % ({people:.0f} %)"
"""`traces`: one line of the model's own choices beside the base rate."""

KNOWLEDGE = "Background that may help:\n{knowledge}"
"""`knowledge`."""

SYNTHESIS_HEAD = "Here are {count} answers that were given to the task above."
SYNTHESIS_TASK = (
    "They may be right or wrong, whole or in part. Weigh them against one another, keep what "
    "holds, and write one answer of your own. End with the final answer in the form that was "
    "asked for."
)
CANDIDATE = "--- Answer {number} ---\n{text}"
CANDIDATES_END = "--- End of the answers ---"

SCORE_HEAD = "Here is an answer that was given to the task above."
SCORE_TASK = (
    "How likely is it that its final result is right? Reply with one whole number from 0 (surely "
    "wrong) to 100 (surely right), written as: Score: NUMBER"
)
COMPARE_HEAD = "Here are two answers that were given to the task above."
COMPARE_TASK = (
    "Which of them is more likely to have the right final result? Reply with one digit, written "
    "as: Better: 1 or Better: 2"
)

MOOD = (
    "(Your mood: {words}; valence {valence:+.2f}, arousal {arousal:+.2f}, "
    "dominance {dominance:+.2f}. Let it show, unsaid.)"
)
"""`dialogue`: the state in one line of the prompt."""
