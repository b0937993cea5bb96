"""Watch a run that another process, or a node that shares the folder, is doing: from its files."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from heartloop.calls.lines import read_record
from heartloop.calls.lock import held
from heartloop.errors import UsageError
from heartloop.run.folder import CALLS, VERDICTS, RunFolder
from heartloop.run.runner import Live
from heartloop.run.state import planned
from heartloop.run.summary import final_line
from heartloop.run.totals import Totals

SILENCE_SECONDS = 60.0
"""A run whose lock nobody is seen to hold (another node) is taken to go on for so long."""


class Grown:
    """Reads the lines that a file has gained since the last look; a new file is read anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._file = 0
        self.again = False

    def lines(self) -> Iterator[bytes]:
        """Whole lines that are new; ``again`` is true where they begin at the first one."""
        try:
            with self._path.open("rb") as file:
                found = os.fstat(file.fileno())
                self.again = found.st_ino != self._file or found.st_size < self._at
                if self.again:
                    self._file, self._at = found.st_ino, 0
                file.seek(self._at)
                for raw in file:
                    if not raw.endswith(b"\n"):
                        return  # still being written
                    self._at += len(raw)
                    yield raw
        except FileNotFoundError:
            return


class Follower:
    """What a run has done so far, looked at again and again.

    Attributes:
        live: as for the screen of the process that does it.
        totals: what was paid.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._manifest = folder.manifest
        self._modes = {t["task"]: t["mode"] for t in self._manifest["tasks"]}
        self._calls = Grown(folder.path / CALLS)
        self._verdicts = Grown(folder.path / VERDICTS)
        self._trace: list[dict[str, Any]] = []
        self._news = time.monotonic()
        self.live = Live(total=planned(self._manifest))
        self.totals = Totals()
        self.look()

    def look(self) -> None:
        """Read what is new."""
        for raw in self._calls.lines():
            if self._calls.again:
                self.totals, self._calls.again = Totals(), False
            record, _ = read_record(raw)
            if record is not None:
                self.totals.add(record)
                self._news = time.monotonic()
        for raw in self._verdicts.lines():
            if self._verdicts.again:
                self.live, self._verdicts.again = Live(total=planned(self._manifest)), False
                self._trace = []
            self._add(raw)

    def _add(self, raw: bytes) -> None:
        try:
            line = orjson.loads(raw)
            self._trace.append(line)
            if not line["last"]:
                return
            mode = self._modes[line["task"]]
            self.live.count(line["arm"], self._trace, final_line(self._trace, mode))
        except (ValueError, LookupError, TypeError):
            pass  # damage is for heartloop status and repair to name
        self._trace = []

    @property
    def going_on(self) -> bool:
        """Whether anybody is at work on it, as far as can be seen from here."""
        if held(self._folder.path):
            return True
        try:
            sessions = self._folder.manifest["sessions"]
        except UsageError:
            return False
        ended = bool(sessions and sessions[-1].get("ended"))
        return not ended and time.monotonic() - self._news < SILENCE_SECONDS
