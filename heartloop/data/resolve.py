"""What ``--task`` names: tasks, suites, patterns, card files, and tables as tasks of their own."""

from __future__ import annotations

import fnmatch
import hashlib
from pathlib import Path

from heartloop.cards.find import list_cards
from heartloop.cards.task import Prompt, Source, TaskCard, load_task
from heartloop.data.files import SUFFIXES
from heartloop.data.items import Raw
from heartloop.data.perturb import MARK, changed_card
from heartloop.data.sources import locate
from heartloop.errors import DataError, UsageError
from heartloop.types import Sampling

CUSTOM_SAMPLING = Sampling(temperature=0.7, max_tokens=2048)


def resolve_tasks(spec: str, *, data_dir: str | Path | None = None) -> list[TaskCard]:
    """Task cards for a specification.

    Args:
        spec: names separated by commas: tasks (``bigbench/snarks``), suites (``bigbench``),
            patterns (``bbh/logical_*``), card files (``my.yaml``) or tables (``my.jsonl``,
            ``my.csv``) with columns question and answer; ``NAME~numbers`` asks maths tasks with a
            number changed.
        data_dir: as for ``load_data``; a card that names no verifier gets one from its data.

    Returns:
        One card a task, suites expanded, in the order named, each task once.

    Raises:
        UsageError: a name that is no task.
        DataError: a table that cannot be read.
    """
    names = [part.strip() for part in spec.split(",") if part.strip()]
    if not names:
        raise UsageError("--task: names no task; `heartloop tasks list` shows all")
    cards: dict[str, TaskCard] = {}
    for name in names:
        for card in _resolve(name, (), data_dir):
            known = cards.setdefault(card.name, card)
            if known.path != card.path:
                raise UsageError(
                    f"--task: {known.path} and {card.path} are both named {card.name}; rename one"
                )
    return list(cards.values())


def _resolve(name: str, inside: tuple[str, ...], data_dir: str | Path | None) -> list[TaskCard]:
    if name.endswith(MARK):
        found = _resolve(name.removesuffix(MARK), inside, data_dir)
        return [changed_card(card) for card in found]
    if "~" in Path(name).name and not Path(name).is_file():
        raise UsageError(
            f"--task {name}: behind ~ stands one word alone: TASK{MARK} changes a number in each "
            "question"
        )
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES:
        return [custom_task(Path(name))]
    if suffix not in ("", ".yaml", ".yml") and Path(name).is_file():
        raise DataError(
            f"{name}: {suffix} is no table that can be read; save it as one of "
            f"{', '.join(SUFFIXES)}, or give a task card (.yaml)"
        )
    if any(c in name for c in "*?["):
        hits = [ref.name for ref in list_cards("tasks") if fnmatch.fnmatchcase(ref.name, name)]
        if not hits:
            raise UsageError(f'--task: "{name}" matches no task; `heartloop tasks list` shows all')
        found = [load_task(hit) for hit in hits]
        return [_settled(card, data_dir) for card in found if not card.members]
    card = load_task(name)
    if not card.members:
        return [_settled(card, data_dir)]
    if card.name in inside:
        raise UsageError(f"{card.path}: members: the suite {card.name} holds itself")
    chain = (*inside, card.name)
    return [found for member in card.members for found in _resolve(member, chain, data_dir)]


def custom_task(path: Path) -> TaskCard:
    """A table as a task of its own; its verifier follows from what its rows hold.

    Raises:
        DataError: no such file, or it cannot be read; names file, line and field.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    name = "".join(c if c.isalnum() or c in "-_." else "_" for c in path.stem).strip(".") or "task"
    digest = hashlib.sha256(data).hexdigest()
    card = TaskCard(
        name=name,
        path=path,
        sha256=digest,
        title=f"{path.name}, a table of questions and answers",
        family="custom",
        source=Source(
            local=(str(path.resolve()),), format=SUFFIXES[path.suffix.lower()], hashes=(digest,)
        ),
        licence="the user's own",
        prompt=Prompt(),
        sampling=CUSTOM_SAMPLING,
        verifier="auto",
        baselines=("echo", "majority", "chance"),
    )
    from heartloop.data.readers.table import settle_verifier

    return settle_verifier(card, Raw(str(path), (path,)))


def _settled(card: TaskCard, data_dir: str | Path | None) -> TaskCard:
    """A card whose verifier is chosen from its data, as far as they are on this machine."""
    if card.verifier != "auto":
        return card
    found = locate(card, data_dir)
    if found is None:
        return card
    from heartloop.data.readers.table import settle_verifier

    return settle_verifier(card, found.raw)
