"""``--param wording=paper``: the tasks in their published wording."""

from __future__ import annotations

import pytest

from heartloop.cli._options import _in_wording
from heartloop.errors import UsageError


def test_the_published_wording_is_a_parameter() -> None:
    flags = {"param": ("wording=paper", "rounds=2")}
    tasks, left = _in_wording(("instruction_induction/sum", "bigbench/snarks"), flags)
    assert tasks == ("instruction_induction_paper/sum", "bigbench/snarks")
    assert left["param"] == ("rounds=2",)
    assert _in_wording(("instruction_induction",), {"param": ("wording=own",)})[0] == (
        "instruction_induction",
    )


def test_a_task_without_a_published_wording_is_refused() -> None:
    with pytest.raises(UsageError, match="simpleqa has no published wording"):
        _in_wording(("simpleqa",), {"param": ("wording=paper",)})
    with pytest.raises(UsageError, match="expected own or paper"):
        _in_wording(("bbh",), {"param": ("wording=loud",)})
