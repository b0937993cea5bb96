"""Fixtures shared by all tests: the data folder beside the checkout and the mock server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def own_config(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Tests keep the user's own configuration, key included, out of their way."""
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with benchmark data and the mock server; without it tests skip loudly."""
    folder = Path(os.environ.get("HEARTLOOP_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        message = f"{folder} is absent: tests on real data are skipped (set HEARTLOOP_SHARED)"
        warnings.warn(message, stacklevel=1)
        pytest.skip(message)
    return folder


@pytest.fixture(scope="session")
def shared_data(shared: Path) -> Path:
    """The benchmark data folder, laid out as ``--data`` expects it."""
    return shared / "data"


@pytest.fixture
def mock_server(shared: Path) -> Iterator[Callable[..., str]]:
    """Starts mock servers, ``mock_server("--ability", "0.5") -> base_url``; all are stopped."""
    processes: list[subprocess.Popen[str]] = []

    def start(*options: str) -> str:
        process = subprocess.Popen(
            [sys.executable, str(shared / "bench" / "mock_openai.py"), "--port", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline().split()
        assert line and line[0] == "listening", f"mock server did not start: {line}"
        return f"http://127.0.0.1:{line[1]}/v1"

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(timeout=10)


class Loopback:
    """A server of one's own: ``reply(body)`` gives a text, or a status and a body (bytes, or JSON).

    Attributes:
        url: its base URL.
        asked: (path, authorization header or None, body) of every POST, in order.
        listed: what ``/models`` names; every GET stands in ``looked`` as (path, authorization).
    """

    def __init__(self, reply: Callable[[dict[str, Any]], Any], listed: Any = ()) -> None:
        loopback = self
        self.reply, self.listed = reply, listed
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []
        self.looked: list[tuple[str, str | None]] = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                loopback.looked.append((self.path, self.headers.get("Authorization")))
                data = [{"id": x} if isinstance(x, str) else x for x in loopback.listed]
                self.say(200, {"data": data})

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                loopback.asked.append((self.path, self.headers.get("Authorization"), body))
                said = loopback.reply(body)
                if isinstance(said, str):
                    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
                    choice = {"index": 0, "finish_reason": "stop"}
                    choice["message"] = {"role": "assistant", "content": said}
                    said = (200, {"model": body.get("model"), "choices": [choice], "usage": usage})
                self.say(*said)

            def say(self, status: int, body: Any) -> None:
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Silence."""

        class Server(ThreadingHTTPServer):
            # The library's 5 is too few for a client that opens hundreds at once: the kernel then
            # drops the end of a handshake, and such a connection is heard minutes later or never.
            request_queue_size = 1024

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._thread.join(timeout=5)
        self._server.server_close()


@pytest.fixture
def loopback() -> Iterator[Callable[..., Loopback]]:
    """Makes loopback servers, ``loopback(lambda body: "text")``; all are stopped."""
    servers: list[Loopback] = []

    def start(reply: Callable[[dict[str, Any]], Any], listed: Any = ()) -> Loopback:
        servers.append(Loopback(reply, listed))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def heartloop() -> Callable[..., None]:
    """Runs a command in this process, ``heartloop("dose", "RUN", code=2)``, and checks its end."""
    from heartloop.cli import main

    def run(*arguments: str, code: int = 0) -> None:
        with pytest.raises(SystemExit) as stop:
            main(list(arguments))
            raise SystemExit(0)
        assert (stop.value.code or 0) == code

    return run
