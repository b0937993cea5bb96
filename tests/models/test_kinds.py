"""One list of model kinds: what it says is what is made, priced and told."""

import importlib

import pytest

from heartloop.calls.prices import FREE
from heartloop.errors import UsageError
from heartloop.models import make_model
from heartloop.models.kinds import KINDS, kind_of


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_each_kind_has_the_model_that_it_names(kind):
    module = pytest.importorskip(f"heartloop.models.{kind.module}")
    assert hasattr(module, kind.attribute)
    assert kind_of(kind.spec) is kind and (kind.name in FREE) == kind.free
    if kind.after:
        for spec in (kind.name, f"{kind.name}/"):
            with pytest.raises(UsageError, match="needs a"):
                make_model(spec)


def test_a_name_that_only_begins_like_a_kind_is_none_of_it():
    assert kind_of("pocketful/model") is None and kind_of("serverless") is None
    assert importlib.import_module("heartloop.cli.models")._kinds()[0][0] == "pocket"


def test_help_and_doctor_name_every_kind(monkeypatch):
    from heartloop.cli import _examine
    from heartloop.cli._flags import WHAT

    function = WHAT(lambda: None)
    said = next(p.help for p in function.__click_params__ if p.name == "model")
    assert all(kind.spec in said for kind in KINDS.values())
    monkeypatch.setattr(_examine.importlib.util, "find_spec", lambda name: None)
    found = {one.name: one for one in _examine._kinds()}
    assert list(found) == [f"--model {kind.spec}" for kind in KINDS.values()]
    lacking = {name for name, one in found.items() if one.state == "absent"}
    assert lacking == {f"--model {kind.spec}" for kind in KINDS.values() if kind.needs}
    assert all(found[name].remedy for name in lacking)
