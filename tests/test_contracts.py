"""What rooms ask of one another is declared: no attribute is looked for by its name in a string."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from heartloop import provider
from heartloop.models import ModelOptions, make_model
from heartloop.run.ask import BoundAsk
from heartloop.types import Ask

PACKAGE = Path(__file__).resolve().parent.parent / "heartloop"
ROOMS = ("calls", "methods", "run", "optimize", "report", "grading", "data", "serving")
# What a stranger's function or another library's object may carry, and nothing of ours.
FOREIGN = {
    ("run/doors.py", "params"),  # of a method from a file
    ("run/session.py", "uncancel"),  # tasks have it from Python 3.11 on
    ("data/rows.py", "lineno"),  # of a decoder's error
    ("data/fetch.py", "reason"),  # of urllib's error
}


def looked_for(path: Path) -> set[str]:
    """Names that a module looks for with getattr or hasattr, as constants."""
    return {
        str(node.args[1].value)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("getattr", "hasattr")
        and isinstance(node.args[1], ast.Constant)
    }


def test_no_room_looks_for_an_attribute_that_no_contract_names() -> None:
    paths = [path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")]
    found = {(str(path.relative_to(PACKAGE)), name) for path in paths for name in looked_for(path)}
    assert found <= FOREIGN, sorted(found - FOREIGN)


def test_what_a_method_may_ask_for_cannot_be_forgotten() -> None:
    offered = {name for name, value in vars(Ask).items() if isinstance(value, property)}
    given = inspect.signature(BoundAsk).parameters
    assert {"helper", "learner"} == offered
    assert all(given[name].default is inspect.Parameter.empty for name in offered)


HALVES = [
    half for half in vars(provider).values()
    if inspect.isclass(half) and getattr(half, "_is_runtime_protocol", False)
]  # fmt: skip


def test_our_providers_keep_the_optional_halves() -> None:
    server = make_model("server/m", ModelOptions(base_urls=("http://127.0.0.1:9/v1",)))
    offered = {half.__name__ for half in HALVES if isinstance(server, half)}
    assert offered == {half.__name__ for half in HALVES} - {"Checks", "Lasting", "TakesTurns"}
    pocket = make_model("pocket")
    assert [half for half in HALVES if isinstance(pocket, half)] == []
    from heartloop.models.vllm import VllmModel

    assert issubclass(VllmModel, type(server))  # what a served model offers, it offers


@pytest.mark.slow
def test_mypy_catches_a_helper_that_is_dropped(tmp_path: Path) -> None:
    code = tmp_path / "dropped.py"
    code.write_text(
        "from heartloop.calls import Client\n"
        "from heartloop.provider import TakesSeeds\n"
        "from heartloop.run.ask import BoundAsk\n"
        "from heartloop.run.unit import Unit\n"
        "from heartloop.types import Ask, Model\n"
        "def dropped(client: Client, unit: Unit) -> Ask:\n"
        "    return BoundAsk(client, unit, learner=None)\n"
        "def renamed(model: Model) -> str:\n"
        "    return model.request_seed if isinstance(model, TakesSeeds) else ''\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(code)],
        cwd=PACKAGE.parent, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert 'Missing named argument "helper"' in done.stdout
    assert '"request_seed"' in done.stdout
