"""Own words for the training stream: instructions, feedback, cues and neutral sentences.

None of these lines says anything about the answer, and none is a published stimulus. Sentences
are assembled from word lists at random, so that the model learns to read the task and to live with
any words around it.
"""

from __future__ import annotations

from heartloop.methods import wordings
from heartloop.practice import _words as w
from heartloop.practice._random import Rng

POSITIVE = (
    "happy glad proud delighted hopeful pleased thankful cheerful excited calm confident amazed "
    "surprised thrilled joyful grateful relieved curious eager moved"
).split()
NEGATIVE = (
    "sad angry upset disappointed worried afraid annoyed disgusted ashamed tired frustrated hurt "
    "nervous scared bitter gloomy unhappy furious anxious sick"
).split()
FEELING = (
    "joy hope pride delight trust wonder comfort sorrow anger fear shame dread regret doubt worry "
    "disgust grief pain surprise relief courage"
).split()
THINGS = (
    "answer work effort result task step solution number page line morning evening week office "
    "team project weather window garden train clock music coffee road light room paper list story "
    "mistake success failure moment day year life heart mind career future people world goal way "
    "chance skill strength challenge growth progress excellence reward trouble problem everyone"
).split()
ADJECTIVES = (
    "great small quiet important simple difficult long short careful plain usual common final real "
    "good bad new old best better worse poor strong weak clear deep remarkable outstanding"
).split()
VERBS = (
    "makes takes keeps brings shows follows leaves needs feels finds gives helps holds knows "
    "believes expects matters counts stays turns grows fails works waits comes goes"
).split()
SMALL = (
    "the a of to and in is it you that for on with as at this but from they we your our my not be "
    "have has was are were will would can could should just really very so too more most only even "
    "still always never all some any one than then when where how why what who there here over"
).split()

INSTRUCTIONS = (
    "Solve the following mathematics problem.",
    "Solve the problem below.",
    "Answer the following question.",
    "Here is a mathematics problem. Solve it.",
    "Work out the answer to this problem.",
    "Solve this olympiad problem.",
    "Find the answer to the question below.",
    "The following is an open-ended problem from a mathematics competition. Solve it.",
    "Read the problem and solve it.",
    "You are given a mathematics problem. Work through it and give the answer.",
    "Solve this problem from a mathematics competition. Work it out step by step.",
    "Solve this problem from a mathematics competition. Work it out step by step.",
    "Solve this problem from a mathematics competition. Work it out step by step.",
)
FORMATS = (
    "Put the final answer in \\boxed{}.",
    "Give the final answer inside \\boxed{}.",
    "End with the final answer in \\boxed{}.",
    "Write your final answer as \\boxed{answer}.",
    "Finish with \\boxed{...} around the answer.",
    "Solve the problem and put the answer in \\boxed{}.",
    'Close with "So the final answer is \\boxed{answer}."',
    "The last line must hold the answer in \\boxed{}, several answers separated by commas.",
    "State the answer in \\boxed{} without its unit.",
    "End with the final answer alone inside \\boxed{}.",
    "End with the final answer alone inside \\boxed{}.",
)
COT = (
    wordings.STEP_BY_STEP,
    wordings.STEP_BY_STEP,
    "Write down every step before the answer.",
    "Think step by step.",
    "Work slowly, one step at a time.",
    "Go through it in small steps.",
    "Reason before you answer.",
)
"""After one of these in the first message the answer is always worked out, never given at once."""
WRONG = (
    "That answer is wrong.",
    "Your answer is not correct.",
    "The answer above is incorrect.",
    "This is not the right answer.",
    "Your last answer was judged wrong.",
    "The previous answer is not right.",
    "Wrong.",
    "Sorry, that is incorrect.",
    "The checker says that your answer is wrong.",
    "It was checked, and it is not correct.",
)
AGAIN = (
    "Check your answer again.",
    "Look at the problem once more.",
    "Please go over the solution again.",
    "Solve the problem again.",
    "Review your work and answer again.",
    "Take another look and give your answer.",
    "Try again.",
    "Please reconsider.",
    "Read the question again and answer it anew.",
)
REFLECT = (
    "Think about what may have gone wrong, then answer again.",
    "Reflect on your steps and find the mistake, then give a new answer.",
    "Go back over each step, see whether it holds, and solve it anew.",
    "Consider where an error could be, and write a new solution.",
    "Reflect on your previous attempt before you try again.",
    "Say to yourself which step is weak and do it again.",
)
SYSTEMS = (
    "You are a helpful assistant.",
    "You are a careful mathematician.",
    "You answer briefly.",
    "You are a patient teacher.",
)
OUTLINE = "The following are several answers to the same problem."
MERGE = (
    "Several answers to this problem are given below. Write one final answer.",
    "Here are candidate answers. Combine them into one best answer.",
    "Below are attempts at this problem. Some may be wrong. Give the best final solution.",
    "Compare the candidate solutions and write the final one.",
    "Using the candidates below, produce a single final answer.",
    "Read all attempts and then solve the problem.",
)
SUPPORT = (
    "You are the supporter in a conversation with a person who is going through a hard time. "
    "Choose the strategy of your next turn. The strategies are:"
)
STRATEGIES = "\n".join(
    (
        "- Question: ask about the situation, the feelings or the wishes of the person",
        "- Restatement or Paraphrasing: say what the person said again in other words",
        "- Reflection of feelings: name the feelings that the person shows",
        "- Self-disclosure: tell of something similar that you have been through or felt",
        "- Affirmation and Reassurance: point out strengths, encourage, give hope",
        "- Providing Suggestions: propose something that the person could do",
        "- Information: give facts, data or sources that are of use",
        "- Others: greetings, thanks, farewells and whatever fits nowhere else.",
    )
)
VERDICTS = (*WRONG, wordings.VERDICT_WRONG)
"""Every line of the stream that says that an answer was wrong."""
LABELS = ("Candidate", "Answer", "Solution", "Attempt", "Response", "Proposal")


