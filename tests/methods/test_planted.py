"""Every method over loopback HTTP against planted chances, beside values computed by hand."""

from __future__ import annotations

import asyncio
import importlib.util
import itertools
import json
import sys
from pathlib import Path

import pytest

from heartloop.calls import Client, Journal, Limits
from heartloop.methods import METHODS, select
from heartloop.models import make_model
from heartloop.types import Arm

ROOT = Path(__file__).resolve().parents[2]
COUNT = 80


def load():
    spec = importlib.util.spec_from_file_location("planted", ROOT / "benchmarks" / "planted.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["planted"] = module
    spec.loader.exec_module(module)
    return module


planted = load()


@pytest.fixture
def server(shared, tmp_path):
    """``server(chances, *options)`` starts a planted server and returns its URL."""
    processes = []

    def start(chances, *options):
        folder = tmp_path / f"server{len(processes)}"
        folder.mkdir()
        script = shared / "bench" / "mock_openai.py"
        process, url = planted.serve(script, folder, COUNT, chances, *options)
        processes.append(process)
        return url

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(timeout=10)


@pytest.mark.parametrize("part", ["single", "heart", "controls", "resample"])
def test_measured_values_lie_in_the_interval_of_those_computed_by_hand(server, tmp_path, part):
    chances = planted.Chances()
    # About a hundred comparisons: all of them lie inside with probability 0.99.
    table = planted.Table(quiet=True, level=0.9999)

    async def work(client):
        await planted.compare_all(client, COUNT, chances, table, methods=lambda name: name == part)

    url = server(chances)
    asyncio.run(planted.with_client(tmp_path, url, work))
    assert len(table.rows) >= 2
    assert table.outside == []
    assert planted.stats(url)["repeated_bodies"] == 0


def test_a_wrong_value_would_be_noticed(server, tmp_path):
    """The comparison can fail: against other chances than those planted it does."""
    table = planted.Table(quiet=True)
    told = planted.Chances(gain=0.45)

    async def work(client):
        wanted = lambda name: name == "controls"  # noqa: E731
        await planted.compare_all(client, COUNT, told, table, methods=wanted)

    asyncio.run(planted.with_client(tmp_path, server(planted.Chances()), work))
    assert len(table.outside) > 5


def test_equal_tokens_are_reached_from_a_token_only_pilot(server, tmp_path):
    hopeless = planted.Chances(ability=0.0, gain=0.0, cue_gain=0.0)
    url = server(hopeless, "--tokens", "400")
    found = asyncio.run(
        planted.with_client(tmp_path, url, lambda client: planted.equal_tokens(client, COUNT))
    )
    assert found["token_ratio"] == pytest.approx(1, abs=0.02)
    assert found["heart_solved"] == found["resample_solved"] == 0


def test_the_majority_by_hand_agrees_with_enumeration():
    ability, draws = 0.4, 4
    total = 0.0
    for votes in itertools.product(range(10), repeat=draws):
        chance = 1.0
        for vote in votes:
            chance *= ability if vote == 0 else (1 - ability) / 9
        best = max(votes.count(v) for v in set(votes))
        leaders = [v for v in set(votes) if votes.count(v) == best]
        total += chance * (0 in leaders) / len(leaders)
    assert planted.majority_of_draws(ability, draws) == pytest.approx(total, abs=1e-12)
    assert planted.adaptive_by_hand(ability, draws, 0.9999)[0] == pytest.approx(total, abs=1e-12)


def test_recorded_draws_drive_resample_and_every_selector_offline(tmp_path):
    file = tmp_path / "recorded.jsonl"
    values = [0, 0, 3, 3, 3]
    lines = [
        {
            "id": f"q{n}",
            "round": 0,
            "draw": d,
            "text": f"So \\boxed{{{planted.gold(n + values[d])}}}",
        }
        for n in range(3)
        for d in range(5)
    ]
    file.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    folder = tmp_path / "run"
    folder.mkdir()

    async def story():
        name = f"replay/{file}"
        client = Client({planted.MODEL: make_model(name)}, Journal.open(folder), limits=Limits(8))
        found = {}
        try:
            for question in planted.questions(3):
                ask = planted.ServerAsk(client, question)
                arm = Arm("resample", "resample", params={"draws": 5})
                trace = await METHODS["resample"](question, arm, ask)
                for name in ("first", "last", "majority", "weighted", "confidence", "adaptive"):
                    picked = await select(name, trace, question, arm, ask)
                    found.setdefault(name, []).append(picked.selected)
                six = Arm("resample", "resample", params={"draws": 6})
                assert (await METHODS["resample"](question, six, ask)).attempts[5].error
        finally:
            await client.close()
            client.journal.close()
        return found

    found = asyncio.run(story())
    assert found["majority"] == found["weighted"] == found["adaptive"] == [2, 2, 2]
    assert found["first"] == found["confidence"] == [0, 0, 0]
    assert found["last"] == [4, 4, 4]


def test_what_a_loop_asks_is_shared_as_far_as_it_can_be(server, tmp_path):
    url = server(planted.Chances(), "--track-prefix")
    heart = Arm("heart", "heart", cues=planted.cues(), params={"rounds": 3})
    asked = []

    async def work(client):
        original = client.ask

        async def watch(request):
            answer = await original(request)
            asked.append([(m.role, m.content) for m in request.messages])
            return answer

        client.ask = watch
        await planted.ask_all(client, heart, planted.questions(COUNT), oracle=False)

    asyncio.run(planted.with_client(tmp_path, url, work))
    seen = planted.stats(url)
    best = planted.best_prefix_share(asked)
    assert seen["prefix_chars"] / seen["prompt_chars"] == pytest.approx(best, abs=1e-9)
    assert best > 0.5


@pytest.mark.parametrize("schedule", ["alternate", "bandit"])
def test_a_run_cut_off_in_the_middle_goes_on_to_the_same_traces(server, tmp_path, schedule):
    """Through the real journal: what was answered is not asked again, and nothing changes."""
    url = server(planted.Chances(), "--latency", "5")
    arm = Arm("heart", "heart", cues=planted.cues(), params={"schedule": schedule, "lag": 8})
    asked = planted.questions(30)

    def run(folder, dies_after=None):
        folder.mkdir(exist_ok=True)

        async def work(client):
            going = asyncio.ensure_future(
                planted.ask_all(client, arm, asked, oracle=True, open_at_once=16)
            )
            original, answered = client.ask, itertools.count(1)

            async def counted(request):
                answer = await original(request)
                if next(answered) == dies_after:
                    going.cancel()
                return answer

            client.ask = counted
            return await going

        return asyncio.run(planted.with_client(folder, url, work))

    whole = run(tmp_path / "whole")
    made = planted.stats(url)["ok"]
    cut = tmp_path / "cut"
    for calls in (20, 50):
        with pytest.raises(asyncio.CancelledError):
            run(cut, calls)
    resumed = run(cut)
    again = planted.stats(url)["ok"] - made
    assert made <= again <= made + 2 * 16

    def plain(traces):
        return [
            [(a.round, a.draw, a.cue, a.checked, a.completion.text) for a in t.attempts]
            for t in traces
        ]

    assert plain(resumed) == plain(whole)
    assert [t.usage for t in resumed] == [t.usage for t in whole]
    assert [t.notes for t in resumed] == [t.notes for t in whole]
