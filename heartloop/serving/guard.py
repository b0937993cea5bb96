"""Runs a server and ends it, with all it started, when whoever asked for it is gone.

Run as a script: ``python guard.py COMMAND …`` with a pipe as standard input. The guard lives in a
session of its own, so a Ctrl-C or a kill -9 of the parent does not reach it; what does is the end
of the pipe. No server outlives heartloop holding a GPU.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

GRACE_SECONDS = 10.0


def group_alive(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end_group(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to a whole process group, SIGKILL to what is left of it after the grace."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            process.poll()  # reaps the leader, which would count as alive otherwise
            if not group_alive(process.pid):
                return
            time.sleep(0.05)


def main(command: list[str]) -> int:
    """Run the command until it ends or standard input does; returns its exit status."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def watch_parent() -> None:
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        end_group(process)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            number, lambda *_: threading.Thread(target=end_group, args=(process,)).start()
        )
    threading.Thread(target=watch_parent, daemon=True).start()
    status = process.wait()
    end_group(process)  # workers that outlived the server's main process
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
