"""Several servers behind one model: balance, ejection, return, and a death in the middle."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.request

from heartloop.calls import Client, Journal, Limits, Retry
from heartloop.models import ModelOptions, make_model
from heartloop.models.servers import Server, ServerPool
from heartloop.types import Address, Message, Request, Sampling


def pool(count, per_server=None):
    return ServerPool([Server(f"http://host{i}/v1") for i in range(count)], per_server)


def test_the_server_with_least_in_flight_is_next():
    servers = pool(3)
    picked = [servers.pick() for _ in range(9)]
    assert [server.in_flight for server in servers.servers] == [3, 3, 3]
    servers.done(picked[0], well=True)
    assert servers.pick() is picked[0]


def test_a_server_never_gets_more_than_its_share():
    servers = pool(2, per_server=2)
    assert [servers.pick() is None for _ in range(5)] == [False] * 4 + [True]


def fail(servers, server, times=3):
    for _ in range(times):
        server.in_flight += 1
        out = servers.done(server, well=False)
    return out


def test_a_failing_server_is_out_until_it_is_restored_on_probation():
    servers = pool(2)
    sick, well = servers.servers
    assert fail(servers, sick)
    assert servers.healthy() == 1
    assert all(servers.pick() is well for _ in range(10))
    servers.restore(sick)
    assert servers.healthy() == 2 and servers.pick() is sick
    assert servers.done(sick, well=False)  # one failure on probation is enough
    servers.restore(sick)
    servers.done(servers.pick(), well=True)
    assert not fail(servers, sick, 2)


def test_a_cancelled_request_says_nothing_of_its_server():
    servers = pool(2)
    sick = servers.servers[0]
    assert not fail(servers, sick, 2)
    sick.in_flight += 1
    assert not servers.done(sick, well=None)
    assert fail(servers, sick, 1)


def test_with_everybody_out_somebody_is_still_asked():
    servers = pool(2)
    for server in servers.servers:
        fail(servers, server)
    assert servers.healthy() == 0
    assert {servers.pick().url for _ in range(2)} == {server.url for server in servers.servers}


def test_a_single_server_is_never_out():
    servers = pool(1)
    for _ in range(10):
        servers.done(servers.pick(), well=False)
    assert servers.healthy() == 1 and servers.pick() is servers.servers[0]


def ask_all(urls, folder, count, in_the_middle=None, wait_at=None, **options):
    """Ask many questions through a client; returns answers, errors and stats.

    At question `wait_at` it waits until all servers are well.
    """

    async def main():
        model = make_model("server/mock", ModelOptions(base_urls=tuple(urls), **options))
        with Journal.open(folder) as journal:
            client = Client(
                {"server/mock": model},
                journal,
                limits=Limits(concurrency=32),
                retry=Retry(first=0.05, longest=0.5),
            )

            async def ask(number):
                if number == count // 3 and in_the_middle:
                    in_the_middle()
                asked = Request(
                    Address("task", str(number), "server/mock", 0, 0),
                    (Message("user", f"Question {number}: what is it?"),),
                    Sampling(max_tokens=64),
                )
                return await client.ask(asked)

            tasks = []
            for number in range(count):
                await client.hungry()
                tasks.append(asyncio.create_task(ask(number)))
                if number == wait_at:  # however long the server takes to start, or the machine
                    while client.stats().lanes["server/mock"].servers_well < len(urls):
                        await asyncio.sleep(0.05)
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            facts, stats = client.facts(), client.stats()
            await client.close()
            return ended, facts, stats

    return asyncio.run(main())


def stats_of(url):
    with urllib.request.urlopen(url.removesuffix("/v1") + "/stats") as reply:
        return json.load(reply)


def test_requests_spread_evenly(mock_server, tmp_path):
    urls = [mock_server("--latency", "20") for _ in range(4)]
    ask_all(urls, tmp_path, 400)
    seen = [stats_of(url) for url in urls]
    assert sum(one["ok"] for one in seen) == 400
    # 32 at once are 8 for each, whichever of them a busy machine slows down.
    assert max(one["peak_in_flight"] for one in seen) <= 12


def test_one_of_four_servers_dies_in_the_middle_and_no_question_is_lost(
    mock_server, tmp_path, shared
):
    urls = [mock_server("--latency", "20") for _ in range(4)]
    # The victim is started here, to have its process at hand.
    script = shared / "bench" / "mock_openai.py"
    victim = subprocess.Popen(
        [sys.executable, str(script), "--port", "0", "--latency", "20"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        urls[1] = f"http://127.0.0.1:{victim.stdout.readline().split()[1]}/v1"
        started = time.monotonic()
        ended, facts, stats = ask_all(urls, tmp_path, 600, in_the_middle=victim.kill)
    finally:
        victim.kill()
        victim.wait()
        victim.stdout.close()
    assert not [end for end in ended if isinstance(end, Exception)]
    assert time.monotonic() - started < 20
    assert stats.lanes["server/mock"].servers_well == 3
    servers = facts["models"]["server/mock"]["servers"]
    answered = {server["url"]: server["answered"] for server in servers}
    assert sum(answered.values()) == 600
    assert 0 < answered[urls[1]] < 150 < min(answered[url] for url in urls if url != urls[1])


def test_a_server_that_comes_back_is_used_again(mock_server, tmp_path, shared):
    script = shared / "bench" / "mock_openai.py"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    late = []

    def start():
        command = [sys.executable, str(script), "--port", str(port), "--latency", "20"]
        late.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    urls = [mock_server("--latency", "20"), f"http://127.0.0.1:{port}/v1"]
    try:
        ended, _, stats = ask_all(urls, tmp_path, 600, in_the_middle=start, wait_at=400)
        back = stats_of(urls[1])["ok"]
    finally:
        for process in late:
            process.terminate()
            process.wait()
    assert not [end for end in ended if isinstance(end, Exception)]
    assert stats.lanes["server/mock"].servers_well == 2 and back > 50


def test_per_server_limits_hold_on_the_wire(mock_server, tmp_path):
    urls = [mock_server("--latency", "20") for _ in range(2)]
    ended, _, stats = ask_all(urls, tmp_path, 60, per_server=3)
    assert len(ended) == 60 and stats.limit == 6
    assert [stats_of(url)["peak_in_flight"] for url in urls] == [3, 3]
