"""Whatever stands in a card file: it loads, or one CardError says what is wrong."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heartloop.cards import load_stimuli, load_task, load_verifier
from heartloop.cards._yaml import parse
from heartloop.errors import CardError, UsageError

ROOT = Path(__file__).resolve().parents[2]
WORDS = [":", "- ", "  ", "\t", "{", "}", "[", "]", "&a", "*a", "!!int", "|", ">-", '"', "'", "~"]
VALUES = [
    "1",
    "-0.5",
    "true",
    "[]",
    "{}",
    "[1, {a: b}]",
    "''",
    "~",
    "2024-01-01",
    "x: y",
    "!!set {}",
]


@settings(max_examples=300)
@given(
    st.binary(max_size=80)
    | st.lists(st.sampled_from(WORDS) | st.text(max_size=4)).map(
        lambda parts: "".join(parts).encode()
    )
)
def test_any_bytes_parse_or_raise_a_card_error(raw: bytes) -> None:
    try:
        assert isinstance(parse(raw, "card.yaml").plain(), dict)
    except CardError as error:
        assert str(error).startswith("card.yaml:") and "\n" not in str(error)


@pytest.mark.parametrize(
    ("load", "source"),
    [
        (load_stimuli, "stimuli/heart.yaml"),
        (load_stimuli, "stimuli/controls.yaml"),
        (load_task, "tasks/olympiad.yaml"),
        (load_task, "tasks/bbh.yaml"),
        (load_verifier, "verifiers/math.yaml"),
    ],
)
def test_a_damaged_card_loads_or_raises_one_line(tmp_path: Path, load, source: str) -> None:
    lines = (ROOT / source).read_text(encoding="utf-8").splitlines()
    rng = random.Random(source)
    path = tmp_path / "card.yaml"
    refused = 0
    for _ in range(60):
        damaged = list(lines)
        at = rng.randrange(len(damaged))
        head, colon, _tail = damaged[at].partition(":")
        damaged[at] = rng.choice(
            [
                "",
                "  " + damaged[at],
                head,
                f"{head}x{colon} 1",
                f"{head}{colon} {rng.choice(VALUES)}",
            ]
        )
        path.write_text("\n".join(damaged), encoding="utf-8")
        try:
            load(str(path))
        except UsageError as error:
            refused += 1
            assert "\n" not in str(error) and "card.yaml" in str(error)
    assert refused > 10
