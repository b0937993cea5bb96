"""The journal: every completion is one appended line, written before anything uses it."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import orjson

from heartloop.calls.index import Index
from heartloop.calls.lines import Line, read_lines
from heartloop.calls.lock import FolderLock
from heartloop.calls.records import completion_of, error_of, own_messages, pack
from heartloop.errors import CallError, JournalError, NotInJournal
from heartloop.types import Completion, Message, Request, Usage

CALLS_FILE = "calls.jsonl"
SYNC_SECONDS = 1.0
RECENT = 1024  # conversations kept to see that a request really extends an earlier call
SAMPLE = 1000  # lines after which their number is guessed from their length
LENGTH_BITS = 32  # of an index entry; the offset stands above them


class Books(Protocol):
    """Who adds up what a journal takes in (`heartloop.run.totals`), so that nobody reads it again.

    An answer that was there already is not told.
    """

    def answered(self, request: Request, completion: Completion) -> None:
        """An answer was written down."""

    def add(self, record: dict[str, Any]) -> None:
        """The record of an error was written down."""


class Journal:
    """Append-only record of the calls of a run, found again by key.

    A record reaches the file with one ``write()`` before its answer is used; a thread of its own
    makes it durable within a second. In memory stand the keys and where their records begin,
    nothing else, so that a million calls fit.

    Attributes:
        path: the file, ``calls.jsonl``.
        notes: what was found on opening, for the user: a torn last line that was dropped.
        paid: tokens and dollars of the calls found on opening, each answered call once.
        books: hear of what is written from now on; None for nobody.
    """

    def __init__(
        self,
        folder: Path,
        *,
        read_only: bool = False,
        each: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        """Open the journal of a run folder; see ``open``."""
        self.path = Path(folder) / CALLS_FILE
        self.read_only = read_only
        self.notes: list[str] = []
        self.paid: tuple[Usage, float] = (Usage(), 0.0)
        self.books: Books | None = None
        self._index = Index()
        self._errors: dict[bytes, int] = {}
        self._recent: OrderedDict[str, tuple[tuple[Message, ...], str]] = OrderedDict()
        self._lock = None if read_only else FolderLock(Path(folder))
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._closing = False
        self._dirty = False
        self._failure: OSError | None = None
        flags = os.O_RDONLY if read_only else os.O_RDWR | os.O_CREAT | os.O_APPEND
        try:
            # A link in a folder that came from elsewhere must not make us write to its target.
            self._descriptor = os.open(self.path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            self._size = self._load(each)
        except OSError as error:
            self._release()
            raise JournalError(f"{self.path}: {error.strerror}") from error
        except BaseException:
            self._release()
            raise

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        read_only: bool = False,
        each: Callable[[dict[str, Any]], None] | None = None,
    ) -> Journal:
        """Open the journal of a run folder, creating the file where it is to be written.

        Args:
            folder: the run folder, which must exist.
            read_only: read without the lock, beside a run that may be going on.
            each: is handed every record that stands there, in the order of writing.

        Raises:
            JournalError: another process writes here, the folder cannot be written, or lines
                before the last are damaged (``heartloop repair`` sets them aside).
        """
        return cls(Path(folder), read_only=read_only, each=each)

    # --- Reading -------------------------------------------------------------------------

    def __len__(self) -> int:
        """How many calls are answered."""
        return len(self._index)

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._index

    @property
    def errors(self) -> int:
        """How many calls ended in an error and have not been answered since."""
        return len(self._errors)

    def get(self, key: str) -> Completion | None:
        """The answer to a call, marked as shared; None where it was never answered."""
        entry = self._index.get(bytes.fromhex(key))
        return None if entry is None else completion_of(self._read(entry))

    def error(self, key: str) -> CallError | None:
        """The error a call ended in, where it has none but that."""
        entry = self._errors.get(bytes.fromhex(key))
        return None if entry is None else error_of(self._read(entry))

    def record(self, key: str) -> dict[str, Any] | None:
        """The raw record of a call, that of an answer before that of an error."""
        name = bytes.fromhex(key)
        entry = self._index.get(name) or self._errors.get(name)
        return None if entry is None else self._read(entry)

    def records(self) -> Iterator[dict[str, Any]]:
        """Every record in the order of writing, errors that were answered later included.

        Raises:
            JournalError: a line is damaged.
        """
        for line in read_lines(self.path, self._size):
            if line.record is None:
                raise JournalError(f"{self.path}:{line.number}: {line.fault}")
            yield line.record

    def messages_of(self, key: str) -> tuple[Message, ...]:
        """The whole conversation a call was asked with.

        Raises:
            NotInJournal: there is no such call, or one that it extends is missing.
            JournalError: a call extends itself by way of others.
        """
        chain: list[tuple[Message, ...]] = []
        seen = {key}
        while True:
            recent = self._recent.get(key)
            if recent is not None:
                messages = recent[0]
                break
            record = self.record(key)
            if record is None:
                raise NotInJournal(f"{self.path}: no call {key}")
            extended = record["request"].get("extends")
            if not extended:
                messages = own_messages(record)
                break
            parent = self.record(extended)
            if parent is None or parent["text"] is None:
                raise NotInJournal(f"{self.path}: no answer {extended}, which call {key} extends")
            chain.append((Message("assistant", parent["text"]), *own_messages(record)))
            key = extended
            if key in seen:
                raise JournalError(
                    f"{self.path}: call {key} extends itself; heartloop repair {self.path.parent}"
                )
            seen.add(key)
        for further in reversed(chain):
            messages += further
        return messages

    # --- Writing -------------------------------------------------------------------------

    def append(self, request: Request, completion: Completion) -> None:
        """Write an answer down; it may be used once this returns.

        Raises:
            JournalError: it could not be written; the file is as it was before.
        """
        shared = self._shared_messages(request)
        line = pack(request, completion, key=completion.key, shared_messages=shared)
        name = bytes.fromhex(completion.key)
        new = self._index.add(name, self._write(line))
        self._errors.pop(name, None)
        if new and self.books is not None:
            self.books.answered(request, completion)
        self._remember(completion.key, request.messages, completion.text)

    def append_error(
        self,
        request: Request,
        error: CallError,
        *,
        key: str,
        started: float = 0.0,
        finished: float = 0.0,
        attempts: int = 1,
        endpoint: str = "",
        usage: Usage | None = None,
        cost: float | None = None,
    ) -> None:
        """Write down that a call ended in an error; it is asked again when it comes up again.

        Raises:
            JournalError: it could not be written; the file is as it was before.
        """
        line = pack(
            request,
            None,
            key=key,
            shared_messages=self._shared_messages(request),
            error=error,
            started=started,
            finished=finished,
            attempts=attempts,
            endpoint=endpoint,
            usage=usage,
            cost=cost,
        )
        entry = self._write(line)
        name = bytes.fromhex(key)
        if name not in self._index:
            self._errors[name] = entry
        if self.books is not None:
            self.books.add(orjson.loads(line))

    def sync(self) -> None:
        """Make everything written so far durable."""
        if not self.read_only:
            self._dirty = False
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Make everything durable and give up the lock; calling it again does nothing."""
        if self._descriptor < 0:
            return
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        try:
            if not self.read_only:
                self.sync()
        except OSError as error:
            raise JournalError(f"{self.path}: {error.strerror}") from error
        finally:
            os.close(self._descriptor)
            self._descriptor = -1
            self._index = Index()  # what sums the run up needs the memory
            self._release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- Inside --------------------------------------------------------------------------

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _load(self, each: Callable[[dict[str, Any]], None] | None = None) -> int:
        """Index the file and drop a torn end; returns the size of what is kept.

        Raises:
            JournalError: lines before the last are damaged; ``heartloop repair`` sets them aside.
        """
        size = os.fstat(self._descriptor).st_size
        end = size
        prompt = completion = reasoning = cached = 0
        dollars = 0.0
        damaged: list[Line] = []
        for line in read_lines(self.path, size):
            record = line.record
            if record is None:
                damaged.append(line)
                continue
            if each is not None:
                each(record)
            if line.number == SAMPLE:
                self._index.expect(size * SAMPLE // line.offset)
            name = bytes.fromhex(record["key"])
            failed, used = record["error"], record["usage"]
            entry = line.offset << LENGTH_BITS | line.size
            if failed:
                if name not in self._index:
                    self._errors[name] = entry
            else:
                if self._errors:
                    self._errors.pop(name, None)
                if not self._index.add(name, entry):
                    continue  # two sessions of a merged run paid for it; it counts once
            if "reused" not in record:
                prompt += used["prompt"]
                completion += used["completion"]
                reasoning += used["reasoning"]
                cached += used["cached"]
                dollars += record["cost"] or 0.0
        if damaged and damaged[-1].torn:
            end = self._drop(damaged.pop(), size)
        if damaged:
            first = damaged[0]
            more = f", and {len(damaged) - 1} more damaged lines" if len(damaged) > 1 else ""
            raise JournalError(
                f"{self.path}:{first.number}: {first.fault}{more}; set aside what is damaged: "
                f"heartloop repair {self.path.parent}"
            )
        if end and not self.read_only and os.pread(self._descriptor, 1, end - 1) != b"\n":
            os.write(self._descriptor, b"\n")  # a record that has only lost its newline
            end += 1
        self.paid = (Usage(prompt, completion, reasoning, cached), dollars)
        return end

    def _drop(self, torn: Line, size: int) -> int:
        """Leave out the torn last line; returns where it begins."""
        if self.read_only:
            self.notes.append(f"{self.path}: a torn last line is left out (line {torn.number})")
        else:
            lost = size - torn.offset
            self.notes.append(
                f"{self.path}: dropped a torn last line ({lost} bytes, line {torn.number})"
            )
            os.ftruncate(self._descriptor, torn.offset)
        return torn.offset

    def _read(self, entry: int) -> dict[str, Any]:
        line = os.pread(self._descriptor, entry & (1 << LENGTH_BITS) - 1, entry >> LENGTH_BITS)
        try:
            record: dict[str, Any] = orjson.loads(line)
        except ValueError as error:
            raise JournalError(f"{self.path}: changed while it was open ({error})") from error
        return record

    def _shared_messages(self, request: Request) -> int:
        """How many messages the record can leave to the call it extends; 0 where it extends none.

        What a caller says it extends is checked: a history that was shortened or reworded is
        written in full.
        """
        if request.extends is None:
            return 0
        known = self._recent.get(request.extends)
        if known is None:
            record = self.record(request.extends)
            if record is None or record["text"] is None:
                return 0
            known = (self.messages_of(request.extends), record["text"])
            self._remember(request.extends, *known)
        messages, text = known
        count = len(messages) + 1
        if len(request.messages) < count:
            return 0
        answer = request.messages[count - 1]
        if answer.role != "assistant" or answer.content != text:
            return 0
        return count if request.messages[: count - 1] == messages else 0

    def _remember(self, key: str, messages: tuple[Message, ...], text: str) -> None:
        self._recent[key] = (messages, text)
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    def _write(self, line: bytes) -> int:
        """Append a line; returns its index entry."""
        if self.read_only:
            raise JournalError(f"{self.path}: opened for reading only")
        if self._failure is not None:
            raise JournalError(f"{self.path}: {self._failure.strerror}") from self._failure
        offset = self._size
        try:
            written = os.write(self._descriptor, line)
            if written < len(line):
                # A disk that fills up takes a part; the next write says why.
                written += os.write(self._descriptor, line[written:])
            if written < len(line):
                raise OSError(28, "No space left on device")
        except OSError as error:
            try:
                os.ftruncate(self._descriptor, offset)
            except OSError:
                pass  # the torn line is dropped on the next opening
            raise JournalError(
                f"{self.path}: {error.strerror}; every answer before this one is kept; make room, "
                f"then: heartloop resume {self.path.parent}"
            ) from error
        self._size = offset + len(line)
        self._dirty = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._sync_often, daemon=True, name="journal")
            self._thread.start()
        return offset << LENGTH_BITS | len(line)

    def _sync_often(self) -> None:
        """Make the file durable every second, off the event loop."""
        while not self._closing:
            self._wake.wait(SYNC_SECONDS)
            if self._dirty:
                try:
                    self.sync()
                except OSError as error:
                    self._failure = error


def journal_records(folder: Path) -> Iterator[dict[str, Any]]:
    """Every record of a run folder's journal in one pass, without an index and without the lock.

    A torn last line is left out.

    Raises:
        JournalError: it cannot be read, or a line before the last is damaged.
    """
    path = folder / CALLS_FILE
    try:
        for line in read_lines(path, path.stat().st_size):
            if line.record is not None:
                yield line.record
            elif not line.torn:
                raise JournalError(
                    f"{path}:{line.number}: {line.fault}; set aside what is damaged: "
                    f"heartloop repair {folder}"
                )
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror}") from error
