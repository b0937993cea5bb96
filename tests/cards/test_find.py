import hashlib
from pathlib import Path

import pytest

from heartloop.cards import find as find_module
from heartloop.cards import find_card, list_cards, load_task, load_verifier
from heartloop.errors import CardError, UsageError

SUITE = """\
title: A suite
source: {local: "data/{member}.jsonl"}
prompt:
  instruction: Answer.
  separator: "\\n"
verifier: exact
members:
  first: {title: "The first of {member}", prompt: {instruction: Reply.}}
  second:
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEARTLOOP_WORKSPACE", raising=False)
    for kind in ("stimuli", "tasks", "verifiers"):
        (tmp_path / kind).mkdir()
    return tmp_path


def put(home: Path, name: str, text: str) -> Path:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_the_workspace_hides_a_shipped_card_of_the_same_name(home: Path) -> None:
    assert find_card("stimuli", "cot").origin == "shipped"
    put(home, "stimuli/cot.yaml", "stimuli: [{id: C1, text: Own words.}]\n")
    assert find_card("stimuli", "cot").origin == "workspace"
    assert [ref.name for ref in list_cards("stimuli")].count("cot") == 1


def test_the_workspace_may_be_named_by_the_environment(
    home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, "verifiers/mine.yml", "kind: exact\n")
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    with pytest.raises(UsageError, match='unknown verifier "mine"'):
        find_card("verifiers", "mine")
    monkeypatch.setenv("HEARTLOOP_WORKSPACE", str(home))
    assert load_verifier("mine").kind == "exact"


def test_a_workspace_that_is_no_folder_is_said_so(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEARTLOOP_WORKSPACE", str(home / "absent"))
    with pytest.raises(UsageError, match="HEARTLOOP_WORKSPACE: .* is no folder"):
        find_card("tasks", "olympiad")


def test_the_wheels_own_folder_comes_before_the_checkouts(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = home / "site-packages" / "heartloop"
    put(package, "_cards/stimuli/only.yaml", "stimuli: [{id: O1, text: Words.}]\n")
    monkeypatch.setattr(find_module, "__file__", str(package / "cards" / "find.py"))
    assert [ref.name for ref in list_cards("stimuli")] == ["only"]


def test_nested_names_are_folders(home: Path) -> None:
    put(home, "tasks/mine/deep.yaml", "source: {local: x.jsonl}\n")
    assert load_task("mine/deep").name == "mine/deep"
    assert "mine/deep" in [ref.name for ref in list_cards("tasks")]


def test_a_suite_keeps_its_members_in_one_file(home: Path) -> None:
    put(home, "tasks/suite.yaml", SUITE)
    suite = load_task("suite")
    assert suite.members == ("suite/first", "suite/second")
    first, second = (load_task(name) for name in suite.members)
    assert (first.suite, first.source.local) == ("suite", ("data/first.jsonl",))
    assert (first.title, second.title) == ("The first of first", "")
    assert (first.prompt.instruction, first.prompt.separator) == ("Reply.", "\n")
    assert (second.prompt.instruction, second.source.local) == ("Answer.", ("data/second.jsonl",))
    names = [ref.name for ref in list_cards("tasks")]
    assert names[names.index("suite") :][:3] == ["suite", "suite/first", "suite/second"]
    with pytest.raises(UsageError, match='unknown task "suite/frist"; did you mean "suite/first"'):
        load_task("suite/frist")


def test_a_suite_may_list_other_cards_by_pattern(home: Path) -> None:
    put(home, "tasks/suite.yaml", SUITE)
    put(home, "tasks/all.yaml", "members: [suite/*]\n")
    assert load_task("all").members == ("suite/first", "suite/second")
    put(home, "tasks/none.yaml", "members: [nowhere/*]\n")
    with pytest.raises(CardError, match=r'none\.yaml:1: members: "nowhere/\*" matches no task'):
        load_task("none")


def test_include_takes_over_fields_and_both_files_are_in_the_hash(home: Path) -> None:
    base = put(home, "tasks/base.yaml", SUITE)
    own = put(home, "tasks/own.yaml", "include: base\nprompt: {instruction: Think.}\n")
    card = load_task("own/second")
    assert (card.prompt.instruction, card.prompt.separator) == ("Think.", "\n")
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (own, base)]
    assert card.sha256 == hashlib.sha256("\n".join(digests).encode()).hexdigest()
    assert load_task("base").sha256 == digests[1]
    before = card.sha256
    base.write_text(SUITE + "  third:\n")
    assert load_task("own/second").sha256 != before


def test_a_workspace_card_may_include_the_shipped_card_it_hides(home: Path) -> None:
    put(home, "stimuli/cot.yaml", "include: cot\ntitle: Mine\n")
    from heartloop.cards import load_stimuli

    card = load_stimuli("cot")
    assert (card.title, card.ids) == ("Mine", ("COT01",))


def test_rings_of_includes_are_refused(home: Path) -> None:
    put(home, "tasks/a.yaml", "include: b\n")
    put(home, "tasks/b.yaml", "include: a\n")
    with pytest.raises(CardError, match=r"tasks/b\.yaml:1: include: .* includes itself"):
        load_task("a")
    put(home, "tasks/c.yaml", "include: nowhere\n")
    with pytest.raises(CardError, match=r'tasks/c\.yaml:1: include: no card "nowhere"'):
        load_task("c")


def test_a_card_is_found_by_its_path_and_so_are_its_members(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = put(tmp_path_factory.mktemp("outside"), "mine.yaml", SUITE)
    assert find_card("tasks", str(outside)).origin == "file"
    assert load_task(f"{outside}/first").prompt.instruction == "Reply."
    inside = put(home, "tasks/deep/mine.yaml", "source: {local: x.jsonl}\n")
    assert find_card("tasks", str(inside)).name == "deep/mine"
    with pytest.raises(UsageError, match="no such card file"):
        find_card("tasks", "absent.yaml")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a//b", "", ".hidden", "a/../b"])
def test_names_cannot_leave_the_folders(home: Path, name: str) -> None:
    put(home, "secret.yaml", "kind: exact\n")
    with pytest.raises(UsageError, match="unknown verifier"):
        find_card("verifiers", name)


def test_a_broken_card_is_listed_and_stops_only_who_asks_for_it(home: Path) -> None:
    put(home, "tasks/broken.yaml", "members: [\n")
    put(home, "tasks/fine.yaml", "source: {local: x.jsonl}\n")
    assert {"broken", "fine"} <= {ref.name for ref in list_cards("tasks")}
    assert load_task("fine").name == "fine"
    with pytest.raises(CardError, match=r"tasks/broken\.yaml:2: not valid YAML"):
        load_task("broken")


def test_a_typo_in_a_task_card_is_refused_with_its_line(home: Path) -> None:
    put(home, "tasks/t.yaml", "source: {local: x.jsonl}\nsampling:\n  temprature: 0.7\n")
    with pytest.raises(
        CardError,
        match=r'^tasks/t\.yaml:3: sampling\.temprature: unknown field; did you mean "temperature"',
    ):
        load_task("t")
    put(home, "tasks/t.yaml", "name: other\nsource: {local: x.jsonl}\n")
    with pytest.raises(CardError, match=r'tasks/t\.yaml:1: name: "other" differs from "t"'):
        load_task("t")


def test_finding_one_card_does_not_read_the_others(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        put(home, f"tasks/many/card{i}.yaml", "members: [\n")
    put(home, "tasks/wanted.yaml", "source: {local: x.jsonl}\n")
    plain = find_module.read_document
    read: list[str] = []
    monkeypatch.setattr(
        find_module, "read_document", lambda path: read.append(path.name) or plain(path)
    )
    load_task("wanted")
    assert read == ["wanted.yaml"]
