"""CPU that ``heartloop serve`` takes a request, passed through: its process's own clock.

    python benchmarks/serve_overhead.py [--requests 4000] [--clients 64] [--name mock+EP02]

The upstream answers at once from a process of its own; the clients ask from a third. What counts is
user and system time of the server's process over all requests, warm (a first lot is not counted),
so that neither the upstream nor the clients nor the load of the machine stand in the figure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
REPLY = {
    "id": "x", "object": "chat.completion", "created": 0, "model": "mock",
    "choices": [{
        "index": 0, "finish_reason": "stop",
        "message": {"role": "assistant", "content": "The answer is 12. " * 10},
    }],
    "usage": {"prompt_tokens": 40, "completion_tokens": 50, "total_tokens": 90},
}  # fmt: skip


async def upstream() -> None:
    """An OpenAI-shaped server that says the same to everybody."""
    from aiohttp import web

    body = json.dumps(REPLY).encode()

    async def chat(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def ask(url: str, name: str, requests: int, clients: int) -> None:
    """Send requests, so many at once; every answer is looked at."""
    import aiohttp

    left = iter(range(requests))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def client() -> None:
            for number in left:
                messages = [{"role": "user", "content": f"What is {number} + 5? Think of it well."}]
                body = {"model": name, "messages": messages, "temperature": 0.7, "max_tokens": 64}
                async with session.post(f"{url}/chat/completions", json=body) as response:
                    said = await response.json()
                    assert response.status == 200, said
                    assert said["choices"][0]["message"]["content"], said

        await asyncio.gather(*(client() for _ in range(clients)))


def cpu(pid: int) -> float:
    """User and system seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--name", default="mock")
    parser.add_argument("--role", choices=["upstream"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        asyncio.run(upstream())
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    behind = subprocess.Popen(
        [sys.executable, __file__, "--role", "upstream"], stdout=subprocess.PIPE, text=True
    )
    port = behind.stdout.readline().strip()
    server = subprocess.Popen(
        [sys.executable, "-m", "heartloop", "serve", "--json", "--port", "0", "--model",
         "server/mock", "--base-url", f"http://127.0.0.1:{port}/v1"],
        stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    try:
        url = json.loads(server.stdout.readline())["url"]
        asyncio.run(ask(url, options.name, 500, options.clients))
        before, began = cpu(server.pid), time.perf_counter()
        asyncio.run(ask(url, options.name, options.requests, options.clients))
        used, wall = cpu(server.pid) - before, time.perf_counter() - began
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        behind.terminate()
        behind.wait(30)
    each = 1000 * used / options.requests
    print(
        f"{options.name}: {options.requests:,} requests, {options.clients} at once: "
        f"{each:.3f} ms CPU a request in the server's process, {options.requests / wall:,.0f}/s "
        f"(load {os.getloadavg()[0]:.1f})"
    )


if __name__ == "__main__":
    main()
