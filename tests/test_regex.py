"""Patterns that are compiled when they are first used."""

from __future__ import annotations

import copy
import pickle
import re as plain
import subprocess
import sys

import pytest

from heartloop import regex


def test_a_pattern_is_compiled_at_its_first_use_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    compile = plain.compile

    def counted(*args: object) -> object:
        made.append(args)
        return compile(*args)  # type: ignore[call-overload]

    monkeypatch.setattr(plain, "compile", counted)
    found = regex.compile(r"(?P<n>\d+)", regex.I)
    assert not made
    assert found.search("a 12")["n"] == "12" and found.sub("x", "1 2") == "x x"  # type: ignore[index]
    assert found.pattern == r"(?P<n>\d+)" and found.flags & plain.I and found.groups == 1
    assert made[:1] == [(r"(?P<n>\d+)", plain.I)]
    with pytest.raises(plain.error):
        regex.compile("(").match("x")


def test_readers_compile_nothing_when_they_are_imported() -> None:
    code = (
        "import re\n"
        "before, made = re.compile, []\n"
        "re.compile = lambda *a: made.append(a[0]) or before(*a)\n"
        "import heartloop.grading.content, heartloop.grading.judge_reply\n"
        "from heartloop.grading.phrases import MARKER\n"
        "print(sum(a == MARKER._made_of[0] for a in made))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_it_can_be_copied() -> None:
    assert pickle.loads(pickle.dumps(regex.compile("a"))).match("a")
    assert copy.copy(regex.compile("a")).match("a")
