"""Swapped files and hostile JSON; verdicts that are never replaced by less."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from heartloop.errors import JournalError, UsageError
from heartloop.run.files import read_json, swapped, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "x.csv"
    target.write_text("old")
    with pytest.raises(ValueError), swapped(target) as file:
        file.write(b"half")
        raise ValueError
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.csv"]


def test_a_link_is_replaced_and_its_target_stays(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "x").symlink_to(victim)
    write_text(tmp_path / "x", "new")
    assert victim.read_text() == "precious" and (tmp_path / "x").read_text() == "new"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot write .*absent is not there: make it, or name"):
        write_text(tmp_path / "absent" / "x", "new")


@pytest.mark.parametrize(
    "content", [b"", b"[" * 100_000, b"[]", b"\xff", b"{", b'{"a": ' + b"9" * 5000 + b"}"]
)
def test_hostile_json_is_a_usage_error_with_its_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UsageError, match=r"x\.json: "):
        read_json(tmp_path / "x.json")
