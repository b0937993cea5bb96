"""The words every room speaks: frozen values, standard library only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from heartloop.values import quick

Role = Literal["system", "user", "assistant"]
Outcome = Literal["correct", "incorrect", "unscored", "error"]
UnscoredReason = Literal["truncated", "empty", "unparsed", "refused", "judge_failed", "undecided"]
Placement = Literal["after_instruction", "after_input", "before", "system"]
Mode = Literal["oracle", "verifier-free"]
ShotsAs = Literal["turns", "text"]

OUTCOMES: tuple[Outcome, ...] = ("correct", "incorrect", "unscored", "error")
UNSCORED_REASONS: tuple[UnscoredReason, ...] = (
    "truncated",
    "empty",
    "unparsed",
    "refused",
    "judge_failed",
    "undecided",
)
PLACEMENTS: tuple[Placement, ...] = ("after_instruction", "after_input", "before", "system")


@quick
@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


# --- What is asked -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Demo:
    """A demonstration, ready for both ways of showing it.

    Attributes:
        input: what a user's turn asks, without the answer format, like ``Question.input``.
        output: what the assistant's turn answers, in the form that the prompt asks for.
        text: both as one part of a single message, in the task's own layout.
    """

    input: str
    output: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What a method may know of one item: never the gold.

    Attributes:
        id: unique and stable within its task (the data set's own id where it has one).
        task: the task's full name, for example ``bigbench/snarks``.
        index: 0-based row in the task's data, after duplicates are dropped.
        instruction: what is to be done; may be empty.
        input: the item itself, with the task's own prefixes already applied.
        demos: demonstrations, in order, placed between instruction and input.
        shots_as: demonstrations are ``turns`` of user and assistant, or ``text`` of one message.
        answer_format: last line of the prompt that fixes the form of the answer; may be empty.
        separator: what joins the parts that are not empty.
        system: a system message of the task's own, or None.
        history: earlier turns of a dialogue task, placed before the user message.
        choices: the choices shown to the model, in order; empty where there are none.
        cluster: what items that are not independent share (a conversation, a table).
        meta: further public facts for analysis (subfield, stage, length); never the gold.
    """

    id: str
    task: str
    index: int
    input: str
    instruction: str = ""
    demos: tuple[Demo, ...] = ()
    shots_as: ShotsAs = "text"
    answer_format: str = ""
    separator: str = "\n\n"
    system: str | None = None
    history: tuple[Message, ...] = ()
    choices: tuple[str, ...] = ()
    cluster: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gold:
    """The accepted answers of one question, and how they are to be read.

    Attributes:
        question: the question's id.
        answers: accepted answers, best first; any of them is right unless params say otherwise.
        params: what the verifier needs beside them (``answer_type``, ``unit``, ``tolerance``,
            ``multiple``, ``target_scores``, ``range``, ``incorrect`` …).
    """

    question: str
    answers: tuple[str, ...]
    params: Mapping[str, Any] = field(default_factory=dict)


# --- What is said ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stimulus:
    """A phrase with an identity: set and id name it, the hash of its text pins it.

    Attributes:
        id: ``EP02``; unique within its set.
        set: the card it comes from, ``emotionprompt``.
        text: the exact words.
        sha256: hex digest of the text's UTF-8 bytes.
        valence: ``positive``, ``negative``, ``critical``, ``encouraging`` or ``neutral``.
        demand: what it asks to be done: ``none``, ``verification``, ``persistence``, ``format`` …
        emotion: Ekman's name for a HEART cue, else empty.
        joiner: what joins it to the text before it.
        placement: where it goes unless the arm says otherwise.
        of: the stimulus that this one is a control or paraphrase of, ``emotionprompt:EP02``.
        kind: ``stimulus``, ``placebo``, ``demand-only``, ``affect-only``, ``shuffled``,
            ``paraphrase``, ``distractor``, ``neutral``, ``cot``.
        feeling, intensity: of a graded family: what is felt, and how strongly, from 1; empty and 0
            for others.
    """

    id: str
    set: str
    text: str
    sha256: str
    source: str = ""
    theory: str = ""
    valence: str = "neutral"
    demand: str = "none"
    emotion: str = ""
    joiner: str = " "
    placement: Placement = "after_instruction"
    of: str = ""
    kind: str = "stimulus"
    feeling: str = ""
    intensity: int = 0

    @property
    def name(self) -> str:
        """The full name, ``emotionprompt:EP02``."""
        return f"{self.set}:{self.id}"


