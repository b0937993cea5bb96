"""Fetches a task's data into the user's cache: pinned files by URL, data sets from the hub."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from heartloop.cards.task import Hub, TaskCard
from heartloop.data.sources import HUB_META, HUB_ROWS, absent, cache_folder, hub_folder, inside
from heartloop.errors import DataError, absent_part
from heartloop.network import refused

TIMEOUT_S = 20.0
PROBE_S = 5.0
_MAX_BYTES = 200_000_000


def fetch(card: TaskCard, *, again: bool = False) -> str:
    """Fetch a task's data into the cache: its pinned files, else its hub data set.

    A file whose sha256 the card knows is taken from the URL in the card (a fixed commit) and kept
    only if the hash agrees. Otherwise the hub is asked through ``datasets``. Every file reaches
    its place by a rename, so that a broken transfer leaves nothing behind.

    Args:
        card: a task, no suite.
        again: fetch even what is in the cache already.

    Returns:
        Where it came from, for the user.

    Raises:
        DataError: nothing could be fetched; says why and what else to do.
    """
    reasons: list[str] = []
    if card.source.url:
        try:
            return _fetch_files(card, again)
        except DataError as error:
            reasons.append(str(error))
    if card.source.hub is not None:
        try:
            return _fetch_hub(card, card.source.hub, again)
        except DataError as error:
            reasons.append(str(error))
    if not reasons:
        where = card.url or "its authors"
        reasons.append(f"the card names no place to fetch from; get it from {where}")
    raise absent(card, "; ".join(reasons))


# --- Files by URL ------------------------------------------------------------------------


def _fetch_files(card: TaskCard, again: bool) -> str:
    source, cache = card.source, cache_folder()
    for place, (name, url) in enumerate(zip(source.local, source.url, strict=False)):
        target = inside(cache, name, card)
        if target.is_file() and not again:
            continue
        wanted = source.hashes[place] if place < len(source.hashes) else ""
        data = _download(url)
        digest = hashlib.sha256(data).hexdigest()
        if wanted and digest != wanted:
            raise DataError(f"{url}: sha256 {digest[:12]}… is not the card's {wanted[:12]}…")
        with _writing(target) as temporary:
            temporary.write_bytes(data)
    return source.url[0]


def _download(url: str) -> bytes:
    import urllib.error
    import urllib.parse
    import urllib.request

    class Checked(urllib.request.HTTPRedirectHandler):
        """Follows redirects to places that a card may name, and nowhere else."""

        def redirect_request(self, *args: Any) -> urllib.request.Request | None:
            if why := refused(args[-1]):
                raise DataError(f"redirect of {url}: {why}")
            return super().redirect_request(*args)

    if why := refused(url):
        raise DataError(f"source.url: {why}")
    try:
        with urllib.request.build_opener(Checked()).open(url, timeout=TIMEOUT_S) as reply:
            data: bytes = reply.read(_MAX_BYTES + 1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        host = urllib.parse.urlsplit(url).hostname
        raise DataError(f"{host}: file cannot be fetched ({reason})") from error
    if len(data) > _MAX_BYTES:
        raise DataError(f"{url}: is over {_MAX_BYTES} bytes; this is no file of the task")
    return data


# --- The hub -----------------------------------------------------------------------------


def _fetch_hub(card: TaskCard, hub: Hub, again: bool) -> str:
    folder = hub_folder(card)
    if (folder / HUB_META).is_file() and not again:
        return f"{hub.path} (in the cache already)"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    local = Path(hub.path).is_dir()
    if not local:
        _reachable(hub.path)
    try:
        revision = hub.revision if local or hub.revision else _resolve(hub.path)
        records = _load(hub, revision)
    except DataError:
        raise
    except Exception as error:  # datasets and its parts raise dozens of classes
        raise _hub_error(hub, error) from error
    count = 0
    digest = hashlib.sha256()
    with _writing(folder) as temporary:
        temporary.mkdir(parents=True)
        with (temporary / HUB_ROWS).open("wb") as file:
            for record in records:
                line = json.dumps(_plain(record), ensure_ascii=False).encode("utf-8") + b"\n"
                digest.update(line)
                file.write(line)
                count += 1
        meta = {
            "path": hub.path,
            "config": hub.config,
            "split": hub.split,
            "revision": revision,
            "pinned": hub.revision is not None,
            "rows": count,
            "sha256": digest.hexdigest(),
            "fetched": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        (temporary / HUB_META).write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
    return f"{hub.path} at {revision or 'no revision (a local folder)'}"


def _reachable(path: str) -> None:
    """Fail within seconds where there is no network: the hub's own client tries for half a minute.

    Behind a proxy, or with ``HF_HUB_OFFLINE`` (which reads the hub client's own cache), a direct
    connection says nothing and is not tried.

    Raises:
        DataError: the hub does not answer.
    """
    import socket
    from urllib.parse import urlsplit

    proxies = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
    if os.environ.get("HF_HUB_OFFLINE") or any(os.environ.get(name) for name in proxies):
        return
    end = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    port = end.port or (80 if end.scheme == "http" else 443)
    try:
        socket.create_connection((end.hostname or "", port), timeout=PROBE_S).close()
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path}: {end.hostname} cannot be reached ({reason})") from error


def _resolve(path: str) -> str:
    """The commit that the hub's default branch stands at now."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise DataError(absent_part(f"{path} from the hub", "datasets", "hub")) from error

    sha = HfApi().dataset_info(path, timeout=TIMEOUT_S).sha
    if not sha:
        raise DataError(f"{path}: the hub names no commit; pin source.hub.revision in the card")
    return str(sha)


def _load(hub: Hub, revision: str | None) -> Iterable[dict[str, Any]]:
    try:
        import datasets
    except ImportError as error:
        raise DataError(absent_part(f"{hub.path} from the hub", "datasets", "hub")) from error

    options: dict[str, Any] = {"split": hub.split}
    if revision is not None:
        options["revision"] = revision
    if hub.file:
        options["data_files"] = {hub.split: hub.file}
    loaded = datasets.load_dataset(hub.path, hub.config, **options)
    media = [
        name
        for name, feature in loaded.features.items()
        if type(feature).__name__ in ("Image", "Audio", "Video")
    ]
    if media:
        loaded = loaded.remove_columns(media)
    return iter(loaded)


def _plain(value: Any) -> Any:
    """A record as JSON data; pictures inside texts become the word ``image``."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return "image" if value.startswith("data:image") else value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def _hub_error(hub: Hub, error: Exception) -> DataError:
    text = re.sub(r"\s+", " ", str(error)).strip()[:200]
    name = type(error).__name__
    refused = any(word in f"{name} {text}" for word in ("Gated", "gated", "401", "403"))
    if refused and hub.gated:
        return DataError(f"{hub.path} is gated")
    return DataError(f"{hub.path}: cannot be fetched ({name}: {text})")


@contextmanager
def _writing(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` that takes its place when the block ends well."""
    parent = target.parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        workplace = Path(tempfile.mkdtemp(prefix=".fetch-", dir=parent))
    except OSError as error:
        raise DataError(
            f"{parent}: cannot be written ({error.strerror}); set HEARTLOOP_CACHE elsewhere"
        ) from error
    try:
        yield workplace / target.name
        if target.is_dir():
            os.replace(target, workplace / "old")
        os.replace(workplace / target.name, target)
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(workplace, ignore_errors=True)
