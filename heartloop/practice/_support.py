"""Invented emotional-support dialogues in ESConv's JSON-lines shape; all eight strategies occur."""

from __future__ import annotations

from typing import Any

from heartloop.practice._random import Rng

STRATEGIES = (
    "Question",
    "Restatement or Paraphrasing",
    "Reflection of feelings",
    "Self-disclosure",
    "Affirmation and Reassurance",
    "Providing Suggestions",
    "Information",
    "Others",
)
PROBLEMS = {
    "job crisis": ("my boss", "I may lose my job", "work"),
    "breakup with partner": ("my partner", "we broke up last week", "the breakup"),
    "academic pressure": ("my teacher", "I failed an exam", "my studies"),
    "problems with friends": ("my best friend", "we had a bad quarrel", "my friends"),
    "sleep problems": ("my family", "I lie awake every night", "my sleep"),
}
EMOTIONS = {
    "sadness": "sad",
    "anxiety": "worried",
    "anger": "angry",
    "fear": "afraid",
    "shame": "ashamed",
    "depression": "empty",
}
# What the seeker says before each strategy, and the supporter's answer; {who}, {what}, {topic} and
# {feel} are filled from the tables above.
TURNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "Question": (
        ("I need to talk about {topic}.", "It has to do with {who}.", "Things are hard now."),
        (
            "What happened with {topic}?",
            "How long has this been going on?",
            "Can you tell me more?",
        ),
    ),
    "Restatement or Paraphrasing": (
        ("The fact is that {what}.", "{what}, and then it got worse.", "First {who} called me."),
        (
            "So you are saying that {what}.",
            "If I hear you right, {what}.",
            "So it began with {who}.",
        ),
    ),
    "Reflection of feelings": (
        ("I feel so {feel} about it.", "I cry when I think of {topic}.", "It makes me {feel}."),
        ("It sounds as if you feel {feel}.", "I can hear how {feel} you are.", "That must hurt."),
    ),
    "Self-disclosure": (
        (
            "Has this ever happened to you?",
            "Nobody I know went through this.",
            "Am I the only one?",
        ),
        (
            "I went through the same with {topic}.",
            "It happened to me once too.",
            "I felt {feel} then too.",
        ),
    ),
    "Affirmation and Reassurance": (
        ("I am not sure that I can do it.", "I doubt myself all the time.", "Maybe I am too weak."),
        (
            "You are stronger than you think.",
            "You have done well so far.",
            "I am sure you can do it.",
        ),
    ),
    "Providing Suggestions": (
        ("What should I do?", "Do you have any ideas for me?", "How can I make it better?"),
        (
            "You could talk with {who}.",
            "Maybe write down what you feel.",
            "Try a short walk every day.",
        ),
    ),
    "Information": (
        (
            "Where can I find help?",
            "Is there someone who knows about this?",
            "Do many people have it?",
        ),
        (
            "There are free help lines for {topic}.",
            "Many people have this at some time.",
            "A doctor can help with it.",
        ),
    ),
    "Others": (
        ("Hello.", "Thank you, bye.", "Thanks for your time."),
        ("Hello, nice to meet you.", "Good bye and take care.", "You are welcome."),
    ),
}
OPENING = ("Question", "Restatement or Paraphrasing", "Reflection of feelings")
MIDDLE = ("Reflection of feelings", "Self-disclosure", "Affirmation and Reassurance")
CLOSING = ("Providing Suggestions", "Information", "Affirmation and Reassurance", "Self-disclosure")


def dialogue(r: Rng, index: int) -> dict[str, Any]:
    """One invented dialogue: greeting, exploration, comfort, action, farewell."""
    problem = r.pick(tuple(PROBLEMS))
    emotion = r.pick(tuple(EMOTIONS))
    who, what, topic = PROBLEMS[problem]
    fill = {"who": who, "what": what, "topic": topic, "feel": EMOTIONS[emotion]}
    plan = ["Others"] if r.chance(40) else []
    plan += [r.pick(OPENING) for _ in range(r.between(3, 4))]
    plan += [r.pick(MIDDLE) for _ in range(r.between(2, 3))]
    plan += [r.pick(CLOSING) for _ in range(r.between(2, 3))]
    plan += ["Others"] if r.chance(30) else []
    dialog: list[dict[str, Any]] = []
    for strategy in plan:
        # One turn in six follows another cue than its own: gold is not a function of the context.
        cue = strategy if r.chance(84) else r.pick(STRATEGIES[:7])
        said = r.pick(TURNS[cue][0]).format(**fill)
        reply = r.pick(TURNS[strategy][1]).format(**fill)
        dialog.append({"speaker": "seeker", "text": said[0].upper() + said[1:]})
        dialog.append(
            {"speaker": "supporter", "text": reply[0].upper() + reply[1:], "strategy": strategy}
        )
    return {
        "split": "practice",
        "index": index,
        "emotion_type": emotion,
        "problem_type": problem,
        "situation": f"{what[0].upper()}{what[1:]} and I feel {fill['feel']}.",
        "init_intensity": r.between(3, 5),
        "final_intensity": r.between(1, 3),
        "dialog": dialog,
        "practice": True,
    }


DIALOGUES = 60


def support_rows() -> list[dict[str, Any]]:
    """The fixed practice dialogues."""
    return [dialogue(Rng(f"test/esconv/{index}"), index) for index in range(DIALOGUES)]
