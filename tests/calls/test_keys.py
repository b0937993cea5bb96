"""Identity of calls: what changes a key, what does not, and that seeds are derived."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from heartloop.calls import call_key, derive_seed
from heartloop.types import Address, Message, Request, Sampling

ADDRESS = Address("olympiad", "1606", "server/mock", 0, 0, 7)
REQUEST = Request(ADDRESS, (Message("system", "Think."), Message("user", "1 + 1?")))


def test_key_is_pinned_so_that_old_journals_stay_valid():
    assert call_key(REQUEST) == call_key(REQUEST)
    assert len(call_key(REQUEST)) == 32
    assert call_key(REQUEST) == "2ba611f30006e2c8490ae5993fa38652"
    assert derive_seed(ADDRESS) == 1901745136


def test_arm_purpose_extends_and_sent_seed_are_not_part_of_the_key():
    for change in ({"arm": "x"}, {"purpose": "feedback"}, {"extends": "0" * 32}, {"seed": 3}):
        assert call_key(replace(REQUEST, **change)) == call_key(REQUEST)


def test_every_part_of_address_messages_and_sampling_changes_the_key():
    changed = [
        replace(REQUEST, address=replace(ADDRESS, **change))
        for change in (
            {"task": "t"},
            {"question": "2"},
            {"model": "m"},
            {"round": 1},
            {"draw": 1},
            {"seed": 8},
        )
    ]
    changed += [
        replace(REQUEST, messages=messages)
        for messages in (
            (),
            REQUEST.messages[:1],
            REQUEST.messages[::-1],
            (Message("system", "Think.1 + 1?"),),
            (Message("user", "Think."), Message("user", "1 + 1?")),
        )
    ]
    changed += [
        replace(REQUEST, sampling=sampling)
        for sampling in (
            Sampling(temperature=0.0),
            Sampling(temperature=0.5),
            Sampling(max_tokens=5),
            Sampling(top_p=0.5),
            Sampling(stop=("x",)),
            Sampling(logprobs=True),
            Sampling(reasoning_effort="low"),
            Sampling(response_format={"type": "json_object"}),
            Sampling(continue_final_message=True),
            Sampling(extra={"top_k": 5}),
        )
    ]
    keys = {call_key(request) for request in [REQUEST, *changed]}
    assert len(keys) == len(changed) + 1


def test_whole_and_fractional_spelling_of_a_temperature_share_a_key():
    one, other = (replace(REQUEST, sampling=Sampling(temperature=t)) for t in (1, 1.0))
    assert call_key(one) == call_key(other)


def test_order_of_extra_fields_does_not_matter():
    one, other = (
        replace(REQUEST, sampling=Sampling(extra=extra))
        for extra in ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    )
    assert call_key(one) == call_key(other)


@given(st.lists(st.text(max_size=5), min_size=2, max_size=4), st.data())
def test_parts_never_run_together(texts, data):
    joined = "".join(texts)
    cut = data.draw(st.integers(0, len(joined)))
    first = replace(REQUEST, address=replace(ADDRESS, task=texts[0], question="".join(texts[1:])))
    second = replace(REQUEST, address=replace(ADDRESS, task=joined[:cut], question=joined[cut:]))
    same = first.address == second.address
    assert (call_key(first) == call_key(second)) == same
    assert (derive_seed(first.address) == derive_seed(second.address)) == same


def test_seed_is_31_bits_and_differs_by_draw():
    seeds = {derive_seed(replace(ADDRESS, draw=draw)) for draw in range(200)}
    assert len(seeds) == 200
    assert all(0 <= seed < 2**31 for seed in seeds)
