"""Values made quickly are frozen dataclasses in everything else."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest

from heartloop.types import Completion, Trace, Usage
from heartloop.values import quick


@dataclass(frozen=True, slots=True)
class Plain:
    """As `dataclasses` makes it."""

    name: str
    count: int = 1
    notes: Mapping[str, Any] = field(default_factory=dict)


Quick = quick(dataclass(frozen=True, slots=True)(type("Quick", (), dict(
    __annotations__=Plain.__annotations__, count=1, notes=field(default_factory=dict)
))))  # fmt: skip


def test_a_quick_value_takes_what_the_plain_one_takes() -> None:
    plain, made = inspect.signature(Plain), inspect.signature(Quick)
    assert list(plain.parameters) == list(made.parameters)
    for one, other in zip(plain.parameters.values(), made.parameters.values(), strict=True):
        assert (one.kind, one.annotation) == (other.kind, other.annotation)
    for given in [dict(name="a"), dict(name="a", count=2, notes={"b": 1}), dict(name=None)]:
        assert repr(Quick(**given)) == repr(Plain(**given)).replace("Plain", "Quick")
    assert Quick("a").notes is not Quick("a").notes
    for wrong in [dict(), dict(name="a", other=1)]:
        with pytest.raises(TypeError):
            Quick(**wrong)


def test_a_quick_value_is_frozen_and_can_be_compared_copied_and_pickled() -> None:
    value = Completion("yes", usage=Usage(1, 2), key="k")
    with pytest.raises(FrozenInstanceError):
        value.text = "no"  # type: ignore[misc]
    trace = Trace("q", "a", (), None)
    for one in (value, trace):
        assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one == replace(one)
    assert hash(Usage(1, 2)) == hash(Usage(1, 2)) and Usage(1) != Usage(2)
