"""Whether a run folder was made by this user: only then do its programs and addresses stand.

A manifest names programs to execute (DSPy methods, arguments of servers that are started) and
addresses that keys and questions are sent to. In a folder from elsewhere these are another
person's words. A folder that was made here carries a signature over them, by a key that never
leaves the user's own configuration.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from heartloop.errors import UsageError
from heartloop.run.doors import is_code
from heartloop.run.layout import Manifest


def signature(plan: Mapping[str, Any]) -> str | None:
    """The user's signature over what a plan executes and where it sends; None without a key."""
    key = _key()
    if key is None:
        return None
    words = json.dumps([_programs(plan), _addresses(plan)], sort_keys=True, default=str)
    return hmac.new(key, words.encode(), hashlib.sha256).hexdigest()


def check_received(
    folder: Path,
    manifest: Manifest,
    *,
    asks: bool,
    named_server: bool = False,
    allow_code: bool = False,
) -> None:
    """Refuse what a folder from elsewhere would execute or ask, unless the user says so.

    Args:
        folder: the run folder, for messages.
        manifest: its manifest.
        asks: whether models would be asked.
        named_server: the user gave ``--base-url``, which takes the place of the folder's.
        allow_code: the user gave ``--allow-code``.

    Raises:
        UsageError: names the program with its digest, or the address, and what allows it.
    """
    plan = manifest["plan"]
    programs, addresses = _programs(plan), _addresses(plan)
    if not programs and not addresses:
        return
    mine, own = str(manifest.get("made_here") or ""), signature(plan)
    if own is not None and hmac.compare_digest(mine.encode(), own.encode()):
        return
    if programs and not allow_code:
        raise UsageError(
            f"{folder}: was not made here, or its code has changed, and would execute "
            f"{programs[0]}; read it first, then add --allow-code"
        )
    of_judges = [x for x in addresses if x not in _servers(plan)]
    if asks and addresses and (of_judges or not named_server):
        first = of_judges[0] if of_judges else addresses[0]
        raise UsageError(
            f"{folder}: was not made here, so {first} is not asked until you name the server "
            "yourself: --base-url URL (judges: heartloop run --plan "
            f"{folder / 'manifest.json'} --reuse {folder})"
        )


def _programs(plan: Mapping[str, Any]) -> list[str]:
    """What would be executed, as it is shown: files with their digests, arguments of servers."""
    named = [str(arm["method"]) for arm in plan["arms"]]
    named += [str(plan.get(field) or "") for field in ("selector", "verifier")]
    found = [
        shown_program(name)
        for name in dict.fromkeys(named)
        if name.startswith("dspy:") or is_code(name)
    ]
    arguments = (plan.get("server") or {}).get("vllm_args") or ()
    return found + ([f"a server with {' '.join(map(str, arguments))}"] if arguments else [])


def shown_program(method: str) -> str:
    """A name that stands for a file's code, with the sha256 of the file as it is now."""
    name = method.removeprefix("dspy:").partition("@")[0]
    path = Path(name if name.endswith(".py") else name.rpartition(":")[0])
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        digest = "unreadable"
    return f"{path} (sha256 {digest}, as {method})"


def _addresses(plan: Mapping[str, Any]) -> list[str]:
    judges = plan.get("judge") or ()
    judges = judges if isinstance(judges, (list, tuple)) else [judges]
    of_judges = [
        f"{judge['base_url']} with the key in {judge.get('key_env') or 'your environment'}"
        for judge in judges
        if isinstance(judge, Mapping) and judge.get("base_url")
    ]
    return _servers(plan) + of_judges


def _servers(plan: Mapping[str, Any]) -> list[str]:
    return [str(url) for url in (plan.get("server") or {}).get("base_urls") or ()]


def _key() -> bytes | None:
    """The user's own key, made when first needed; None where there is no place for one."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    path = home / "heartloop" / "key"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written beside and linked, so that two first runs at once agree on one key.
        beside = path.with_name(f".key.{os.getpid()}.{secrets.token_hex(4)}")
        if not path.exists():
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
            try:
                os.link(beside, path)
            except FileExistsError:
                pass
            finally:
                beside.unlink()
        key = path.read_bytes()
    except OSError:
        return None
    return key if len(key) >= 32 else None
