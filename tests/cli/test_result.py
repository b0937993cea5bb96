"""What a run prints at its end."""

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from heartloop.cli import _live
from heartloop.cli._result import _errors, _stopped, on_a_real_model

SERVER = "--model server/NAME --base-url http://HOST:8000/v1"


@pytest.mark.parametrize(
    ("command", "expected", "data"),
    [
        (
            "heartloop run --task bigbench --stimuli EP02 --model pocket --practice --limit 9",
            "heartloop run --task bigbench --stimuli EP02 --limit 9",
            " --data DIR",
        ),
        (
            "heartloop run --task 'a b.csv' --model=pocket --name x",
            "heartloop run --task 'a b.csv'",
            " --data DIR",
        ),
        ("heartloop run --task esconv --data D", "heartloop run --task esconv --data D", ""),
        ("", "heartloop run --task olympiad --rounds 5", " --data DIR"),
        ("heartloop run --task 'open", "heartloop run --task olympiad --rounds 5", " --data DIR"),
        ("Study.run()", "heartloop run --task olympiad --rounds 5", " --data DIR"),
    ],
)
def test_next_is_the_users_own_command_on_a_real_model(
    command: str, expected: str, data: str
) -> None:
    assert on_a_real_model(command) == f"{expected} {SERVER}{data}"


def test_why_a_run_stopped_fits_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    why = "every request fails the same way (connection refused by http://127.0.0.1:8100/v1); " * 2
    summary: Any = {"stopped": why + "start the server"}
    count = _stopped(summary, SimpleNamespace(path=Path("x/y")))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == count and max(map(len, lines)) <= 80
    assert " ".join(lines[:-1]).startswith(f"stopped: {why}") and "resume x/y" in lines[-1]


def test_one_call_is_one_call() -> None:
    error = {"class": "TimeoutError", "message": "slow"}
    summary: Any = {"errors": [{"count": 1, **error}, {"count": 2, **error}]}
    assert [line.partition(":")[0] for line in _errors(summary)[0].lines] == [
        "1 call failed", "2 calls failed",
    ]  # fmt: skip


def test_off_a_terminal_nothing_is_said_twice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    live = SimpleNamespace(done=0, total=0, unscored={}, errors=0, notices=[])
    looks = []

    monkeypatch.setattr(_live, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(_live, "LONGEST_PAUSE", 0.001)

    def look() -> tuple[Any, _live.Paid]:
        looks.append(1)
        return live, _live.Paid(tokens=7 if len(looks) > 3 else 0)

    with _live._plain_lines(look, 0):
        while len(looks) < 6:
            time.sleep(0.001)
    said = capsys.readouterr().err.splitlines()
    assert said == ["getting ready · 0 tokens", "getting ready · 7 tokens"]
