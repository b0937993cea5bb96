"""A loopback server with the batch endpoints of OpenAI and Anthropic, as documented."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class BatchServer:
    """Keeps batches until they are ``looks`` looks old, then answers with ``reply(body)``.

    Attributes:
        url: its base URL.
        batches: id -> its requests (custom id, body), in order of making.
        headers: of every request.
        looks: how often a batch is looked at before it is over.
        expire: custom ids that no batch comes to.
    """

    def __init__(self, reply: Callable[[dict[str, Any]], Any], looks: int = 1) -> None:
        self.reply, self.looks = reply, looks
        self.batches: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self.files: dict[str, bytes] = {}
        self.seen: dict[str, int] = {}
        self.headers: list[dict[str, str]] = []
        self.expire: set[str] = set()
        self.failed: str | None = None
        me = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                me.headers.append(dict(self.headers))
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Transfer-Encoding") == "chunked":
                    raw = me._chunks(self.rfile)
                path = self.path.removeprefix("/v1")
                if path == "/files":
                    lines = [x for x in raw.splitlines() if x.startswith(b'{"custom_id"')]
                    assert b'name="purpose"' in raw and b"\r\n\r\nbatch\r\n" in raw
                    id = f"file-{len(me.files)}"
                    me.files[id] = b"\n".join(lines)
                    self.say({"id": id, "object": "file", "purpose": "batch"})
                elif path == "/batches":
                    asked = json.loads(raw)
                    assert asked["completion_window"] == "24h"
                    assert asked["endpoint"] == "/v1/chat/completions"
                    rows = [json.loads(x) for x in me.files[asked["input_file_id"]].splitlines()]
                    assert all(
                        r["method"] == "POST" and r["url"] == asked["endpoint"] for r in rows
                    )
                    self.say(me._made([(r["custom_id"], r["body"]) for r in rows], "status"))
                elif path == "/messages/batches":
                    assert self.headers["anthropic-version"] == "2023-06-01"
                    rows = json.loads(raw)["requests"]
                    made = [(r["custom_id"], r["params"]) for r in rows]
                    assert all("max_tokens" in body for _, body in made)
                    self.say(me._made(made, "processing_status"))
                else:
                    self.say({"error": {"message": f"no {path}"}}, 404)

            def do_GET(self) -> None:
                path = self.path.removeprefix("/v1").strip("/").split("/")
                if path[0] == "batches":
                    self.say(me._openai(path[1]))
                elif path[0] == "files":
                    self.lines(me.files[path[1]])
                elif path[:2] == ["messages", "batches"] and len(path) == 3:
                    over = me._over(path[2])
                    status = "ended" if over else "in_progress"
                    self.say({"id": path[2], "processing_status": status})
                elif path[:2] == ["messages", "batches"]:
                    self.lines(me._anthropic(path[2]))
                else:
                    self.say({"error": {"message": "nothing here"}}, 404)

            def say(self, body: Any, status: int = 200) -> None:
                self.lines(json.dumps(body).encode(), status)

            def lines(self, content: bytes, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                """Silence."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        """Stop it."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The bodies of all batches."""
        return [body for rows in self.batches.values() for _, body in rows]

    @staticmethod
    def _chunks(file: Any) -> bytes:
        found = b""
        while size := int(file.readline(), 16):
            found += file.read(size)
            file.readline()
        file.readline()
        return found

    def _made(self, rows: list[tuple[str, dict[str, Any]]], field: str) -> dict[str, Any]:
        ids = [id for id, _ in rows]
        assert len(set(ids)) == len(ids) and all(len(id) <= 64 and id.isalnum() for id in ids)
        id = f"batch_{len(self.batches)}"
        self.batches[id] = rows
        return {"id": id, field: "validating" if field == "status" else "in_progress"}

    def _over(self, id: str) -> bool:
        self.seen[id] = self.seen.get(id, 0) + 1
        return self.seen[id] > self.looks

    def _openai(self, id: str) -> dict[str, Any]:
        if self.failed:
            return {"id": id, "status": "failed", "errors": {"data": [{"message": self.failed}]}}
        if not self._over(id):
            return {"id": id, "status": "in_progress"}
        good, bad = [], []
        for name, body in self.batches[id]:
            if name in self.expire:
                error = {"code": "batch_expired", "message": "not worked on in 24 h"}
                bad.append({"custom_id": name, "response": None, "error": error})
                continue
            status, said = self.reply(body)
            row = {"custom_id": name, "response": {"status_code": status, "body": said}}
            (good if status == 200 else bad).append({**row, "error": None})
        self.files[f"{id}-out"] = b"\n".join(json.dumps(x).encode() for x in reversed(good))
        self.files[f"{id}-err"] = b"\n".join(json.dumps(x).encode() for x in bad)
        state = {"id": id, "status": "completed", "output_file_id": f"{id}-out"}
        return {**state, "error_file_id": f"{id}-err"} if bad else state

    def _anthropic(self, id: str) -> bytes:
        rows = []
        for name, body in self.batches[id]:
            if name in self.expire:
                rows.append({"custom_id": name, "result": {"type": "expired"}})
                continue
            status, said = self.reply(body)
            result = {"type": "succeeded", "message": said}
            if status != 200:
                result = {"type": "errored", "error": {"type": "error", "error": said["error"]}}
            rows.append({"custom_id": name, "result": result})
        return b"\n".join(json.dumps(x).encode() for x in reversed(rows))


def chat_reply(text: str) -> Any:
    """A chat completion that says a text."""
    choice = {"index": 0, "finish_reason": "stop"}
    return 200, {
        "model": "m",
        "choices": [{**choice, "message": {"role": "assistant", "content": text}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


def message_reply(text: str, stop: str = "end_turn") -> Any:
    """A message of Anthropic's API that says a text."""
    return 200, {
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": text}],
        "stop_reason": stop,
        "usage": {"input_tokens": 7, "cache_read_input_tokens": 3, "output_tokens": 5},
    }
