"""One writer a run folder: an advisory lock that names its holder and ends with the process."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from pathlib import Path

from heartloop.errors import JournalError

# A worker forked just before its parent was killed needs a moment to let go.
ATTEMPTS = 10
PAUSE_SECONDS = 0.05

_held: set[int] = set()


def _forget_in_child() -> None:
    """Close inherited locks in a forked worker, so that it cannot outlive the run holding them."""
    for descriptor in tuple(_held):
        try:
            os.close(descriptor)
        except OSError:
            pass
    _held.clear()


os.register_at_fork(after_in_child=_forget_in_child)


class FolderLock:
    """Exclusive use of a folder through ``flock`` on its ``lock`` file."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            JournalError: another process has it, or the folder cannot be written.
        """
        self.path = folder / "lock"
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self.path, flags, 0o644)
        except OSError as error:
            raise JournalError(
                f"{folder}: cannot write here ({error.strerror}); choose another --runs folder"
            ) from error
        for attempt in range(ATTEMPTS):
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if attempt + 1 < ATTEMPTS:
                    time.sleep(PAUSE_SECONDS)
                    continue
                holder = os.pread(self._descriptor, 200, 0).decode("utf-8", "replace").strip()
                os.close(self._descriptor)
                raise JournalError(
                    f"{folder}: in use by {holder or 'another process'}; "
                    "wait for it to end or stop it"
                ) from error
        _held.add(self._descriptor)
        holder = f"process {os.getpid()} on {os.uname().nodename} ({Path(sys.argv[0]).name})\n"
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, holder.encode("utf-8", "replace"), 0)
        except OSError:
            pass  # a full disk may keep the name out; the lock itself holds

    def release(self) -> None:
        """Give the folder back; calling it again does nothing."""
        if self._descriptor in _held:
            _held.discard(self._descriptor)
            os.close(self._descriptor)


def held(folder: Path) -> bool:
    """Whether a process is writing to a folder; looking does not disturb it."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False
