"""The journal on real files: what survives, what is dropped, who may write."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import orjson
import pytest

from heartloop.calls import Journal, call_key
from heartloop.errors import CallError, JournalError, NotInJournal
from heartloop.types import Address, Completion, Message, Request, Sampling, Usage


def request(question=0, messages=None, **changes):
    messages = messages or (Message("user", f"Question {question}?"),)
    address = Address("task", str(question), "server/mock", changes.pop("round", 0), 0, 5)
    return Request(address, messages, Sampling(temperature=0.7, max_tokens=64), **changes)


def completion(asked, text="The answer is 4.", **changes):
    return Completion(
        text,
        usage=Usage(10, 20, 5, 2),
        reasoning="hm",
        logprob=-0.25,
        logprob_tokens=20,
        key=call_key(asked),
        started=1.5,
        finished=2.5,
        attempts=2,
        endpoint="http://host/v1",
        cost=0.01,
        **changes,
    )


def test_an_answer_is_found_again_after_reopening(tmp_path):
    asked = request(arm="none", seed=9)
    said = completion(asked)
    with Journal.open(tmp_path) as journal:
        assert journal.get(said.key) is None
        journal.append(asked, said)
        assert journal.get(said.key) == replace(said, shared=True)
    with Journal.open(tmp_path) as journal:
        assert journal.get(said.key) == replace(said, shared=True)
        assert said.key in journal and len(journal) == 1
        assert journal.paid == (Usage(10, 20, 5, 2), 0.01)
        assert journal.messages_of(said.key) == asked.messages
        record = journal.record(said.key)
    assert record["arm"] == "none"
    assert record["address"] == {
        "task": "task",
        "question": "0",
        "model": "server/mock",
        "round": 0,
        "draw": 0,
        "seed": 5,
    }
    assert record["request"]["sampling"] == {"temperature": 0.7, "max_tokens": 64}
    assert record["request"]["seed"] == 9
    assert record["error"] is None


def test_the_record_is_in_the_file_before_append_returns(tmp_path):
    with Journal.open(tmp_path) as journal:
        journal.append(request(), completion(request()))
        assert orjson.loads((tmp_path / "calls.jsonl").read_bytes())["text"] == "The answer is 4."


def test_a_conversation_is_stored_by_what_it_adds(tmp_path):
    first = request()
    said = completion(first)
    keys = [said.key]
    messages = first.messages
    with Journal.open(tmp_path) as journal:
        journal.append(first, said)
        for round_ in range(1, 6):
            messages += (Message("assistant", said.text), Message("user", f"Sure? {round_}"))
            asked = request(messages=messages, round=round_, extends=said.key)
            said = completion(asked, f"It is {round_}.")
            journal.append(asked, said)
            keys.append(said.key)
    with Journal.open(tmp_path) as journal:
        assert journal.messages_of(keys[-1]) == messages
        stored = journal.record(keys[-1])["request"]
        assert stored["extends"] == keys[-2]
        assert [m["content"] for m in stored["messages"]] == ["Sure? 5"]
        # Extending a call of an earlier session works as well.
        messages += (Message("assistant", said.text), Message("user", "more"))
        asked = request(messages=messages, round=6, extends=keys[-1])
        journal.append(asked, completion(asked))
        assert journal.record(call_key(asked))["request"]["extends"] == keys[-1]
        assert journal.messages_of(call_key(asked)) == messages


@pytest.mark.parametrize(
    "history",
    [
        (Message("user", "Question 0?"), Message("assistant", "reworded"), Message("user", "x")),
        (Message("user", "Another?"), Message("assistant", "The answer is 4.")),
        (Message("user", "Question 0?"),),
        (Message("user", "Question 0?"), Message("user", "The answer is 4.")),
    ],
)
def test_a_history_that_was_changed_is_stored_in_full(tmp_path, history):
    first = request()
    said = completion(first)
    asked = request(messages=history, round=1, extends=said.key)
    with Journal.open(tmp_path) as journal:
        journal.append(first, said)
        journal.append(asked, completion(asked))
        assert "extends" not in journal.record(call_key(asked))["request"]
    with Journal.open(tmp_path) as journal:
        assert journal.messages_of(call_key(asked)) == history


def test_messages_of_an_unknown_call_say_so(tmp_path):
    with Journal.open(tmp_path) as journal, pytest.raises(NotInJournal):
        journal.messages_of("0" * 32)


@pytest.mark.parametrize("cut", [2, 30, 200])
def test_a_torn_last_line_is_dropped_and_reported(tmp_path, cut):
    with Journal.open(tmp_path) as journal:
        for number in range(3):
            journal.append(request(number), completion(request(number)))
    file = tmp_path / "calls.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-cut])
    with Journal.open(tmp_path, read_only=True) as journal:
        assert len(journal) == 2 and "torn" in journal.notes[0]
        assert len(list(journal.records())) == 2
    assert file.read_bytes() == whole[:-cut]
    with Journal.open(tmp_path) as journal:
        assert len(journal) == 2
        assert "torn last line" in journal.notes[0] and "line 3" in journal.notes[0]
        journal.append(request(2), completion(request(2)))
    with Journal.open(tmp_path) as journal:
        assert len(journal) == 3 and journal.notes == []
    assert file.read_bytes() == whole


def test_a_last_record_that_lost_its_newline_is_kept_and_gets_it_back(tmp_path):
    with Journal.open(tmp_path) as journal:
        for number in range(2):
            journal.append(request(number), completion(request(number)))
    file = tmp_path / "calls.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with Journal.open(tmp_path, read_only=True) as journal:
        assert len(journal) == 2 and journal.notes == []
    assert file.read_bytes() == whole[:-1]
    with Journal.open(tmp_path) as journal:
        assert len(journal) == 2 and journal.notes == []
    assert file.read_bytes() == whole


def test_blank_lines_and_a_byte_order_mark_are_no_damage(tmp_path):
    with Journal.open(tmp_path) as journal:
        for number in range(3):
            journal.append(request(number), completion(request(number)))
    file = tmp_path / "calls.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"\xef\xbb\xbf" + lines[0] + b"\n" + lines[1] + b"  \r\n" + lines[2])
    with Journal.open(tmp_path) as journal:
        assert len(journal) == 3 and journal.notes == []
        assert [r["address"]["question"] for r in journal.records()] == ["0", "1", "2"]
        assert journal.get(call_key(request(1))).text == completion(request(1)).text


ODD = {
    "usage": ({"prompt": "12", "completion": 1, "reasoning": 0, "cached": 0}, "usage.prompt"),
    "cost": ("x", "cost"),
    "text": (None, "text"),
    "started": ("noon", "started"),
    "error": ("boom", "error"),
    "attempts": (None, "attempts"),
    "address": ({"task": "t"}, "question is missing"),
}


@pytest.mark.parametrize("field", ODD)
def test_a_record_with_an_odd_field_is_damage_with_its_field(tmp_path, field):
    with Journal.open(tmp_path) as journal:
        for number in range(2):
            journal.append(request(number), completion(request(number)))
    file = tmp_path / "calls.jsonl"
    first, second = map(json.loads, file.read_text().splitlines())
    value, said = ODD[field]
    file.write_text(json.dumps({**first, field: value}) + "\n" + json.dumps(second) + "\n")
    with pytest.raises(JournalError, match=rf"calls\.jsonl:1: .*{said}.*heartloop repair"):
        Journal.open(tmp_path, read_only=True)


def test_fields_of_a_newer_version_are_left_out(tmp_path):
    with Journal.open(tmp_path) as journal:
        journal.append(request(), completion(request()))
    file = tmp_path / "calls.jsonl"
    record = json.loads(file.read_text())
    record["usage"]["audio"] = 3
    record["novel"] = [1]
    file.write_text(json.dumps(record) + "\n")
    with Journal.open(tmp_path) as journal:
        assert journal.get(call_key(request())).usage == completion(request()).usage


def test_calls_that_extend_one_another_end_in_one_line(tmp_path):
    with Journal.open(tmp_path) as journal:
        for number in range(2):
            journal.append(request(number), completion(request(number)))
    file = tmp_path / "calls.jsonl"
    first, second = map(json.loads, file.read_text().splitlines())
    first["request"]["extends"], second["request"]["extends"] = second["key"], first["key"]
    file.write_text(json.dumps(first) + "\n" + json.dumps(second) + "\n")
    with Journal.open(tmp_path) as journal, pytest.raises(JournalError, match="extends itself"):
        journal.messages_of(first["key"])


def test_a_linked_journal_is_not_written_through(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/calls.jsonl").symlink_to(victim)
    with pytest.raises(JournalError):
        Journal.open(tmp_path / "run")
    assert victim.read_text() == "precious"


def test_zeros_at_the_end_after_a_power_cut_are_dropped(tmp_path):
    with Journal.open(tmp_path) as journal:
        journal.append(request(), completion(request()))
    with open(tmp_path / "calls.jsonl", "ab") as file:
        file.write(b"\0" * 100)
    with Journal.open(tmp_path) as journal:
        assert len(journal) == 1 and journal.notes


def test_a_damaged_line_in_the_middle_is_named(tmp_path):
    with Journal.open(tmp_path) as journal:
        for number in range(3):
            journal.append(request(number), completion(request(number)))
    file = tmp_path / "calls.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1][: len(lines[1]) // 2] + b"\n"
    file.write_bytes(b"".join(lines))
    with pytest.raises(JournalError, match=r"calls\.jsonl:2: .*heartloop repair"):
        Journal.open(tmp_path)
    # The failed opening holds no lock, and changed nothing.
    assert file.read_bytes() == b"".join(lines)
    file.write_bytes(lines[0] + lines[2])
    with Journal.open(tmp_path) as journal:
        assert len(journal) == 2


def test_an_error_is_recorded_and_an_answer_replaces_it(tmp_path):
    asked = request()
    key = call_key(asked)
    with Journal.open(tmp_path) as journal:
        error = CallError("the server said no", kind="http_400")
        journal.append_error(asked, error, key=key, attempts=3, started=1.0, finished=2.0)
        assert journal.get(key) is None and journal.errors == 1
        assert journal.record(key)["error"] == {
            "class": "http_400",
            "message": "the server said no",
        }
        assert journal.error(key).kind == "http_400"
    with Journal.open(tmp_path) as journal:
        assert journal.errors == 1 and len(journal) == 0
        journal.append(asked, completion(asked))
        assert journal.errors == 0 and journal.error(key) is None
    with Journal.open(tmp_path) as journal:
        assert len(journal) == 1 and journal.errors == 0
        assert len(list(journal.records())) == 2


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path):
    with Journal.open(tmp_path):
        with pytest.raises(JournalError, match=f"process {os.getpid()}"):
            Journal.open(tmp_path)
        with Journal.open(tmp_path, read_only=True) as reader:
            with pytest.raises(JournalError):
                reader.append(request(), completion(request()))
    Journal.open(tmp_path).close()


def test_a_forked_worker_does_not_keep_the_lock(tmp_path):
    script = (
        "import os, sys, time\n"
        "from heartloop.calls import Journal\n"
        "journal = Journal.open(sys.argv[1])\n"
        "if os.fork() == 0:\n"
        "    time.sleep(30)\n"
        "print('ready', flush=True)\n"
        "time.sleep(30)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(JournalError):
            Journal.open(tmp_path)
        process.kill()
        process.wait()
        Journal.open(tmp_path).close()
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def test_a_read_only_folder_is_an_error_of_one_line(tmp_path):
    if os.geteuid() == 0:
        file = tmp_path / "file"
        file.write_text("")
        folder = file / "run"  # what root cannot write either
    else:
        folder = tmp_path
        folder.chmod(0o500)
    with pytest.raises(JournalError) as caught:
        Journal.open(folder)
    assert "\n" not in str(caught.value) and "--runs" in str(caught.value)


def test_a_full_disk_leaves_only_whole_records(tmp_path):
    script = (
        "import resource, sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from test_journal import completion, request\n"
        "from heartloop.calls import Journal\n"
        "from heartloop.errors import JournalError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))\n"
        "journal = Journal.open(sys.argv[1])\n"
        "count = 0\n"
        "try:\n"
        "    while True:\n"
        "        journal.append(request(count), completion(request(count)))\n"
        "        count += 1\n"
        "except JournalError as error:\n"
        "    print(count, error, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), os.path.dirname(__file__)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    count, _, message = done.stdout.partition(" ")
    assert int(count) > 3, done.stderr
    assert "make room, then: heartloop resume" in message
    content = (tmp_path / "calls.jsonl").read_bytes()
    assert content.endswith(b"\n")
    with Journal.open(tmp_path) as journal:
        assert len(journal) == int(count) and journal.notes == []


def test_kill_9_loses_nothing_that_was_appended(tmp_path):
    script = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "from test_journal import completion, request\n"
        "from heartloop.calls import Journal\n"
        "journal = Journal.open(sys.argv[1])\n"
        "for number in range(10**9):\n"
        "    journal.append(request(number), completion(request(number)))\n"
        "    print(number, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), os.path.dirname(__file__)],
        stdout=subprocess.PIPE,
    )
    for _ in range(200):
        last = int(process.stdout.readline())
    process.kill()
    last = max([last, *(int(line) for line in process.stdout.read().split())])
    process.wait()
    with Journal.open(tmp_path) as journal:
        assert len(journal) in (last + 1, last + 2)
        assert journal.get(call_key(request(last))) is not None


def test_records_become_durable_within_a_second_or_so(tmp_path, monkeypatch):
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(1), real(descriptor))[1])
    with Journal.open(tmp_path) as journal:
        journal.append(request(), completion(request()))
        deadline = time.monotonic() + 5
        while not synced and time.monotonic() < deadline:
            time.sleep(0.02)
        assert synced


def test_text_that_is_not_utf8_is_kept_as_far_as_it_can_be(tmp_path):
    asked = request(messages=(Message("user", "half \ud83d here"),))
    with Journal.open(tmp_path) as journal:
        journal.append(asked, completion(asked, "a \ud800 b\0c\u2028d"))
    with Journal.open(tmp_path) as journal:
        assert journal.get(call_key(asked)).text == "a ? b\0c\u2028d"


def test_long_lines_and_concatenated_shards_are_read(tmp_path):
    folders = [tmp_path / name for name in ("a", "b", "all")]
    for number, folder in enumerate(folders[:2]):
        folder.mkdir()
        with Journal.open(folder) as journal:
            asked = request(number)
            journal.append(asked, completion(asked, "x" * 2_000_000))
    folders[2].mkdir()
    merged = b"".join((folder / "calls.jsonl").read_bytes() for folder in folders[:2])
    (folders[2] / "calls.jsonl").write_bytes(merged)
    with Journal.open(folders[2]) as journal:
        assert len(journal) == 2
        assert len(journal.get(call_key(request(1))).text) == 2_000_000
