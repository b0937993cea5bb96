"""What a run prints at its end."""

import pytest

from heartloop.cli._result import on_a_real_model

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
