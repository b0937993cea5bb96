"""Plans, prices and flags that nest or expand without end, or hold the wrong kind of value."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from heartloop.calls.prices import load_prices
from heartloop.cli import main
from heartloop.cli._settings import scalar
from heartloop.errors import UsageError
from heartloop.run.plan import load_plan

LEVELS = "a0: &a0 x\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
ARMS = "tasks: [olympiad]\nmodels: [pocket]\narms: [{name: none}]\n"
HOSTILE = {
    "brackets": "[" * 50_000,
    "aliases": LEVELS,
    "a tag": "!!python/object/apply:os.system [echo]",
    "not UTF-8": b"\xff\xfe\x00".decode("latin-1"),
    "NUL": "a: \0",
    "a ring": "a: &a [*a]",
    "twice": "tasks: [x]\ntasks: [y]\n",
    "a list": "- 1\n",
    "empty": "",
}


@pytest.mark.parametrize("read", [load_plan, load_prices])
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_yaml_is_one_line_with_its_file(
    tmp_path: Path, kind: str, read: Callable[[Path], object]
) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(HOSTILE[kind].encode("latin-1"))
    with pytest.raises(UsageError, match=r"x\.yaml") as caught:
        read(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        "sampling: {extra: " + "{a: " * 60 + "1" + "}" * 60 + "}",
        "arms: [{name: x, stimuli: 5}]",
        "arms: [{name: x, stimuli: [5]}]",
        "arms: [{name: x, stimuli: [{id: 1}]}]",
        "arms: [{name: x, stimuli: [{set: a, id: b, text: c, sha256: d, novel: 1}]}]",
        "arms: [{name: x, method: 5}]",
        "arms: 5",
        "verifier: [1]",
        "selector: [1]",
        "data_dir: 5",
        "judge: {a: 1}",
        "match: [tokens]",
        "mode: [oracle]",
        "stop_when: [decided]",
        "reuse: [5]",
        "limits: {concurrency: [1]}",
        "limits: {rpm: x}",
        "server: {base_urls: 5}",
        "seeds: [x]",
        "margin: x",
    ],
)
def test_a_plan_with_the_wrong_kind_of_value_is_one_line(
    tmp_path: Path, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    name = change.partition(":")[0]
    kept = [line for line in ARMS.splitlines() if not line.startswith(name)]
    (tmp_path / "plan.yaml").write_text("\n".join([*kept, change, "practice: true\n"]))
    with pytest.raises(SystemExit) as ended:
        main(["run", "--plan", str(tmp_path / "plan.yaml"), "--dry-run", "--runs", str(tmp_path)])
    said = capsys.readouterr().err
    assert ended.value.code == 2, said
    assert said.count("\n") == 1 and "plan.yaml" in said, said


@pytest.mark.parametrize("value", ["[[[[", "{a", "&a [*a]", "[" * 5000])
def test_a_hostile_param_is_one_line(value: str) -> None:
    with pytest.raises(UsageError, match="--param x") as caught:
        scalar(value, "x")
    assert "\n" not in str(caught.value)


def test_ordinary_values_are_read_as_before() -> None:
    for text, value in {
        "3": 3, "0.5": 0.5, "true": True, "null": None, "abc": "abc", "[1, b]": [1, "b"],
        "{a: 1}": {"a": 1}, "1e-8": 1e-8, "": None,
    }.items():  # fmt: skip
        assert scalar(text) == value
