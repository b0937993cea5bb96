"""Pocket's numpy network: chunks, caches and batches do not change what it computes."""

import struct

import numpy as np
import pytest

from heartloop.models.pocket import CHECKPOINT, _network

W = _network.load(CHECKPOINT)
IDS = list(range(300, 340))


def whole(ids):
    cache = _network.Cache(W, 1, len(ids))
    return _network.logits(W, _network.prefill(W, cache, 0, ids, 0))


def test_reading_in_pieces_is_reading_at_once():
    cache = _network.Cache(W, 3, 64)
    parts = [_network.prefill(W, cache, 2, IDS[a:b], a) for a, b in ((0, 7), (7, 8), (8, 40))]
    assert np.allclose(_network.logits(W, np.concatenate(parts)), whole(IDS), atol=1e-4)


def test_one_token_at_a_time_is_reading_at_once():
    cache = _network.Cache(W, 2, 64)
    expected = whole(IDS)
    for n, token in enumerate(IDS):
        state = _network.decode(W, cache, np.array([token]), np.array([n]))
        assert np.allclose(_network.logits(W, state)[0], expected[n], atol=1e-4)


def test_rows_of_different_length_do_not_see_one_another():
    cache = _network.Cache(W, 3, 64)
    lengths = [3, 20, 11]
    for row, n in enumerate(lengths):
        _network.prefill(W, cache, row, IDS[row : row + n], 0)
    tokens = np.array([IDS[row + n] for row, n in enumerate(lengths)])
    states = _network.decode(W, cache, tokens, np.array(lengths))
    scores = _network.logits(W, states)
    for row, n in enumerate(lengths):
        alone = whole(IDS[row : row + n + 1])[-1]
        assert np.allclose(scores[row], alone, atol=1e-4)


def test_a_resized_cache_keeps_its_content():
    cache = _network.Cache(W, 1, 16)
    _network.prefill(W, cache, 0, IDS[:10], 0)
    cache = cache.resized(W, 4, 64)
    cache.copy_row(0, 3, 10)
    state = _network.prefill(W, cache, 3, IDS[10:12], 10)
    assert np.allclose(_network.logits(W, state), whole(IDS[:12])[10:], atol=1e-4)


@pytest.mark.parametrize("kind", ["BF16", "F16", "F32"])
def test_safetensors_of_every_float_type_are_read(tmp_path, kind):
    values = np.array([[1.5, -2.0, 0.25]], np.float32)
    data = {
        "BF16": (values.view(np.uint32) >> 16).astype("<u2").tobytes(),
        "F16": values.astype("<f2").tobytes(),
        "F32": values.tobytes(),
    }[kind]
    header = f'{{"x":{{"dtype":"{kind}","shape":[1,3],"data_offsets":[0,{len(data)}]}}}}'.encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    assert np.array_equal(_network.read_safetensors(path)["x"], values)


def test_integers_are_refused(tmp_path):
    header = b'{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}'
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(ValueError, match="I64"):
        _network.read_safetensors(path)
