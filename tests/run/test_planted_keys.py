"""Keys planted in every place: no byte that is written or printed holds one, in any form."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heartloop.cli import main

OWN = "PLANTEDKEYown0123456789abcdef"
TOKEN = "PLANTEDTOKENsvc-987654321-zyx"
PASSWORD = "PLANTEDPASSword42"
PLANTED = (OWN, TOKEN, PASSWORD)


def forms(secret: str) -> set[bytes]:
    """A secret as it is, and in the disguises in which servers repeat it."""
    raw = secret.encode()
    found = {raw, raw.hex().encode(), raw[:14]}
    for lead in range(3):
        coded = base64.b64encode(bytes(lead) + raw).rstrip(b"=")
        found.add(coded[4:-2])
    return found


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEARTLOOP_API_KEY", OWN)
    monkeypatch.setenv("MY_SERVICE_TOKEN", TOKEN)
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    rows = "".join(f"What is {i} + {i}?,{2 * i}\n" for i in range(1, 5))
    (tmp_path / "sums.csv").write_text("question,answer\n" + rows)
    return tmp_path


@pytest.fixture
def rude() -> Iterator[str]:
    """A server that answers one question of two, and repeats every secret in every error."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.say(404, {"error": {"message": f"no list for {OWN} {TOKEN}"}})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if "1 + 1" in body or "3 + 3" in body:
                usage = {"prompt_tokens": 3, "completion_tokens": 3}
                message = {"role": "assistant", "content": "So \\boxed{2}"}
                choice = {"message": message, "finish_reason": "stop", "index": 0}
                return self.say(200, {"choices": [choice], "usage": usage})
            words = [
                "x" * 380, self.headers.get("Authorization") or "", OWN, TOKEN, PASSWORD,
                base64.b64encode(OWN.encode()).decode(), TOKEN.encode().hex(),
                f"http://user:{PASSWORD}@host/v1?api_key={TOKEN}",
            ]  # fmt: skip
            return self.say(400, {"error": {"message": " ".join(words), "type": OWN}})

        def say(self, status: int, value: dict[str, Any]) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Echo", OWN)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def nothing_planted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seen = capsys.readouterr()
    texts = {"stdout": seen.out.encode(), "stderr": seen.err.encode()}
    texts |= {str(p): p.read_bytes() for p in place.rglob("*") if p.is_file()}
    for name, content in texts.items():
        for secret in PLANTED:
            for form in forms(secret):
                assert form not in content, f"{name} holds {secret} as {form!r}"


def test_no_byte_of_a_run_holds_a_key(
    place: Path, rude: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ("--model", "server/mock", "--base-url", rude)
    code = call("run", "--task", "sums.csv", *model, "--method", "single", "--name", "a", "--yes")
    assert code in (0, 1, 3)
    assert (place / "runs/a/calls.jsonl").stat().st_size > 0
    for words in (
        ["status"], ["status", "a"], ["score", "a"], ["report", "a"], ["compare", "a"],
        ["export", "a", "--to", "jsonl", "--texts"], ["export", "a", "--to", "csv", "--texts"],
        ["resume", "a", "--yes"], ["repair", "a"], ["models", "list", "--base-url", rude],
        ["doctor", "--base-url", rude],
    ):  # fmt: skip
        call(*words)
    nothing_planted(place, capsys)


@pytest.mark.parametrize(
    "words",
    [
        ("--base-url", f"http://user:{PASSWORD}@127.0.0.1:9/v1"),
        ("--base-url", f"user:{PASSWORD}@127.0.0.1/v1"),
        ("--base-url", f"ftp://user:{PASSWORD}@127.0.0.1/v1"),
        ("--base-url", f"http://127.0.0.1:9/v1?api_key={TOKEN}"),
        ("--base-url", "http://127.0.0.1:9/v1", "--extra-body", json.dumps({"api_key": OWN})),
        ("--base-url", "http://127.0.0.1:9/v1", "--extra-body", json.dumps({"a": {"token": OWN}})),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_keys_on_the_command_line_are_refused_and_not_repeated(
    place: Path, words: tuple[str, ...], named: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ("--model", "server/mock") if named else ()
    assert call("run", "--task", "sums.csv", *model, *words, "--name", "a", "--yes") == 2
    assert not (place / "runs/a").exists()
    nothing_planted(place, capsys)


@pytest.mark.parametrize(
    "change",
    [
        f"server: {{base_urls: ['http://u:{PASSWORD}@127.0.0.1:9/v1']}}",
        f"server: {{base_urls: ['http://127.0.0.1:9/v1?token={TOKEN}']}}",
        f"server: {{extra_body: {{api_key: {OWN}}}}}",
        f"server: {{api_key: {OWN}}}",
        f"sampling: {{extra: {{api_key: {OWN}}}}}",
        f"sampling: {{extra: {{headers: {{authorization: {OWN}}}}}}}",
    ],
)
def test_keys_in_a_plan_are_refused_and_not_repeated(
    place: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = place / "plan.yaml"
    plan.write_text(
        "tasks: [sums.csv]\nmodels: [server/mock]\narms: [{name: none, role: none}]\n" + change
    )
    assert call("run", "--plan", "plan.yaml", "--name", "a", "--yes") == 2
    plan.unlink()
    nothing_planted(place, capsys)
    assert not (place / "runs/a").exists()
