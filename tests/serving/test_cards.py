"""Several local models on the cards of one machine: who sits where, who waits, who goes next."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
import textwrap
from pathlib import Path

import pytest

from heartloop.errors import UsageError
from heartloop.run.arms import build_arms
from heartloop.run.execute import execute, prepare, resume
from heartloop.run.folder import RunFolder
from heartloop.run.plan import Plan
from heartloop.serving.cards import USABLE, Card, Cards, Need, Place, size_of, visible_cards, waves

EIGHTY = [Card(str(i), 80.0) for i in range(4)]
"""Four cards of 80 GiB, 72 of them for servers."""


def seats(places: list[Place]) -> list[tuple[str, int, tuple[tuple[str, ...], ...]]]:
    return [(p.model, p.wave, p.groups) for p in places]


def test_small_models_share_one_card_by_memory_and_divide_what_is_left() -> None:
    places = waves([Need("a", 6.0), Need("b", 12.0)], EIGHTY[:1])
    assert seats(places) == [("a", 0, (("0",),)), ("b", 0, (("0",),))]
    assert [round(p.gib, 1) for p in places] == [24.0, 48.0]  # in proportion, 72 in all
    assert sum(p.share for p in places) == pytest.approx(USABLE)


def test_what_does_not_fit_beside_the_others_is_the_next_wave() -> None:
    places = waves([Need("a", 40.0), Need("b", 40.0), Need("c", 30.0)], EIGHTY[:1])
    assert [(p.model, p.wave) for p in places] == [("a", 0), ("b", 1), ("c", 1)]


def test_a_big_model_spans_as_few_cards_as_hold_it_and_the_rest_goes_to_further_servers() -> None:
    places = waves([Need("big", 130.0), Need("small", 10.0)], EIGHTY)
    assert seats(places) == [("big", 0, (("0", "1"),)), ("small", 0, (("2",), ("3",)))]
    assert seats(waves([Need("big", 130.0)], EIGHTY)) == [("big", 0, (("0", "1"), ("2", "3")))]
    assert waves([Need("big", 250.0)], EIGHTY)[0].groups == (("0", "1", "2", "3"),)
    assert waves([Need("a", 5.0)], EIGHTY, span=2)[0].groups == (("0", "1"), ("2", "3"))
    with pytest.raises(UsageError, match=r"300\.0 GiB and does not fit on 4 cards of 80\.0 GiB"):
        waves([Need("a", 5.0), Need("huge", 300.0)], EIGHTY)


def test_a_model_of_unknown_size_and_a_card_of_unknown_memory_are_shared_by_nobody() -> None:
    assert [p.wave for p in waves([Need("a", None), Need("b", 5.0)], EIGHTY[:1])] == [0, 1]
    blind = [Card("0", None), Card("1", None)]
    places = waves([Need("a", 5.0), Need("b", 5.0), Need("c", 5.0)], blind)
    assert seats(places) == [("a", 0, (("0",),)), ("b", 0, (("1",),)), ("c", 1, (("0",), ("1",)))]


def test_a_judge_keeps_its_card_through_every_wave() -> None:
    places = waves([Need("a", 50.0), Need("b", 50.0), Need("j", 20.0, stays=True)], EIGHTY[:1])
    assert [(p.model, p.wave, p.stays) for p in places] == [
        ("j", 0, True), ("a", 0, False), ("b", 1, False),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="beside j"):
        waves([Need("a", 60.0), Need("j", 20.0, stays=True)], EIGHTY[:1])


@pytest.mark.parametrize("cards", [1, 2, 3, 4])
def test_no_card_is_ever_overfilled_and_every_model_has_a_place(cards: int) -> None:
    sizes = (3, 70, 9, 33, 33, 33, 5, 60, 2)
    needs = [Need(f"m{i}", float(gib)) for i, gib in enumerate(sizes)]
    places = waves(needs, EIGHTY[:cards])
    assert sorted(p.model for p in places) == sorted(n.model for n in needs)
    wants = {n.model: n.gib or 0 for n in needs}
    for wave in {p.wave for p in places}:
        for card in EIGHTY[:cards]:
            taken = sum(
                p.gib * sum(card.id in group for group in p.groups)
                for p in places
                if p.wave == wave
            )
            assert taken <= 72 + 1e-6
    assert all(p.gib * len(p.groups[0]) >= wants[p.model] - 1e-6 for p in places)


def test_the_next_wave_loads_as_soon_as_its_own_card_is_free_and_nobody_overtakes() -> None:
    one, two = (Place(n, 0, ((c,),), 72.0, 0.9) for n, c in (("a", "0"), ("b", "1")))
    both = Place("both", 1, (("0", "1"),), 72.0, 0.9)
    last = Place("last", 2, (("0",),), 72.0, 0.9)

    async def scenario() -> list[str]:
        book, order = Cards(EIGHTY[:2]), list[str]()

        async def run(place: Place) -> None:
            await book.take(place)
            order.append(place.model)

        tasks = [asyncio.create_task(run(p)) for p in (one, two, last, both)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert order == ["a", "b"]
        book.leave(one)  # card 0 is free, but kept for `both`, which came after `last` asked
        await asyncio.sleep(0)
        assert order == ["a", "b"]
        book.leave(two)
        await asyncio.sleep(0)
        assert order == ["a", "b", "both"]
        book.leave(both)
        await asyncio.gather(*tasks)
        return order

    assert asyncio.run(scenario()) == ["a", "b", "both", "last"]


def test_who_gives_up_waiting_holds_nobody_up() -> None:
    first, second, third = (Place(n, 0, (("0",),), 50.0, 0.6) for n in "abc")

    async def scenario() -> None:
        book = Cards(EIGHTY[:1])
        await book.take(first)
        waiting = asyncio.create_task(book.take(second))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        book.leave(first)
        await asyncio.wait_for(book.take(third), 1)

    asyncio.run(scenario())


def test_the_cards_are_those_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "nvidia-smi"
    script.write_text("#!/bin/sh\necho '0, GPU-aa, 81920'\necho '1, GPU-bb, 40960'\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_cards() == [Card("0", 80.0), Card("1", 40.0)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-bb,7")
    assert visible_cards() == [Card("GPU-bb", 40.0), Card("7", None)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert [card.id for card in visible_cards()] == ["cpu"]


def test_the_size_of_a_model_is_that_of_its_weights_in_one_format(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"0" * (1 << 20))
    (tmp_path / "pytorch_model.bin").write_bytes(b"0" * (1 << 20))
    assert size_of(str(tmp_path)) == pytest.approx(1 / 1024)
    assert size_of("nobody/has-this-model") is None


STAND_IN = """\
    #!{python}
    # Stands in for vLLM: answers every chat with its model's name; writes down when it is there.
    import http.server, json, os, sys, time
    port = int(sys.argv[sys.argv.index("--port") + 1])
    model = os.path.basename(sys.argv[sys.argv.index("--model") + 1])
    def note(what):
        with open({log!r}, "a") as f: f.write(json.dumps([what, model, sys.argv[1:]]) + "\\n")
    import signal
    def end(*_):
        note("end"); os._exit(0)
    signal.signal(signal.SIGTERM, end)
    time.sleep(0.2)
    note("start")
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def say(self, body):
            data = json.dumps(body).encode()
            self.send_response(200); self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data))); self.end_headers()
            self.wfile.write(data)
        def do_GET(self): self.say({{"data": [{{"id": model}}]}})
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            choice = {{"index": 0, "finish_reason": "stop",
                      "message": {{"role": "assistant", "content": model}}}}
            self.say({{"model": model, "choices": [choice],
                      "usage": {{"prompt_tokens": 5, "completion_tokens": 1}}}})
        def log_message(self, *a): pass
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Servers that stand in for vLLM, two cards of 80 GiB, three models of 43 GiB."""
    log = tmp_path / "servers.jsonl"
    script = tmp_path / "stand_in_python"
    script.write_text(textwrap.dedent(STAND_IN).format(python=sys.executable, log=str(log)))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("HEARTLOOP_VLLM_PYTHON", str(script))
    smi = tmp_path / "bin" / "nvidia-smi"
    smi.parent.mkdir()
    smi.write_text("#!/bin/sh\necho '0, GPU-aa, 81920'\necho '1, GPU-bb, 81920'\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{smi.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("yes", "no", "maybe"):
        weights = tmp_path / name / "model.safetensors"
        weights.parent.mkdir()
        with weights.open("wb") as file:
            file.truncate(43 << 30)  # sparse: no byte of it is on the disk
    (tmp_path / "t.csv").write_text("question,answer\n" + "".join(f"q{i},yes\n" for i in range(5)))
    return log


def plan_of_three() -> Plan:
    models = tuple(f"vllm/{name}" for name in ("yes", "no", "maybe"))
    return Plan(("t.csv",), models, build_arms("single", controls="none"))


def test_three_models_on_two_cards_are_one_run_and_the_third_loads_when_a_card_is_free(
    stand_in: Path, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "r")
    folder.path.mkdir()
    summary = asyncio.run(execute(prepare(plan_of_three()), folder, signals=False))
    right = {row["model"]: (row["n"], row["accuracy"], row["error"]) for row in summary["arms"]}
    assert right == {"vllm/yes": (5, 1.0, 0), "vllm/no": (5, 0.0, 0), "vllm/maybe": (5, 0.0, 0)}
    seen = [json.loads(line) for line in stand_in.read_text().splitlines()]
    told = [(what, model) for what, model, _ in seen]
    assert sorted(told[:2]) == [("start", "no"), ("start", "yes")]
    third = told.index(("start", "maybe"))
    assert any(what == "end" for what, _ in told[:third])
    for what, _, arguments in seen:
        if what == "start":
            assert "--gpu-memory-utilization=0.900" in arguments
    assert told.count(("start", "maybe")) == 2  # it has both cards to itself


def test_a_run_over_waves_is_gone_on_with_and_starts_no_model_that_is_done(
    stand_in: Path, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "r")
    folder.path.mkdir()
    asyncio.run(execute(prepare(plan_of_three()), folder, signals=False))
    journal = folder.path / "calls.jsonl"
    kept = [x for x in journal.read_text().splitlines() if '"vllm/maybe"' not in x]
    journal.write_text("".join(f"{line}\n" for line in kept))
    (folder.path / "verdicts.jsonl").unlink()
    stand_in.unlink()
    summary = asyncio.run(resume(folder))
    assert sum(row["n"] for row in summary["arms"]) == 15
    started = {json.loads(line)[1] for line in stand_in.read_text().splitlines()}
    assert started == {"maybe"}


def test_the_pilot_of_resample_goes_through_the_waves_by_itself(
    stand_in: Path, tmp_path: Path
) -> None:
    models = tuple(f"vllm/{name}" for name in ("yes", "no", "maybe"))
    arms = build_arms("heart", params={"rounds": 1})
    folder = RunFolder(tmp_path / "r")
    folder.path.mkdir()
    plan = Plan(("t.csv",), models, arms, mode="oracle")
    summary = asyncio.run(execute(prepare(plan), folder, signals=False))
    assert {row["n"] for row in summary["arms"]} == {5}
    assert set(folder.manifest["pilot"]["tokens"]) == set(models)
    started = [json.loads(line)[1] for line in stand_in.read_text().splitlines() if "start" in line]
    assert started.count("yes") == 1  # its first answers are right: the pilot asked all there is
    assert started.count("no") == 2
