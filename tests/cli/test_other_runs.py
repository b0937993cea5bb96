"""Commands that read one kind of run say in a line what they miss in another."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    "command, words",
    [
        ("dose", "--stimuli intensity"),
        ("frames", "none of its tasks asks its items in frames"),
        ("trajectory", "no arm of it is a dialogue"),
        ("esc", "heartloop"),
    ],
)
def test_a_run_of_another_kind_is_told_so(heartloop, loopback, tmp_path, capsys, command, words):
    (tmp_path / "qa.csv").write_text("question,answer\nTwo?,2\n")
    url = loopback(lambda body: "2").url
    heartloop(
        "run", "--task", str(tmp_path / "qa.csv"), "--method", "single", "--model", "server/m",
        "--base-url", url, "--yes", "--runs", str(tmp_path), "--name", "plain",
    )  # fmt: skip
    heartloop(command, "plain", "--runs", str(tmp_path), code=2)
    assert words in capsys.readouterr().err
