"""Keys and numbers: as a dict has them, in less memory."""

from __future__ import annotations

import os

from heartloop.calls.index import FIRST, Index


def test_an_index_holds_what_a_dict_would() -> None:
    keys = [os.urandom(16) for _ in range(3 * FIRST)]
    keys += [n.to_bytes(8, "little") + bytes(8) for n in range(0, 50 * FIRST, FIRST)]  # one slot
    keys += [bytes(16), b"\xff" * 16, b"", b"short", b"one that is much longer than a hash"]
    index, known = Index(), dict[bytes, int]()
    for number, key in enumerate([*keys, *keys[:100]], start=1):
        assert (key in index) == (key in known)
        index[key] = known[key] = number
    assert len(index) == len(known)
    assert {key: index.get(key) for key in known} == known
    assert index.get(os.urandom(16)) is None and os.urandom(16) not in index


def test_an_index_takes_a_fraction_of_a_dict() -> None:
    index = Index()
    for _ in range(20_000):
        index[os.urandom(16)] = 1 << 40
    assert index.memory <= 72 * 20_000