def _cap(text: str) -> str:
    return text[0].upper() + text[1:]


def salad(r: Rng) -> str:
    """A sentence of random words: 4 to 18 of them, any punctuation."""
    pools = (SMALL, SMALL, SMALL, THINGS, ADJECTIVES, VERBS, w.NOUNS, FEELING, POSITIVE, NEGATIVE)
    words = [r.pick(r.pick(pools)) for _ in range(r.between(4, 18))]
    if r.chance(25):
        words[r.below(len(words))] += ","
    return _cap(" ".join(words)) + r.pick((".", ".", ".", "!", "?"))


def nonsense(r: Rng) -> str:
    """Random letters and signs in word-like groups: what unknown text looks like to the model."""
    letters = "aaabcdeeeefghiiijklmnooopqrstttuvwxyz'-"
    sizes = [r.between(1, 9) for _ in range(r.between(3, 10))]
    words = ["".join(r.pick(letters) for _ in range(size)) for size in sizes]
    return _cap(" ".join(words)) + r.pick((".", "!", "?", ""))


def affect(r: Rng) -> str:
    """A sentence about somebody's feelings, critical or encouraging."""
    low = r.chance(50)
    feel = r.pick(NEGATIVE if low else POSITIVE)
    noun, other, quality = r.pick(THINGS), r.pick(THINGS), r.pick(ADJECTIVES)
    return r.pick(
        (
            f"I am {feel} about this {noun}.",
            f"It makes me {feel} to see such {quality} {noun}.",
            f"I feel {feel} when I look at your {noun}.",
            f"Everyone here is {feel} about the {noun}.",
            f"There is {r.pick(FEELING)} in every {noun}, and {r.pick(FEELING)} in every {other}.",
            f"You should be {feel}, this {noun} is {quality}.",
            f"What a {quality} {noun}, I am so {feel}!",
            f"Your {noun} fills me with {r.pick(FEELING)}.",
            f"My {noun} depends on it, and I am {feel}.",
            f"We were {feel} before, and now we are {r.pick(NEGATIVE if low else POSITIVE)}.",
            f"Does it not feel {quality} to be {feel}?",
            f"This {noun} means a lot to me.",
            f"I know that you have {r.pick(FEELING)}; the {noun} is {quality}.",
        )
    )


def neutral(r: Rng) -> str:
    """A plain sentence without feeling."""
    a, b = r.pick(THINGS), r.pick(w.NOUNS)
    return r.pick(
        (
            f"The {b} is near the {r.pick(w.NOUNS)}.",
            f"This {a} has {w.spelled(r.between(2, 19))} parts.",
            f"The {r.pick(w.COLOURS)} {b} stands by the {r.pick(w.FURNITURE)}.",
            f"{r.pick(w.NAMES)} {r.pick(w.VERBS)} the {b} on {r.pick(w.DAYS)}.",
            f"The {a} is on the next page.",
            f"A {b} is listed under the {a}.",
            f"The form was filled in on {r.pick(w.DAYS)}.",
        )
    )


def cue(r: Rng) -> str:
    """Any sentence that carries nothing about the task: feeling, plain, random words or letters."""
    kind = r.below(100)
    if kind < 45:
        return affect(r)
    if kind < 65:
        return neutral(r)
    return salad(r) if kind < 92 else nonsense(r)


def cues(r: Rng) -> str:
    """One to three such sentences."""
    return " ".join(cue(r) for _ in range(r.pick((1, 1, 1, 2, 2, 3))))


def says_wrong(text: str) -> bool:
    """Whether a feedback turn says that the answer before it was wrong."""
    return any(line in text for line in VERDICTS)


def asks_for_steps(text: str) -> bool:
    """Whether a first message asks for written steps, by one of :data:`COT`."""
    return any(line in text for line in COT)


def feedback(r: Rng, wrong: bool) -> str:
    """A feedback turn; whether it says "wrong" is drawn at the rates stated in the documentation.

    After a wrong answer 75 % of the turns say so, after a right one 10 %; the others ask to check
    or to try again, or say nothing about the answer at all.
    """
    parts: list[str] = []
    if r.chance(35):  # heartloop's own loops
        told = r.chance(75 if wrong else 10)
        words = wordings.VERDICT_WRONG if told else wordings.CHECK_AGAIN
        if r.chance(85):
            words = f"{words} {wordings.REFLECT}"
        return f"{words}\n\n{cue(r)}" if r.chance(65) else words
    if r.chance(75 if wrong else 10):
        parts.append(r.pick(WRONG))
    if r.chance(65):
        parts.append(cues(r))
    if r.chance(50):
        parts.append(r.pick(REFLECT))
    elif not parts or r.chance(60):
        parts.append(r.pick(AGAIN))
    if r.chance(20):
        parts = r.shuffled(parts)
    if r.chance(40):
        parts.append(r.pick(FORMATS))
    return r.pick((" ", " ", "\n", "\n\n")).join(parts)