@dataclass(frozen=True, slots=True)
class Arm:
    """A cell of the experiment: method + stimulus + parameters, everything resolved.

    Attributes:
        name: unique within a run; what tables print.
        method: name in the registry of ``heartloop.methods``.
        stimuli: the phrases added to the first prompt, joined in order; empty for none.
        placement: where they go.
        cues: the feedback phrases a loop may say, for the method's schedule to choose from.
        params: the method's own parameters (rounds, candidates, schedule, history, …).
        role: ``treatment``, or what it controls for: ``none``, ``again``, ``placebo``,
            ``demand-only``, ``affect-only``, ``shuffled``, ``paraphrase``, ``distractor``, ``cot``,
            ``resample``, ``reflect``, ``neutral`` …
        of: names of the treatments it is a control of; empty: of all of them.
        gated: it is asked last, and only where the claim of a treatment in ``of`` stands.
    """

    name: str
    method: str = "single"
    stimuli: tuple[Stimulus, ...] = ()
    placement: Placement = "after_instruction"
    cues: tuple[Stimulus, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    role: str = "treatment"
    of: tuple[str, ...] = ()
    gated: bool = False


# --- One call ----------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True)
class Address:
    """Where a draw stands in the experiment (invariant 3). The arm is not part of it."""

    task: str
    question: str
    model: str
    round: int
    draw: int
    seed: int = 0  # the run seed (--seeds), not the seed sent


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a completion is to be drawn; None leaves a field out of the request."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    logprobs: bool = False
    reasoning_effort: str | None = None
    response_format: Mapping[str, Any] | None = None
    continue_final_message: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@quick
@dataclass(frozen=True, slots=True)
class Request:
    """One completion to be asked for.

    Attributes:
        address: opaque to providers (replay alone looks it up).
        messages: the whole conversation.
        sampling: sampling parameters without the seed.
        extends: key of the call whose messages and answer this conversation begins with.
        purpose: ``answer``, ``feedback``, ``synthesis``, ``select``, ``judge``, ``probe``.
        arm: the arm that asks first; for the record only, never part of the key.
        seed: the seed to send, derived by the client; None sends none.
    """

    address: Address
    messages: tuple[Message, ...]
    sampling: Sampling = Sampling()
    extends: str | None = None
    purpose: str = "answer"
    arm: str = ""
    seed: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call or a sum of calls. ``completion`` includes ``reasoning``."""

    prompt: int = 0
    completion: int = 0
    reasoning: int = 0
    cached: int = 0

    @property
    def total(self) -> int:
        """Prompt and completion tokens, reasoning included."""
        return self.prompt + self.completion

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt + other.prompt,
            self.completion + other.completion,
            self.reasoning + other.reasoning,
            self.cached + other.cached,
        )


AT_CAP = "stop_at_cap"
"""Finish reason of a text that ended, as the server says, exactly where it would have been cut."""
CAP_HITS = ("length", AT_CAP)
"""Finish reasons of answers that ``max_tokens`` cut, or probably cut."""


@quick
@dataclass(frozen=True, slots=True)
class Completion:
    """One answer of a model.

    Attributes:
        text: the visible answer; reasoning is never part of it.
        reasoning: thinking that the model showed apart from the answer, or None.
        finish_reason: ``stop``, ``length``, ``content_filter``, `AT_CAP` or the server's own word.
            An unclosed think block is ``length`` with an empty text.
        usage: tokens as reported; ``estimated`` says they were counted from characters.
        logprob: mean log-probability a token, in nats, where asked for and given.
        key: set by the client: the call's identity in the journal.
        started, finished: Unix seconds, UTC.
        attempts: tries it took; endpoint: the server that answered.
        shared: it came from the journal or from another arm's call, nothing was paid now.
        served: the model that the reply itself names, or empty.
        sent: what was asked otherwise than the request says, because the server wants it so:
            field to what was sent (None: left out; ``max_tokens`` fitted to the context), or None.
    """

    text: str
    finish_reason: str = "stop"
    usage: Usage = Usage()
    reasoning: str | None = None
    logprob: float | None = None
    logprob_tokens: int = 0
    estimated: bool = False
    key: str = ""
    started: float = 0.0
    finished: float = 0.0
    attempts: int = 1
    endpoint: str = ""
    shared: bool = False
    cost: float | None = None  # US dollars where the provider or a price list gives it
    served: str = ""
    sent: Mapping[str, Any] | None = None


# --- What came of it ---------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True)
class Verdict:
    """One reading of one answer text.

    Attributes:
        outcome: ``correct``, ``incorrect`` or ``unscored`` (``error`` is for calls).
        reason: why unscored; None otherwise.
        answer: what was read, or None.
        score: in [0, 1] for metrics with partial credit (F1), else 1.0, 0.0 or None.
        detail: one line a person can read: what was compared, and how.
        span: where the answer stands in the visible text, start and end in characters, where
            the reader knows it.
    """

    outcome: Outcome
    reason: UnscoredReason | None = None
    answer: str | None = None
    score: float | None = None
    detail: str = ""
    span: tuple[int, int] | None = None


@quick
@dataclass(frozen=True, slots=True)
class Graded:
    """Score, content and form of one answer.

    Attributes:
        own: the task's own metric, by the benchmark's published rule; it decides (``score``).
        content: the same metric on the span that a tolerant, documented reader finds.
        form: whether the form that was asked for was kept; defined where content is right, None
            elsewhere and for tasks without a form (log-likelihood, judged).
    """

    own: Verdict
    content: Verdict
    form: bool | None = None


def graded(own: Verdict, content: Verdict) -> Graded:
    """Both readings; the form was kept where a right content also satisfies the own metric."""
    form = own.outcome == "correct" if content.outcome == "correct" else None
    return Graded(own, content, form)


@quick
@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate answer of a trace.

    Attributes:
        round, draw: its address within the question.
        completion: the answer, or None where the call ended in an error.
        cue: name of the stimulus that led to it; empty in round 0.
        checked: what ``check`` said, where it was asked (oracle mode).
        error: class of the call's error, else None.
        purpose: ``answer`` or ``synthesis``; only these are graded.
    """

    round: int
    draw: int
    completion: Completion | None
    cue: str = ""
    checked: bool | None = None
    error: str | None = None
    purpose: str = "answer"


@quick
@dataclass(frozen=True, slots=True)
class Trace:
    """All attempts on one question under one arm.

    Attributes:
        selected: index into ``attempts`` of the answer that the arm hands in; None when no
            attempt has a completion.
        calls, usage: everything the arm used for this question, shared calls included, calls
            that are no answers (feedback, votes) included: what it would cost alone.
        notes: method-specific facts for diagnostics (ties, stop reason, schedule state).
    """

    question: str
    arm: str
    attempts: tuple[Attempt, ...]
    selected: int | None
    calls: int = 0
    usage: Usage = Usage()
    cost: float | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)


