"""Building the three stage sets: stages, disjointness, sampling, and the 390 real conversations."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from heartloop.analysis.preference import LABELS, STAGES
from heartloop.cards import load_task
from heartloop.cards.task import TaskCard
from heartloop.data import load_data, resolve_tasks
from heartloop.data.readers.esconv_build import (
    Conversation,
    Post,
    build,
    set_hash,
    slices,
    stage_of,
)
from heartloop.errors import CardError, DataError
from heartloop.methods import render

Q, R, F, S, A, P, I, O = LABELS  # noqa: E741


@pytest.mark.parametrize(
    ("window", "share", "stage"),
    [
        ([Q, Q, R, F], 0.1, "exploration"),
        ([F, A, S, A], 0.5, "comforting"),  # all three belong there, fewer anywhere else
        ([I, P, A, P], 0.9, "action"),
        ([Q, P], 0.5, "action"),  # one vote each: the label turn's own stage wins
        ([P, Q], 0.5, "exploration"),
        ([Q, P, S], 0.9, "action"),  # 2 : 1 : 2, S says nothing, the turn before it does
        ([A], 0.1, "comforting"),  # comforting and action tie: nearest to the first third
        ([A], 0.9, "action"),
        ([S], 0.0, "exploration"),
        ([S], 0.5, "comforting"),
        ([O], 0.99, "action"),
    ],
)
def test_the_stage_is_the_majority_of_the_window(
    window: list[str], share: float, stage: str
) -> None:
    assert stage_of(window, share) == stage


def talk(name: str, strategies: list[str]) -> Conversation:
    posts = []
    for i, strategy in enumerate(strategies):
        posts += [Post(True, f"seeker {i}"), Post(False, f"supporter {i}", strategy)]
    return Conversation(name, "sadness", "work", "bad", tuple(posts))


def test_contexts_have_five_to_fifteen_turns_and_end_before_the_supporter() -> None:
    found = slices(talk("a-000", [Q] * 14), 5, 15)
    sizes = [item.place - item.start for item in found]
    assert sizes == [5, 7, 9, 11, 13, *[15] * 7]
    for item in found:
        posts = item.conversation.posts
        assert not posts[item.place].seeker and posts[item.place - 1].seeker


def test_turns_that_go_on_from_the_supporters_own_are_an_option() -> None:
    base = talk("a-000", [Q] * 4)
    double = Conversation("a", "", "", "", (*base.posts, Post(False, "and more", P)))
    assert [s.label for s in slices(double, 5, 15)] == [Q, Q]
    assert [s.label for s in slices(double, 5, 15, after_seeker=False)] == [Q, Q, P]


def test_sets_are_disjoint_reproducible_and_depend_on_the_seed() -> None:
    talks = [talk(f"t-{i:03d}", [Q, Q, F, A, F, A, P, I, P, O, O][i % 3 :]) for i in range(60)]
    built, again, other = build(talks), build(talks[::-1]), build(talks, seed=1)
    members = {s: {x.conversation.id for x in v} for s, v in built.sets.items()}
    assert not members["exploration"] & members["comforting"]
    assert not (members["exploration"] | members["comforting"]) & members["action"]
    spare = {x.conversation.id for x in built.spare}
    assert len(spare) == 6 and not spare & set().union(*members.values())
    for stage, items in built.sets.items():
        assert {x.id for x in items} == {x.id for x in again.sets[stage]}
        assert all(x.stage == stage for x in items)
        assert sum(x.label == O for x in items) <= 0.05 * len(items)
    assert set_hash(built.sets["action"]) != set_hash(other.sets["action"])


@pytest.fixture(scope="module")
def real(shared_data: Path) -> dict[str, object]:
    cards = resolve_tasks("esconv")
    assert [card.name for card in cards] == [f"esconv/{stage}" for stage in STAGES]
    return {card.name: load_data(card, data_dir=shared_data, shots=8) for card in cards}


SIZES = {"esconv/exploration": 387, "esconv/comforting": 330, "esconv/action": 350}


def test_the_sets_of_the_390_conversations(real: dict) -> None:
    assert {name: len(data.questions) for name, data in real.items()} == SIZES
    seen: dict[str, str] = {}
    for name, data in real.items():
        assert data.expected_sha256 == data.sha256
        assert any("390 conversations by procedure 1, seed 0" in note for note in data.notes)
        counts = Counter(gold.answers[0] for gold in data.golds.values())
        assert counts["Others"] <= 0.05 * len(data.questions)
        own = STAGES[name.partition("/")[2]]
        assert sum(counts[label] for label in own) > 0.7 * len(data.questions)
        for question in data.questions:
            assert seen.setdefault(str(question.cluster), name) == name
            assert 5 <= question.meta["turns"] <= 15
            assert question.choices == LABELS


def test_the_gold_of_the_label_turn_is_not_in_the_prompt(real: dict) -> None:
    for data in real.values():
        for question in data.questions:
            last = question.input.splitlines()[-1]
            assert last.startswith("Seeker: ")
            assert data.golds[question.id].params["utterance"] not in question.input[-400:] or (
                len(data.golds[question.id].params["utterance"]) < 25
            )


def test_demonstrations_come_from_spare_conversations(real: dict) -> None:
    for data in real.values():
        prompt = "\n".join(message.content for message in render(data.questions[0]))
        assert prompt.count("Conversation so far:") == 9
        assert prompt.count("\nStrategy: ") == 8


def test_balanced_demonstrations_show_every_strategy(tmp_path: Path, shared_data: Path) -> None:
    card = tmp_path / "balanced.yaml"
    card.write_text("include: esconv\nname: balanced\noptions: {demonstrations: balanced}\n")
    task = load_task(f"{card}/action")
    data = load_data(task, data_dir=shared_data, shots=8)
    shown = [demo.text.rpartition("Strategy: ")[2] for demo in data.questions[0].demos]
    assert sorted(shown) == sorted(LABELS)
    sixteen = load_data(task, data_dir=shared_data, shots=16).questions[0].demos
    counts = Counter(demo.text.rpartition("Strategy: ")[2] for demo in sixteen)
    assert set(counts.values()) == {2}


def test_strategies_of_the_context_can_be_hidden(tmp_path: Path) -> None:
    card = tmp_path / "hidden.yaml"
    card.write_text("include: esconv\nname: hidden\noptions: {show_strategies: false}\n")
    hidden = load_data(load_task(f"{card}/action"), practice=True)
    shown = load_data(load_task("esconv/action"), practice=True)
    assert "Supporter: [" in shown.questions[0].input
    assert "[" not in hidden.questions[0].input
    assert [q.id for q in hidden.questions] == [q.id for q in shown.questions]


def test_the_forms_differ_in_what_they_ask_for() -> None:
    def first(name: str) -> tuple[str, str]:
        found = load_data(load_task(f"{name}/action"), practice=True, shots=1).questions[0]
        return found.answer_format, found.demos[0].text.rpartition("\n\n")[2]

    assert "NAME" in first("esconv")[0] and first("esconv")[1].startswith("Strategy: ")
    form, demo = first("esconv_utterance")
    assert "Utterance:" in form and "\nUtterance: " in demo
    form, demo = first("esconv_json")
    assert set(json.loads(demo)) == {"strategy", "utterance"}
    sampling = load_task("esconv_json/action").sampling
    assert sampling.response_format is not None
    schema = sampling.response_format["json_schema"]["schema"]
    assert tuple(schema["properties"]["strategy"]["enum"]) == LABELS


def test_loops_are_not_steered_by_the_gold_unless_asked() -> None:
    from heartloop.run.load import load_tasks
    from heartloop.run.plan import Plan
    from heartloop.types import Arm

    def mode(**more: object) -> str:
        plan = Plan(("esconv/action",), ("pocket",), (Arm("single"),), practice=True, **more)  # type: ignore[arg-type]
        return load_tasks(plan)[0].mode

    assert mode() == "verifier-free"
    assert mode(mode="oracle") == "oracle"


def conversation(**changes: object) -> dict[str, object]:
    dialog = [{"speaker": "seeker", "text": "hi"}, {"speaker": "supporter", "text": "hello"}]
    row: dict[str, object] = {"dialog": dialog, "emotion_type": "anger", "problem_type": "x"}
    return {**row, **changes}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"emotion_type": "anger"}, "dialog: must be a list"),
        (conversation(), r"dialog\[1\].strategy: '' is no strategy"),
        (conversation(dialog=[{"speaker": "cat", "text": "x"}]), "expected seeker or supporter"),
        (conversation(dialog=[{"speaker": "seeker"}]), r"dialog\[0\].text: is missing"),
        (conversation(dialog=["x"]), "must be an object"),
        ({"text": "not json"}, "is no JSON conversation"),
    ],
)
def test_broken_rows_name_line_and_field(
    tmp_path: Path, row: dict[str, object], message: str
) -> None:
    folder = tmp_path / "esconv"
    folder.mkdir()
    (folder / "esconv_valid195_test195.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=message) as caught:
        load_data(load_task("esconv/action"), data_dir=tmp_path)
    assert ".jsonl:1: " in str(caught.value)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("form: shout", "none of label, utterance, json"),
        ("stage: late", "none of exploration"),
        ("context: 5", "give \\[least, most\\]"),
        ("colour: red", "unknown; known: stage"),
        ("demonstrations: best", "none of random, balanced"),
    ],
)
def test_wrong_options_are_refused(tmp_path: Path, option: str, message: str) -> None:
    card = tmp_path / "mine.yaml"
    card.write_text(f"include: esconv\nname: mine\noptions: {{{option}}}\n")
    with pytest.raises(CardError, match=message):
        load_data(load_task(f"{card}/action"), practice=True)


def test_hub_rows_are_read_as_the_local_file(tmp_path: Path, shared_data: Path) -> None:
    from heartloop.data.items import Raw
    from heartloop.data.readers.esconv import read
    from heartloop.data.rows import memory_rows, read_rows

    path = shared_data / "esconv" / "esconv_valid195_test195.jsonl"
    rows = read_rows(path, "jsonl")
    hub = []
    for row in rows:
        names = {"seeker": "usr", "supporter": "sys"}
        dialog = [{**turn, "speaker": names[turn["speaker"]]} for turn in row.data["dialog"]]
        kept = {k: row.data[k] for k in ("emotion_type", "problem_type", "situation")}
        hub.append({"text": json.dumps({**kept, "dialog": dialog})})
    card: TaskCard = load_task("esconv/comforting")
    local = read(card, Raw("local", (path,)))
    remote = read(card, Raw("hub", rows=tuple(memory_rows(hub, "hub")), hub=True))
    assert [i.question for i in local.items] == [i.question for i in remote.items]


def test_the_file_that_the_authors_publish_is_read_with_their_split(tmp_path: Path) -> None:
    """One array; strategies under ``annotation``, words under ``content``, intensities missing."""
    turns = [
        {"speaker": "supporter", "annotation": {"strategy": "Question"}, "content": "How are you?"},
        {"speaker": "seeker", "annotation": {}, "content": "Not well.\n"},
    ]
    whole = [
        {"emotion_type": "fear", "problem_type": "job crisis", "situation": f"case {i}",
         "survey_score": {"seeker": {"initial_emotion_intensity": "5"}}, "dialog": turns * 10}
        for i in range(400)
    ]  # fmt: skip
    (tmp_path / "esconv").mkdir()
    (tmp_path / "esconv" / "ESConv.json").write_text(json.dumps(whole))
    order = list(range(400))
    random.Random(13).shuffle(order)
    data = load_data(load_task("esconv/exploration"), data_dir=tmp_path, download=False)
    assert data.origin == "data" and data.source.endswith("ESConv.json")
    assert any("400 conversations: their seed-13 split" in note for note in data.notes)
    used = {int(q.input.partition("case ")[2].split()[0]) for q in data.questions}
    assert used and used <= set(order[:120])
    own = tmp_path / "mine.yaml"
    own.write_text("include: esconv\nname: mine\nsource: {local: [esconv/ESConv.json]}\n")
    same = load_data(load_task(f"{own}/exploration"), download=False)
    assert [q.id for q in same.questions] == [q.id for q in data.questions]
