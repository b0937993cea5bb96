"""The user's defaults: the config file and the environment variables that commands read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from heartloop.errors import UsageError
from heartloop.run.folder import runs_dir


def read_config() -> dict[str, Any]:
    """The user's defaults: ``heartloop.yaml`` here, else ``~/.config/heartloop/config.yaml``.

    Known keys: model, base_url, data, runs.

    Raises:
        UsageError: the file is not a mapping of these keys.
    """
    home = Path(os.environ.get("XDG_CONFIG_HOME", Path.home() / ".config"))
    for path in (Path("heartloop.yaml"), home / "heartloop" / "config.yaml"):
        if not path.is_file():
            continue
        from heartloop.cards import read_yaml

        try:
            value = read_yaml(path.read_bytes(), str(path)) or {}
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}") from error
        known = ("model", "base_url", "data", "runs")
        for key in value if isinstance(value, dict) else ["a list or text"]:
            if key not in known:
                raise UsageError(f"{path}: unknown field {key!r}; known: {', '.join(known)}")
        return dict(value)
    return {}


def runs_folder(option: str | None) -> Path:
    """Where runs are: the flag, else ``HEARTLOOP_RUNS``, else the config file, else ``runs/``."""
    return runs_dir(option or os.environ.get("HEARTLOOP_RUNS") or read_config().get("runs"))
