"""``python -m heartloop`` is the same as ``heartloop``."""

from heartloop.cli import main

main()
