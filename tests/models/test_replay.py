"""Recorded outputs as a model: found by address, never invented."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from heartloop.errors import CallError, UsageError
from heartloop.models import ModelOptions, make_model
from heartloop.types import Address, Message, Request


def request(question, round_=0, draw=0):
    address = Address("task", str(question), "replay", round_, draw)
    return Request(address, (Message("user", "What is it?"),))


def replay(path, lines, fields=None):
    path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return make_model(f"replay/{path}", ModelOptions(replay_fields=fields or {}))


def test_a_recording_is_found_by_id_round_and_draw(tmp_path):
    lines = [
        {"id": 7, "text": "first"},
        {"id": "7", "round": 1, "text": "second", "finish_reason": "length"},
        {"id": 7, "draw": 1, "text": "other", "usage": {"prompt": 3, "completion": 4}},
    ]
    model = replay(tmp_path / "r.jsonl", lines)
    first, second, other = (
        asyncio.run(model.complete(request(7, *place))) for place in ((0, 0), (1, 0), (0, 1))
    )
    assert (first.text, second.text, other.text) == ("first", "second", "other")
    assert second.finish_reason == "length"
    assert first.estimated and first.usage.completion == 2
    assert other.usage.total == 7 and not other.estimated


def test_what_was_not_recorded_is_an_error(tmp_path):
    model = replay(tmp_path / "r.jsonl", [{"id": 7, "text": "first"}])
    for asked in (request(8), request(7, 1), request(7, 0, 1)):
        with pytest.raises(CallError, match="no recording") as caught:
            asyncio.run(model.complete(asked))
        assert caught.value.kind == "no_recording" and not caught.value.retryable


def test_rows_are_found_by_index(tmp_path):
    model = replay(tmp_path / "r.jsonl", [{"index": 3, "text": "x"}])
    model.rows = {"q-3": 3}
    assert asyncio.run(model.complete(request("q-3"))).text == "x"
    with pytest.raises(CallError):
        asyncio.run(model.complete(request("q-4")))


def test_the_recorded_olympiad_outputs_replay_under_their_own_names(shared_data):
    file = shared_data / "recorded_outputs" / "olympiadbench_qwen2_0.5b.jsonl"
    model = make_model(f"replay/{file}", ModelOptions(replay_fields={"text": "raw_output"}))
    records = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    for record in records[::50]:
        assert asyncio.run(model.complete(request(record["id"]))).text == record["raw_output"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{\n", ":1: not JSON"),
        (b'{"id": 1, "text": "a"}\n[]\n', ":2: not a JSON object"),
        (b'{"id": 1}\n', ":1: text: must be"),
        (b'{"text": "a"}\n', ":1: needs id"),
        (b'{"id": 1, "text": "a", "round": -1}\n', ":1: round: must be"),
        (b'{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n', ":2: question 1, .* twice"),
        (b"\n", "no recordings"),
    ],
)
def test_bad_files_name_line_and_field(tmp_path, content, complaint):
    file = tmp_path / "r.jsonl"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=complaint):
        make_model(f"replay/{file}")


def test_a_missing_file_and_an_unknown_field_are_refused(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        make_model(f"replay/{tmp_path}/none.jsonl")
    with pytest.raises(UsageError, match="'answer'"):
        make_model(f"replay/{tmp_path}/r.jsonl", ModelOptions(replay_fields={"answer": "x"}))


def test_thinking_in_a_recorded_text_is_no_part_of_the_answer(tmp_path):
    file = tmp_path / "r.jsonl"
    file.write_text(
        '{"id": "q", "text": "[THINK]\\\\boxed{1}?[/THINK]\\\\boxed{2}"}\n'
        '{"id": "r", "text": "<think>\\\\boxed{1}?", "finish_reason": "stop"}\n'
    )

    def said(question):
        model = make_model(f"replay/{file}")
        return asyncio.run(model.complete(
            Request(Address("t", question, model.name, 0, 0), (Message("user", "?"),))
        ))  # fmt: skip

    assert (said("q").text, said("q").reasoning) == ("\\boxed{2}", "\\boxed{1}?")
    assert (said("r").text, said("r").finish_reason) == ("", "length")


def test_recorded_finish_reasons_are_read_in_every_servers_words(tmp_path):
    file = tmp_path / "r.jsonl"
    words = {"a": "MAX_TOKENS", "b": "SAFETY", "c": "end_turn", "d": "abort"}
    file.write_text("".join(
        orjson.dumps({"id": name, "text": "x", "finish_reason": word}).decode() + "\n"
        for name, word in words.items()
    ))  # fmt: skip

    def finish(question):
        model = make_model(f"replay/{file}")
        asked = Request(Address("t", question, model.name, 0, 0), (Message("user", "?"),))
        return asyncio.run(model.complete(asked)).finish_reason

    assert [finish(name) for name in "abc"] == ["length", "content_filter", "stop"]
    with pytest.raises(CallError, match="aborted"):
        finish("d")
