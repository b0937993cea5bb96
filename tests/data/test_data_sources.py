"""Where data come from: folder, cache, pinned files by URL, the hub, practice sets, or nowhere."""

from __future__ import annotations

import hashlib
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from heartloop.cards import Hub, Source, TaskCard, load_task
from heartloop.data import load_data, resolve_tasks
from heartloop.data.fetch import fetch
from heartloop.data.sources import cache_folder, hub_folder, locate, whereabouts
from heartloop.errors import DataError, UsageError

ROWS = [{"question": f"{i} + 1?", "answer": str(i + 1), "id": f"q{i}"} for i in range(4)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HEARTLOOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HEARTLOOP_DATA", raising=False)
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def text_of(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def card(tmp_path: Path, **source: Any) -> TaskCard:
    place = Source(local=("demo/rows.jsonl",), **source)
    return TaskCard("demo", tmp_path / "cards" / "demo.yaml", "", source=place, verifier="math")


def put(folder: Path, text: str) -> str:
    (folder / "demo").mkdir(parents=True, exist_ok=True)
    (folder / "demo" / "rows.jsonl").write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


# --- local files ---------------------------


def test_the_folder_given_comes_before_card_and_cache(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("given", "env", "cards", "cache"):
        put(tmp_path / name, text_of(ROWS))
    monkeypatch.setenv("HEARTLOOP_DATA", str(tmp_path / "env"))
    found = []
    for given in (tmp_path / "given", None):
        found.append(whereabouts(card(tmp_path), given))
    monkeypatch.delenv("HEARTLOOP_DATA")
    found.append(whereabouts(card(tmp_path)))
    shutil.rmtree(tmp_path / "cards")
    found.append(whereabouts(card(tmp_path)))
    shutil.rmtree(own_cache)
    found.append(whereabouts(card(tmp_path)))
    assert [kind for kind, _ in found] == ["data", "data", "card", "cache", "absent"]
    assert "given" in found[0][1] and "env" in found[1][1]


def test_a_folder_without_the_task_is_said_and_the_cache_is_used(
    tmp_path: Path, own_cache: Path
) -> None:
    (tmp_path / "given").mkdir()
    put(own_cache, text_of(ROWS))
    data = load_data(card(tmp_path), data_dir=tmp_path / "given")
    assert data.origin == "cache"
    assert any("is absent; looked further" in note for note in data.notes)


def test_a_wrong_folder_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="--data: .*nowhere is no folder"):
        load_data(card(tmp_path), data_dir=tmp_path / "nowhere")
    monkeypatch.setenv("HEARTLOOP_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="HEARTLOOP_DATA: .*nowhere is no folder"):
        load_data(card(tmp_path))


def test_another_hash_is_recorded_and_warned_of_not_refused(tmp_path: Path) -> None:
    digest = put(tmp_path / "given", text_of(ROWS))
    task = card(tmp_path, hashes=("0" * 64,))
    data = load_data(task, data_dir=tmp_path / "given")
    assert (data.sha256, data.expected_sha256) == (digest, "0" * 64)
    assert any(note.startswith("warning: ") and "differs" in note for note in data.notes)
    same = load_data(replace(task, source=replace(task.source, hashes=(digest,))),
                     data_dir=tmp_path / "given")  # fmt: skip
    assert same.sha256 == same.expected_sha256
    assert not any("warning" in note for note in same.notes)


def test_nothing_anywhere_says_every_way_to_get_it(tmp_path: Path) -> None:
    task = card(tmp_path, practice="olympiad", hub=Hub("someone/set"))
    with pytest.raises(DataError) as caught:
        load_data(task, download=False)
    for word in ("--data", "HEARTLOOP_DATA", "demo/rows.jsonl", "data get demo", "--practice"):
        assert word in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused(tmp_path: Path, limit: int) -> None:
    put(tmp_path / "given", text_of(ROWS))
    with pytest.raises(UsageError, match="--limit"):
        load_data(card(tmp_path), data_dir=tmp_path / "given", limit=limit)
    with pytest.raises(UsageError, match="--shots"):
        load_data(card(tmp_path), data_dir=tmp_path / "given", shots=-1)
    with pytest.raises(UsageError, match="only 4 items"):
        load_data(card(tmp_path), data_dir=tmp_path / "given", shots=4)


# --- pinned files by URL ---------------------------


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A real HTTP server on loopback over a folder, which the user allows."""
    monkeypatch.setenv("HEARTLOOP_ALLOW_PRIVATE", "1")
    folder = tmp_path / "www"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    server.server_close()


def test_a_pinned_file_is_fetched_once_checked_and_cached(
    tmp_path: Path, files: tuple[str, Path], own_cache: Path
) -> None:
    base, folder = files
    (folder / ("a" * 40)).mkdir()
    (folder / ("a" * 40) / "rows.jsonl").write_text(text_of(ROWS))
    digest = hashlib.sha256(text_of(ROWS).encode()).hexdigest()
    task = card(tmp_path, hashes=(digest,), url=(f"{base}/{'a' * 40}/rows.jsonl",))
    fetch(task)
    data = load_data(task)
    assert data.source == str(own_cache / "demo" / "rows.jsonl")
    assert data.sha256 == digest and data.revision == "a" * 40 and len(data.questions) == 4
    (folder / ("a" * 40) / "rows.jsonl").unlink()
    assert load_data(task).sha256 == digest  # from the cache
    assert [p.name for p in (own_cache / "demo").iterdir()] == ["rows.jsonl"]


def test_a_file_with_another_hash_is_not_kept(
    tmp_path: Path, files: tuple[str, Path], own_cache: Path
) -> None:
    base, folder = files
    (folder / "rows.jsonl").write_text("something else")
    task = card(tmp_path, hashes=("1" * 64,), url=(f"{base}/rows.jsonl",))
    with pytest.raises(DataError, match="is not the card's 111111111111"):
        fetch(task)
    assert not (own_cache / "demo" / "rows.jsonl").exists()


def test_a_missing_page_and_a_closed_port_are_one_line(
    tmp_path: Path, files: tuple[str, Path]
) -> None:
    base, _ = files
    for url in (f"{base}/absent.jsonl", "http://127.0.0.1:9/rows.jsonl"):
        with pytest.raises(DataError, match="cannot be fetched") as caught:
            fetch(card(tmp_path, hashes=("1" * 64,), url=(url,)))
        assert "--data" in str(caught.value) and "\n" not in str(caught.value)


def test_a_cache_that_cannot_be_written_says_so(
    tmp_path: Path, files: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    base, folder = files
    (folder / "rows.jsonl").write_text(text_of(ROWS))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HEARTLOOP_CACHE", str(tmp_path / "file"))
    with pytest.raises(DataError, match="HEARTLOOP_CACHE"):
        fetch(card(tmp_path, url=(f"{base}/rows.jsonl",)))


def test_a_card_of_ones_own_is_fetched_only_by_name(
    tmp_path: Path, files: tuple[str, Path], own_cache: Path
) -> None:
    base, folder = files
    (folder / "rows.jsonl").write_text(text_of(ROWS))
    task = card(tmp_path, url=(f"{base}/rows.jsonl",))
    with pytest.raises(DataError, match="heartloop data get demo"):
        load_data(task)
    assert not own_cache.exists()


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]/x", "http://10.1.2.3/x",
     "http://169.254.169.254/latest", "http://[::ffff:127.0.0.1]/x", "http://0.0.0.0/x",
     "http://192.168.0.1/x", "http://2130706433/x"],
)  # fmt: skip
def test_a_card_may_not_send_requests_inside(tmp_path: Path, own_cache: Path, url: str) -> None:
    with pytest.raises(DataError, match="HEARTLOOP_ALLOW_PRIVATE"):
        fetch(card(tmp_path, url=(url,)))
    assert not own_cache.exists()


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://x/y", "data:,x", "x", "http://"])
def test_only_http_is_fetched(tmp_path: Path, own_cache: Path, url: str) -> None:
    with pytest.raises(DataError, match="only http"):
        fetch(card(tmp_path, url=(url,)))
    assert not own_cache.exists()


def test_a_redirect_is_held_to_the_same_rule(
    tmp_path: Path, files: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def check(url: str) -> str:
        asked.append(url)
        return "refused" if url.endswith("/") else ""

    monkeypatch.setattr("heartloop.data.fetch.refused", check)
    base, folder = files
    (folder / "secret").mkdir()  # the server redirects /secret to /secret/
    with pytest.raises(DataError, match="redirect of"):
        fetch(card(tmp_path, url=(f"{base}/secret",)))
    assert len(asked) == 2


def test_data_stay_inside_cache_and_card_folder(tmp_path: Path, own_cache: Path) -> None:
    outside = tmp_path / "outside"
    put(outside, text_of(ROWS))
    for folder in (tmp_path / "cards", own_cache):
        folder.mkdir()
        (folder / "demo").symlink_to(outside / "demo")
        with pytest.raises(DataError, match="leads out of"):
            load_data(card(tmp_path))
        (folder / "demo").unlink()
    (own_cache / "demo").symlink_to(outside / "demo")
    with pytest.raises(DataError, match="leads out of"):
        fetch(card(tmp_path, url=("https://example.org/rows.jsonl",)))
    given = tmp_path / "given"  # a folder that the user names may link elsewhere
    given.mkdir()
    (given / "demo").symlink_to(outside / "demo")
    assert len(load_data(card(tmp_path), data_dir=given).questions) == 4


# --- the hub, as a local data-set folder ---------------------------


@pytest.fixture
def hub_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set as the hub stores it, in a folder that ``datasets`` loads without a network."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    folder = tmp_path / "hubset"
    (folder / "data").mkdir(parents=True)
    rows = [
        {"Problem": "1 + 1?", "Answer": 2, "ID": "a", "image": "", "levels": [1, 2]},
        {"Problem": "2 + 1?", "Answer": 3, "ID": "b", "image": "data:image/png;base64,AAAA",
         "levels": [3]},
        {"Problem": "Größe?", "Answer": 4, "ID": "c", "image": "", "levels": []},
    ]  # fmt: skip
    (folder / "data" / "test.jsonl").write_text(text_of(rows))
    return folder


def hub_card(tmp_path: Path, path: str, **hub: Any) -> TaskCard:
    return TaskCard(
        "hubtask",
        tmp_path / "cards" / "hubtask.yaml",
        "",
        family="hub",
        source=Source(hub=Hub(path, split="test", **hub)),
        fields={"question": "Problem", "answer": "Answer", "id": "ID"},
        verifier="math",
        options={"where": {"image": ""}},
    )


def test_a_hub_set_is_fetched_into_the_cache_with_its_identity(
    tmp_path: Path, hub_set: Path, own_cache: Path
) -> None:
    task = hub_card(tmp_path, str(hub_set))
    data = load_data(task)
    assert [(q.id, q.input) for q in data.questions] == [("a", "1 + 1?"), ("c", "Größe?")]
    assert data.golds["a"].answers == ("2",)
    folder = hub_folder(task)
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["rows"] == 3 and meta["pinned"] is False
    assert meta["sha256"] == data.sha256 == data.expected_sha256
    assert any("not pinned" in note and "not verified" in note for note in data.notes)
    assert any("2 of 3 rows" in note for note in data.notes)
    assert "base64" not in (folder / "rows.jsonl").read_text()
    shutil.rmtree(hub_set)
    assert load_data(task).sha256 == data.sha256  # from the cache
    assert cache_folder() in folder.parents


def test_changed_and_half_written_cache_entries_are_noticed(tmp_path: Path, hub_set: Path) -> None:
    task = hub_card(tmp_path, str(hub_set))
    fetch(task)
    rows = hub_folder(task) / "rows.jsonl"
    rows.write_text(rows.read_text().replace("1 + 1?", "1 + 7?"))
    assert any("was changed" in note for note in load_data(task).notes)
    fetch(task, again=True)
    assert not any("was changed" in note for note in load_data(task).notes)
    rows.unlink()
    with pytest.raises(DataError, match="is incomplete; run `heartloop data get hubtask`"):
        load_data(task)


def test_another_pinned_revision_is_another_cache_entry(tmp_path: Path) -> None:
    first = hub_folder(hub_card(tmp_path, "a/b", revision="1" * 40))
    assert first != hub_folder(hub_card(tmp_path, "a/b", revision="2" * 40))
    assert first != hub_folder(hub_card(tmp_path, "a/b", revision="1" * 40, config="c"))
    assert first.parent == cache_folder() / "hub"


def test_an_unreachable_hub_fails_at_once_with_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    gated = "accept the conditions at PAGE"
    with pytest.raises(DataError) as caught:
        load_data(hub_card(tmp_path, "someone/set", gated=gated))
    assert "127.0.0.1 cannot be reached" in str(caught.value)
    assert gated in str(caught.value) and "data get hubtask" in str(caught.value)


def test_a_gated_set_says_what_to_accept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from heartloop.data import fetch as module

    def refuse(*args: Any) -> None:
        raise PermissionError("401 Client Error. Access to dataset someone/set is gated")

    monkeypatch.setattr(module, "_reachable", lambda path: None)
    monkeypatch.setattr(module, "_load", refuse)
    with pytest.raises(DataError, match="someone/set is gated.*accept the conditions at PAGE"):
        fetch(hub_card(tmp_path, "someone/set", revision="1" * 40,
                       gated="accept the conditions at PAGE"))  # fmt: skip


def test_a_null_revision_is_resolved_at_first_fetch_and_recorded(
    tmp_path: Path, hub_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from heartloop.data import fetch as module

    asked: list[str | None] = []

    def load(hub: Hub, revision: str | None) -> Any:
        asked.append(revision)
        return iter([{"Problem": "1 + 1?", "Answer": 2, "ID": "a", "image": None}])

    monkeypatch.setattr(module, "_reachable", lambda path: None)
    monkeypatch.setattr(module, "_resolve", lambda path: "c" * 40)
    monkeypatch.setattr(module, "_load", load)
    data = load_data(hub_card(tmp_path, "someone/set"))
    assert asked == ["c" * 40] and data.revision == "c" * 40
    assert any("not pinned: cccc" in note for note in data.notes)
    assert "someone/set@cccccccccccc" in data.source


# --- hub-only cards on rows of their shape ---------------------------


def cached(task: TaskCard, rows: list[dict[str, Any]]) -> None:
    """Put rows where a fetch would have put them."""
    folder = hub_folder(task)
    folder.mkdir(parents=True)
    (folder / "rows.jsonl").write_text(text_of(rows))
    digest = hashlib.sha256(text_of(rows).encode()).hexdigest()
    assert task.source.hub is not None
    meta = {"revision": task.source.hub.revision, "sha256": digest}
    (folder / "meta.json").write_text(json.dumps(meta))


def test_gpqa_choices_are_in_a_fixed_order_that_tells_nothing() -> None:
    (task,) = resolve_tasks("gpqa_diamond")
    rows = [
        {"Record ID": f"r{i}", "Question": f"Question {i}?", "Correct Answer": "right",
         "Incorrect Answer 1": "w1", "Incorrect Answer 2": "w2", "Incorrect Answer 3": " w3\n"}
        for i in range(200)
    ]  # fmt: skip
    cached(task, rows)
    data = load_data(task)
    places = [q.choices.index("right") for q in data.questions]
    assert {places.count(i) > 25 for i in range(4)} == {True}
    q = data.questions[0]
    letter = data.golds[q.id].params["letter"]
    assert f"({letter}) right" in q.input and set(q.choices) == {"right", "w1", "w2", "w3"}
    assert [x.choices for x in load_data(task).questions] == [x.choices for x in data.questions]
    assert data.chance == 0.25 and data.notes == []


def test_hle_asks_the_questions_without_pictures() -> None:
    (task,) = resolve_tasks("hle")
    cached(
        task,
        [
            {"id": "a", "question": "Why?", "image": "", "answer": "42", "category": "Math",
             "answer_type": "exactMatch"},
            {"id": "b", "question": "What is seen?", "image": "image", "answer": "a cat",
             "category": "Other", "answer_type": "exactMatch"},
        ],
    )  # fmt: skip
    data = load_data(task)
    assert [q.id for q in data.questions] == ["a"]
    assert data.questions[0].meta["category"] == "Math"


@pytest.mark.parametrize(
    ("name", "row", "key"),
    [
        ("aime24", {"ID": "2024-I-1", "Problem": "P?", "Solution": "S", "Answer": 204}, "2024-I-1"),
        ("aime25", {"problem": "P?", "answer": "70", "id": "0"}, "0"),
        ("math500", {"problem": "P?", "answer": "\\frac{1}{2}", "unique_id": "test/a.json",
                     "subject": "Algebra", "level": 2, "solution": "S"}, "test/a.json"),
    ],
)  # fmt: skip
def test_maths_cards_read_rows_as_the_hub_has_them(
    name: str, row: dict[str, Any], key: str
) -> None:
    (task,) = resolve_tasks(name)
    cached(task, [row])
    data = load_data(task)
    assert data.questions[0].id == key and data.questions[0].input == "P?"
    assert data.golds[key].answers == (str(row.get("answer", row.get("Answer"))),)
    assert data.card.verifier == "math" and "S" not in str(data.questions[0].meta.values())


def test_physics_golds_carry_units_and_tolerances() -> None:
    (task,) = resolve_tasks("olympiad_physics")
    row = {"id": 1, "question": "How fast?", "context": "A ball falls.", "unit": "m/s",
           "is_multiple_answer": True, "final_answer": ["3.2", "4.1"], "error": "1e-1,2e-1",
           "answer_type": "Numerical", "subfield": "Mechanics"}  # fmt: skip
    cached(task, [row])
    data = load_data(task)
    assert data.questions[0].input == "Problem: A ball falls.\n\nHow fast?"
    assert "The unit is m/s" in data.questions[0].answer_format
    assert data.golds["1"].answers == ("3.2, 4.1",)
    assert data.golds["1"].params == {
        "answer_type": "Numerical", "multiple": True, "unit": "m/s", "tolerance": (0.1, 0.2),
    }  # fmt: skip
    assert any("holds 1 problems, not 236" in note for note in data.notes)


@pytest.mark.parametrize("error", ["lots", "-1", "nan"])
def test_a_tolerance_that_is_none_is_named(tmp_path: Path, error: str) -> None:
    (tmp_path / "olympiadbench").mkdir()
    row = {"id": 1, "question": "x", "final_answer": ["1"], "error": error}
    (tmp_path / "olympiadbench" / "OE_TO_maths_en_COMP.jsonl").write_text(json.dumps(row))
    with pytest.raises(DataError, match=r"COMP\.jsonl:1: error: "):
        load_data(load_task("olympiad"), data_dir=tmp_path)


# --- practice sets ---------------------------


def test_every_task_with_a_practice_set_loads_it_and_says_so() -> None:
    count = 0
    for name in ("olympiad", "bigbench", "bbh", "bbh_cot", "instruction_induction", "simpleqa",
                 "truthfulqa", "truthfulqa_mc1"):  # fmt: skip
        for task in resolve_tasks(name):
            data = load_data(task, practice=True, limit=5)
            assert data.practice and data.source == f"practice set {task.source.practice}"
            assert any(note.startswith("practice set: ") for note in data.notes)
            assert len(data.questions) == 5 and len(data.golds) == 5 and data.sha256
            assert "heartloop" in data.licence
            count += 1
    assert count == 1 + 21 + 27 + 27 + 24 + 3


def test_the_practice_set_is_never_taken_unasked(tmp_path: Path) -> None:
    task = card(tmp_path, practice="olympiad")
    with pytest.raises(DataError, match="--practice"):
        load_data(task)


def test_a_task_without_a_practice_set_says_so() -> None:
    with pytest.raises(DataError, match="gpqa_diamond: has no practice set"):
        load_data(load_task("gpqa_diamond"), practice=True)


def test_practice_instructions_are_those_of_their_rows() -> None:
    data = load_data(load_task("instruction_induction/rhymes"), practice=True)
    assert len({q.instruction for q in data.questions}) > 1
    assert all(q.instruction.startswith("Instruction: ") for q in data.questions)


def test_locate_reads_nothing_for_an_absent_task(tmp_path: Path) -> None:
    assert locate(card(tmp_path)) is None
