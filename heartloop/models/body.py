"""A reply's body, never larger than allowed, before and after it is unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from heartloop.errors import CallError

LARGEST = 64 * 2**20  # bytes of an answer
LARGEST_ERROR = 2**20  # bytes of a refusal; what comes behind them is not read
LARGEST_TOGETHER = 256 * 2**20  # bytes of all bodies under way; then those beyond LARGE end
LARGE = 4 * 2**20
PIECE = 2**16  # bytes unpacked at a time

_held = [0]  # bytes of bodies under way


class Body:
    """A reply's body while it comes in."""

    def __init__(self, packing: bytes, limit: int, *, cut: bool) -> None:
        """Prepare for it.

        Args:
            packing: the reply's ``Content-Encoding``.
            limit: bytes, counted after unpacking as well.
            cut: keep the first ``limit`` bytes of a longer body instead of raising.

        Raises:
            CallError: kind ``bad_response`` for a packing that nobody asked for.
        """
        self._unpack = _unpacker(packing) if packing else None
        self._limit, self._cut = limit, cut
        self._kept = bytearray()

    def feed(self, piece: bytes) -> bool:
        """Take what came in; whether more is wanted.

        Raises:
            CallError: kind ``too_large``; ``bad_response`` for what cannot be unpacked.
        """
        kept = self._kept
        for part in self._unpack.feed(piece) if self._unpack else (piece,):
            kept += part
            _held[0] += len(part)
            if len(kept) > self._limit:
                if self._cut:
                    return False
                raise CallError(
                    f"the reply has more than {self._limit // 2**20} MB; not read any further",
                    kind="too_large",
                )
            if _held[0] > LARGEST_TOGETHER and len(kept) > LARGE:
                raise CallError(
                    f"the replies under way have more than {LARGEST_TOGETHER // 2**20} MB "
                    "together; this large one is not read any further",
                    kind="too_large",
                )
        return True

    def whole(self) -> bytes:
        """All of it; it is under way no longer."""
        content = bytes(self._kept[: self._limit] if self._cut else self._kept)
        self.drop()
        return content

    def drop(self) -> None:
        """Forget it."""
        _held[0] -= len(self._kept)
        self._kept = bytearray()


class _Unpacker:
    """Unpacks gzip and deflate a piece at a time, so that little is ever held."""

    def __init__(self, packing: str) -> None:
        self._deflate = packing == "deflate"
        self._engine = zlib.decompressobj(47)  # gzip or zlib, by its header
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        more = True
        while data or more:
            try:
                part = self._engine.decompress(data, PIECE)
            except zlib.error as error:
                if self._begun or not self._deflate:
                    raise CallError(
                        f"the reply cannot be unpacked ({error})",
                        kind="bad_response",
                        retryable=True,
                    ) from None
                self._engine, self._begun = zlib.decompressobj(-15), True  # without a header
                continue
            self._begun = True
            if part:
                yield part
            data = self._engine.unconsumed_tail
            more = len(part) == PIECE
            if self._engine.eof:
                data = self._engine.unused_data.lstrip(b"\x00")
                if not data:
                    return
                self._engine, more = zlib.decompressobj(47), False


def _unpacker(named: bytes) -> _Unpacker | None:
    packing = named.decode("latin-1").strip().lower()
    if packing in ("", "identity"):
        return None
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise CallError(
            f"the reply is packed as {packing[:40]!r}, which was not asked for",
            kind="bad_response",
            retryable=True,
        )
    return _Unpacker(packing)