# --- What a run is, and what it may say --------------------------------------------------


State = Literal["whole", "partial", "killed", "running", "damaged"]
"""``whole``: every unit has its verdict. ``partial``: stopped in order (a cap, an interrupt).
``killed``: it ended without a word. ``running``: a process holds its lock. ``damaged``: a file of
it cannot be read; ``heartloop repair`` says what can be had back."""


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run is, computed from journal, manifest and lock, never from its summary.

    Attributes:
        state: see `State`.
        done, total: units with all their verdicts, and planned (question x arm x model x seed).
        why: why it is not whole, in words for a headline; empty for a whole run.
    """

    state: State
    done: int
    total: int
    why: str = ""

    @property
    def whole(self) -> bool:
        """Whether every planned unit has its verdict."""
        return self.state == "whole"


ClaimKind = Literal["stimuli", "loop", "arms", "search", "bias"]
"""What a claim is about: stimuli in one turn; a loop; two named arms or imported results; the
held-out half of a search; preference bias."""


@dataclass(frozen=True, slots=True)
class Contrast:
    """One planned comparison: an arm minus a control, on the task's primary metric.

    Attributes:
        family: contrasts of one family share their error rate (Holm): ``works`` (stimulus against
            none and its own placebo), ``plain`` (against none alone), ``equivalence``, ``loop``,
            ``arms``.
        name: what the contrast isolates, in one word or two: ``feeling``, ``the loop``.
        arm: the arm's name.
        controls: names of the control arms; several are averaged, taken as fixed.
    """

    family: str
    name: str
    arm: str
    controls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run may say: fixed and hashed before its first call.

    Attributes:
        kind: see `ClaimKind`.
        treatments: names of the arms a word may be said of.
        controls: for each treatment, role -> names of its control arms (``none``, ``placebo``,
            ``demand-only`` ...).
        metric: task -> its one primary metric.
        margin: half width of equivalence, on the metric's scale of 0 to 1.
        level: family-wise error rate.
        contrasts: all planned comparisons, in the order in which they are said.
        primary: the one arm that ``--stop-when decided`` watches, or None.
        confirms: sha256 of the claim that this one was taken from (``--claim-from``), or None.
        fixed: False where the claim was rebuilt from the arms: "not fixed beforehand".
        verifier: own table -> the verifier that reads its answers, chosen from its golds.
        sha256: hash of everything above but ``fixed``.
    """

    kind: ClaimKind
    treatments: tuple[str, ...]
    controls: Mapping[str, Mapping[str, tuple[str, ...]]]
    metric: Mapping[str, str]
    margin: float
    level: float
    contrasts: tuple[Contrast, ...]
    primary: str | None = None
    confirms: str | None = None
    fixed: bool = True
    verifier: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""


