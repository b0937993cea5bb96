"""docs/cards.md names every field that a loader knows."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from heartloop.cards import load_stimuli, load_task, load_verifier
from heartloop.errors import CardError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "cards.md"


@pytest.mark.parametrize(
    ("load", "text"),
    [
        (load_task, "zzz: 1"),
        (load_task, "source: {zzz: 1}"),
        (load_task, "source: {hub: {path: a/b, zzz: 1}}"),
        (load_task, "prompt: {zzz: 1}"),
        (load_task, "sampling: {zzz: 1}"),
        (load_stimuli, "zzz: 1\nstimuli: [{id: A, text: b}]"),
        (load_stimuli, "stimuli: [{id: A, text: b, zzz: 1}]"),
        (load_stimuli, "defaults: {zzz: 1}\nstimuli: [{id: A, text: b}]"),
        (load_verifier, "zzz: 1\nkind: exact"),
        (load_verifier, "kind: exact\nextract: {zzz: 1}"),
    ],
)
def test_every_field_is_documented(
    tmp_path: Path, load: Callable[[str], object], text: str
) -> None:
    path = tmp_path / "card.yaml"
    path.write_text(text)
    with pytest.raises(CardError, match="unknown field") as caught:
        load(str(path))
    known = re.search(r"known: (.*)$", str(caught.value))
    assert known is not None
    page = PAGE.read_text(encoding="utf-8")
    missing = [name for name in known[1].split(", ") if f"`{name}`" not in page]
    assert missing == []


def test_the_examples_of_the_page_are_good_cards(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    loaders = [load_stimuli, load_task, load_task, load_verifier]
    assert len(blocks) == len(loaders)
    for i, (load, block) in enumerate(zip(loaders, blocks, strict=True)):
        path = tmp_path / f"example{i}.yaml"
        path.write_text(block)
        card = load(str(path))
        assert getattr(card, "members", ()) == () or len(card.members) == 2  # type: ignore
