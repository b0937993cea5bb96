"""The program: ``heartloop``, and ``python -m heartloop``, which is the same."""

import signal
from typing import Any


def main() -> Any:
    """Run the command line; Ctrl-C while it is still being loaded ends it without a traceback."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from heartloop.cli import main as run

    signal.signal(signal.SIGINT, before)
    return run()


if __name__ == "__main__":
    main()