# --- The contracts between rooms ---------------------------------------------------------


class Model(Protocol):
    """A provider: one attempt at one completion, no retry, no cache, no journal."""

    name: str

    async def complete(self, request: Request) -> Completion:
        """Make one attempt; raises CallError."""
        ...

    async def close(self) -> None:
        """Release connections, processes and memory."""
        ...


AnswerBy = Literal["own", "content"]
"""Which reading finds an answer: that of the task's own metric, or the tolerant one alone."""


class Reader(Protocol):
    """Reads and compares answers without any gold: what a verifier-free selector may use."""

    def extract(self, text: str) -> str | None:
        """The final answer in a text (strict chain), or None."""
        ...

    async def same(self, first: str, second: str) -> bool:
        """Whether two extracted answers are equivalent under the task's verifier."""
        ...

    async def answered(self, completion: Completion) -> AnswerBy | None:
        """Which reading finds a whole final answer in a completion, right or wrong."""
        ...


class Learns(Protocol):
    """What an arm learns over the questions of a task."""

    async def before(self, question: str) -> tuple[Counter[str], Counter[str]]:
        """Rounds and successes by cue, of the questions that this one may learn from."""
        ...

    def close(self, trace: Trace) -> None:
        """Take over what came of a question."""
        ...

    def abandon(self, question: str) -> None:
        """A question ends without a trace."""
        ...


class Ask(Protocol):
    """How a method asks: bound by the runner to one question, one model and one run seed."""

    reader: Reader
    seed: int  # the run seed: what a schedule's or selector's own dice are thrown with

    @property
    def helper(self) -> Ask | None:
        """The second model (``--helper``), or None."""
        ...

    @property
    def learner(self) -> Learns | None:
        """What the arm's `bandit` schedule has learnt on the task; None for other schedules."""
        ...

    async def __call__(
        self,
        messages: tuple[Message, ...],
        *,
        round: int = 0,
        draw: int = 0,
        purpose: str = "answer",
        extends: Completion | None = None,
        **sampling: Any,
    ) -> Completion:
        """Ask for one completion; keyword arguments override the task's sampling.

        Raises:
            CallError: this call ended without a completion, after all retries.
            Stopped: the run is being stopped; let it pass.
        """
        ...


Check = Callable[[Completion], Awaitable[bool]]
"""Oracle mode only: is this answer right? Nothing else of the gold is ever told."""


class Method(Protocol):
    """How calls are combined: the same four arguments for every method."""

    async def __call__(
        self, question: Question, arm: Arm, ask: Ask, check: Check | None = None
    ) -> Trace:
        """Work on one question; ``check`` exists in oracle mode only."""
        ...
