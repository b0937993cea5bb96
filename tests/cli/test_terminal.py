"""Foreign words on a terminal, and signals in the first moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from heartloop.cli._terminal import plain, shown_streams, visible


@pytest.mark.parametrize(
    "text",
    [
        "\x1b]0;title\x07", "\x1b[2J", "\x1b[8mhidden", "\x1b[30mblack", "\x9b2J", "a\rb", "\x7f",
        "\u202eevil", "\u2066x\u2069", "\x00", "\u2028", "\x1b[31;8m", "\x1bc", "\x1b]8;;http://x\x07",
        "\ud800",
    ],
)  # fmt: skip
def test_no_control_character_reaches_a_terminal(text: str) -> None:
    shown = visible(f"before {text} after")
    assert "\x1b" not in shown and shown.isprintable()
    assert json.loads(f'"{shown}"') == f"before {text} after"  # as JSON has it, so it comes back


def test_ordinary_text_and_our_colours_stay() -> None:
    for text in ("Zürich → 東京\n\tτ ≤ 3", click.style("warning", fg="yellow"), "\u200f"):
        assert visible(text) == text


def test_everything_printed_goes_through(capsys: pytest.CaptureFixture[str]) -> None:
    with shown_streams():
        click.echo("a\x1b[2Jb")
        click.echo("c\x1b]0;x\x07d", err=True)
        sys.stdout.write("e\x1bcf\n")
        assert not hasattr(plain(sys.stdout), "plain")
    seen = capsys.readouterr()
    # click itself takes colours and movements off where the stream is no terminal
    assert seen.out == "ab\ne\\u001bcf\n" and seen.err == "c\\u001b]0;x\\u0007d\n"
    assert not hasattr(sys.stdout, "plain")


def test_on_a_pseudo_terminal_nothing_gets_through(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(
        'tasks: ["x\\x1b]0;owned\\x07\\x1b[2J"]\nmodels: [pocket]\narms: [{name: none}]\n'
    )
    root = Path(__file__).resolve().parents[2]
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "heartloop", "run", "--plan", "plan.yaml"],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert process.wait(timeout=60) == 2
    os.close(theirs)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    assert "owned" in said and "\x1b" not in said and "\x07" not in said


@pytest.mark.parametrize("after", [0.0, 0.05, 0.1, 0.15, 0.2, 0.3])
def test_ctrl_c_while_loading_leaves_no_traceback_of_ours(tmp_path: Path, after: float) -> None:
    """Python's own start-up before the program runs is not ours to guard."""
    code = (
        "import sys, heartloop.__main__ as m; sys.argv = ['heartloop', 'tasks', 'list'];"
        "sys.stderr.write('up\\n'); sys.stderr.flush(); m.main()"
    )
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stderr is not None and process.stderr.readline() == "up\n"
    time.sleep(0.02 + after)
    process.send_signal(signal.SIGINT)
    said = process.stderr.read()
    process.wait(timeout=20)
    assert "Traceback" not in said, said
