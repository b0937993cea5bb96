"""Files that are swapped, never rewritten in place; and reading JSON that others wrote."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from heartloop.errors import JournalError, UsageError

LARGEST_JSON = 256_000_000  # bytes; far over any manifest or summary


def temporary(path: Path) -> Path:
    """A name beside a file that no other process takes."""
    return path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")


@contextlib.contextmanager
def swapped(path: Path) -> Iterator[BinaryIO]:
    """A new file that takes the place of ``path`` when the block ends well.

    A reader sees the old file or the new one, never half of one; a link is replaced, what it
    points to is not touched. Where the block fails nothing is left behind.

    Raises:
        JournalError: the disk is full or the folder cannot be written.
    """
    beside = temporary(path)
    try:
        try:
            with beside.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
        except OSError as error:
            reason = error.strerror or str(error)
            raise JournalError(f"cannot write {path}: {reason}{room(error, path)}") from error
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
        raise


_RUNS = ("manifest.json", "manifest.copy.json", "calls.jsonl", "verdicts.jsonl", "summary.json")


def room(error: OSError, path: Path) -> str:
    """What to do after a disk was full or where a folder is not there; empty for other errors."""
    if error.errno == errno.ENOENT and not path.parent.is_dir():
        return f"; the folder {path.parent} is not there: make it, or name another place"
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ""
    if path.name in _RUNS:
        return f"; what was paid for is kept; make room, then: heartloop resume {path.parent}"
    return "; make room and type the same command again"


def write_json(path: Path, value: Any) -> None:
    """Write JSON by a swap.

    Raises:
        JournalError: the disk is full or the folder cannot be written.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file by a swap; raises JournalError as `write_json` does."""
    with swapped(path) as file:
        file.write(text.encode("utf-8", "replace"))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file that may be damaged or hostile.

    Raises:
        UsageError: it cannot be read, is too large, too deep, no JSON or no object.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise UsageError(f"{path}: over {LARGEST_JSON // 1_000_000} MB; is it the right file?")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 ({error.reason}); is the file damaged?") from error
    value = parse_json(text, str(path))
    if not isinstance(value, dict):
        raise UsageError(f"{path}: expected a JSON object")
    return value


def parse_json(text: str, where: str) -> Any:
    """JSON from a text, ``where`` naming it in errors.

    Raises:
        UsageError: no JSON, or nested without end.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise UsageError(f"{where}: nested too deep; is the file damaged?") from error
    except ValueError as error:
        raise UsageError(f"{where}: not valid JSON ({error}); is the file damaged?") from error


def is_real(value: object) -> bool:
    """Whether a value is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
