"""The floors of the house: imports go down only, and start-up loads little."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "heartloop"
FLOORS = {
    "values": -1, "regex": -1,
    "types": 0, "errors": 0, "secrets": 0, "network": 0, "thinking": 0, "turn": 0, "provider": 0,
    "cards": 1, "analysis": 1, "models": 1, "serving": 1, "practice": 1,
    "grading": 2, "data": 2, "calls": 2, "style": 2,
    "methods": 3,
    "run": 4,
    "report": 5, "optimize": 5, "integrations": 5, "serve": 5,
    "cli": 6, "api": 6, "__init__": 7, "__main__": 7,
}  # fmt: skip
# Same-floor imports that the contracts need, and no others.
BESIDE = {
    ("data", "grading"): False,
    ("grading", "style"): True,  # tasks without a gold are read by mood and patterns
    ("provider", "types"): True,  # what a provider may offer beyond `Model`
    ("models", "serving"): True,  # vllm/… starts its servers
    ("integrations", "optimize"): True,  # the DSPy teleprompter is a front of the search
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("heartloop"):
            parts = node.module.split(".")
            if len(parts) > 1:
                found.add(parts[1])
            else:
                found |= {alias.name for alias in node.names if alias.name in FLOORS}
        elif isinstance(node, ast.Import):
            found |= {
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("heartloop.")
            }
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_each_floor_imports_only_floors_below(path: Path) -> None:
    own = room(path)
    assert own in FLOORS, f"{path}: a room without a floor"
    for other in imports(path) - {own}:
        assert other in FLOORS, f"{path} imports the unknown room {other}"
        allowed = FLOORS[other] < FLOORS[own] or BESIDE.get((own, other), False)
        assert allowed, f"{path}: floor {FLOORS[own]} imports {other} on floor {FLOORS[other]}"


def arrows() -> dict[str, set[str]]:
    """Which module imports which, at the top, inside a function or for its types alone.

    The door itself (``heartloop``, for its version) is left out: what it offers is looked up when
    it is asked for.
    """
    names = {}
    for path in modules():
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found: dict[str, set[str]] = {}
    for name, path in names.items():
        targets = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    targets.add(whole if whole in names else node.module)
            elif isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
        found[name] = (targets & names.keys()) - {name, "heartloop"}
    return found


def test_no_module_reaches_itself_through_its_imports() -> None:
    graph, done = arrows(), set[str]()

    def walk(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, "a circle: " + " → ".join((*way[way.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                walk(other, (*way, name))
            done.add(name)

    for name in sorted(graph):
        walk(name, ())


def loaded_by(code: str) -> set[str]:
    script = f"import sys, json; before = set(sys.modules); {code}; " + (
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_heartloop_loads_nothing_else() -> None:
    loaded = {name for name in loaded_by("import heartloop") if name.startswith("heartloop")}
    assert loaded == {"heartloop"}


def test_help_loads_click_and_no_command() -> None:
    loaded = loaded_by(
        "import contextlib, io, heartloop.cli as c\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    c.main(['--help'])\n"
        "import sys"
    )
    ours = {name for name in loaded if name.startswith("heartloop")}
    assert ours == {"heartloop", "heartloop.cli", "heartloop.cli._terminal", "heartloop.errors"}
    heavy = {"numpy", "httptools", "rich", "yaml", "litellm", "datasets", "orjson", "scipy"}
    assert not heavy & loaded


@pytest.mark.parametrize("module", ["heartloop.cli.run", "heartloop.cli.cards"])
def test_commands_do_not_load_what_they_may_not_need(module: str) -> None:
    heavy = {"litellm", "datasets", "evaluate", "torch", "dspy", "scipy", "matplotlib", "ray"}
    assert not heavy & loaded_by(f"import {module}")


def test_the_first_request_waits_for_no_statistics(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"question": "1+1?", "answer": "2"}\n')
    run = ["run", "--task", "t.jsonl", "--method", "single", "--controls", "none", "--json"]
    server = ["--model", "server/m", "--base-url", "http://127.0.0.1:9/v1", "--yes"]
    loaded = loaded_by(
        "import os, sys\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "from heartloop.models.http import HttpModel\n"
        "async def complete(self, request):\n"
        "    import json\n"
        "    print(json.dumps(sorted(sys.modules)), flush=True)\n"
        "    os._exit(0)\n"
        "HttpModel.complete = complete\n"
        "from heartloop.cli import main\n"
        f"main({run + server!r})"
    )
    late = {
        "aiohttp",
        "numpy",
        "rich",
        "sympy",
        "heartloop.report.findings",
        "heartloop.style.rules",
    }
    assert not late & loaded
