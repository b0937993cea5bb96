"""Which local models share which cards, and which come after which: a plan over several models.

`waves` decides it beforehand and is a function of sizes alone. `Cards` keeps account while a run
goes on: a model of a later wave is loaded as soon as its cards are free, while others of the wave
before still answer. On a machine without a GPU the main memory is the one card.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from heartloop.errors import UsageError

GIB = 1 << 30
USABLE = 0.9  # of a card: what vLLM, too, takes at most by itself
ROOM = 4.0  # GiB a server wants beside its weights at the least: key-value cache and buffers
WEIGHTS = (".safetensors", ".bin", ".pt", ".gguf")
CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU, or the main memory; gib: its memory, None where nobody tells."""

    id: str
    gib: float | None


@dataclass(frozen=True, slots=True)
class Need:
    """A model and what one server of it takes.

    Attributes:
        model: its full name.
        gib: weights and room, over all cards of a server; None where the size is unknown: such a
            model shares no card.
        stays: it is needed as long as the run lasts (a judge, a helper).
    """

    model: str
    gib: float | None
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model's servers go.

    Attributes:
        model: its full name.
        wave: models of the same number are loaded together.
        groups: the cards of each server.
        gib: what a server may take of each of its cards.
        share: the same as a share of the card.
        stays: it keeps them as long as the run lasts.
    """

    model: str
    wave: int
    groups: tuple[tuple[str, ...], ...]
    gib: float
    share: float
    stays: bool = False

    @property
    def cards(self) -> tuple[str, ...]:
        """All its cards, in order."""
        return tuple(dict.fromkeys(card for group in self.groups for card in group))


def waves(needs: Sequence[Need], cards: Sequence[Card], span: int | None = None) -> list[Place]:
    """Give every model its cards and its wave.

    Models come in their order, those that stay first. Each goes to the emptiest card, to as many
    as it needs where one is too small (a power of two), and begins a new wave where the wave it
    comes to has no room. Within a wave, cards that are left are given to further servers, fewest
    servers first, and memory that is left is shared out in proportion.

    Args:
        needs: the models of a plan.
        cards: those that may be used.
        span: cards that every server spans, where the user says so.

    Returns:
        A place for every need, wave by wave.

    Raises:
        UsageError: a model does not fit on all cards together.
    """
    known = all(card.gib is not None for card in cards)
    whole = {card.id: (card.gib or 1.0) for card in cards}
    free = {id: USABLE * gib for id, gib in whole.items()}
    staying = [need for need in needs if need.stays]
    places: list[Place] = []
    for need in staying:
        group, gib = _seat(need, free, whole, span, known, staying)
        free = _without(free, group, gib)
        places.append(Place(need.model, 0, (group,), gib, gib / whole[group[0]], stays=True))
    wave, left, seated = 0, dict(free), list[tuple[Need, tuple[str, ...], float]]()
    for need in (need for need in needs if not need.stays):
        try:
            group, gib = _seat(need, left, whole, span, known, staying)
        except UsageError:
            if not seated:
                raise
            places += _spread(seated, left, whole, wave)
            wave, left, seated = wave + 1, dict(free), []
            group, gib = _seat(need, left, whole, span, known, staying)
        left = _without(left, group, gib)
        seated.append((need, group, gib))
    return places + _spread(seated, left, whole, wave)


def _seat(
    need: Need,
    free: Mapping[str, float],
    whole: Mapping[str, float],
    span: int | None,
    known: bool,
    staying: Sequence[Need],
) -> tuple[tuple[str, ...], float]:
    """The cards of one server and what it takes of each."""
    by_room = sorted(free, key=lambda id: (-free[id], list(free).index(id)))
    count = span or 1
    while count <= len(by_room):
        taken = by_room[:count]
        full = USABLE * min(whole[id] for id in taken)
        gib = full if need.gib is None or not known else need.gib / count
        if all(free[id] + 1e-9 >= gib for id in taken):
            return tuple(sorted(taken, key=list(free).index)), gib
        if span or need.gib is None or not known:
            break
        count *= 2
    size = "all of a card" if need.gib is None else f"{need.gib:.1f} GiB"
    beside = (
        f" beside {', '.join(n.model for n in staying)}" if staying and need.stays is False else ""
    )
    raise UsageError(
        f"--model {need.model}: a server of it takes {size} and does not fit on "
        f"{len(whole)} card{'s' if len(whole) > 1 else ''} of "
        f"{min(whole.values()):.1f} GiB{beside}; start it elsewhere and name it with server/NAME "
        "and --base-url"
    )


def _without(free: Mapping[str, float], group: Sequence[str], gib: float) -> dict[str, float]:
    return {id: room - gib if id in group else room for id, room in free.items()}


def _spread(
    seated: Sequence[tuple[Need, tuple[str, ...], float]],
    left: dict[str, float],
    whole: Mapping[str, float],
    wave: int,
) -> list[Place]:
    """Places of one wave: empty cards to further servers, memory left over shared out."""
    used = {id for _, group, _ in seated for id in group}
    groups = [[group] for _, group, _ in seated]
    taken = [gib for _, _, gib in seated]
    while True:
        empty = [id for id in left if id not in used]
        fits = [
            i
            for i in range(len(seated))
            if len(groups[i][0]) <= len(empty)
            and all(left[id] + 1e-9 >= taken[i] for id in empty[: len(groups[i][0])])
        ]
        if not fits:
            break
        i = min(fits, key=lambda i: len(groups[i]))
        group = tuple(empty[: len(groups[i][0])])
        groups[i].append(group)
        used.update(group)
        left.update({id: left[id] - taken[i] for id in group})
    asked = {
        id: sum(g for gs, g in zip(groups, taken, strict=True) for x in gs if id in x)
        for id in left
    }
    places = []
    for (need, _, _), mine, gib in zip(seated, groups, taken, strict=True):
        cards = [id for group in mine for id in group]
        more = min((left[id] + asked[id]) / asked[id] for id in cards)
        share = min(gib * more / whole[id] for id in cards)
        places.append(Place(need.model, wave, tuple(mine), gib * more, share))
    return places


class Cards:
    """What is free on the cards while a run goes on."""

    def __init__(self, cards: Sequence[Card]) -> None:
        """All of them empty."""
        self._free = {card.id: USABLE * (card.gib or 1.0) for card in cards}
        self._waiting: list[tuple[Place, asyncio.Future[None]]] = []

    async def take(self, place: Place) -> None:
        """Wait until a model's cards have room, and take it; earlier waves go first."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((place, turn))
        self._waiting.sort(key=lambda waiting: waiting[0].wave)
        self._admit()
        try:
            await turn
        except asyncio.CancelledError:
            self._waiting = [(p, t) for p, t in self._waiting if t is not turn]
            if turn.done() and not turn.cancelled():
                self._give(place)
            self._admit()
            raise

    def leave(self, place: Place) -> None:
        """Give the room back."""
        self._give(place)
        self._admit()

    def _give(self, place: Place) -> None:
        for id in place.cards:
            self._free[id] += place.gib

    def _admit(self) -> None:
        kept: set[str] = set()  # by somebody in front who waits for the rest of its cards
        still = []
        for place, turn in self._waiting:
            if turn.done():
                continue
            roomy = all(self._free[id] + 1e-6 >= place.gib for id in place.cards)
            if roomy and not kept & set(place.cards):
                for id in place.cards:
                    self._free[id] -= place.gib
                turn.set_result(None)
            else:
                kept |= set(place.cards)
                still.append((place, turn))
        self._waiting = still


def visible_gpus() -> list[str]:
    """Ids of the GPUs that may be used: CUDA_VISIBLE_DEVICES, else what nvidia-smi lists."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [gpu.strip() for gpu in chosen.split(",") if gpu.strip()]
    return [index for index, _, _ in _listed()]


def visible_cards() -> list[Card]:
    """The GPUs with their memory; without any, the main memory that is free now."""
    listed = _listed()
    sizes = {name: mib / 1024 for index, uuid, mib in listed for name in (index, uuid)}
    gpus = visible_gpus()
    if gpus:
        return [Card(gpu, sizes.get(gpu)) for gpu in gpus]
    return [Card(CPU, _main_memory())]


def _listed() -> list[tuple[str, str, float]]:
    """Index, UUID and memory in MiB of every GPU that nvidia-smi lists."""
    if shutil.which("nvidia-smi") is None:
        return []
    try:
        said = subprocess.run(
            ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        ).stdout
        rows = [[cell.strip() for cell in line.split(",")] for line in said.splitlines()]
        return [(index, uuid, float(mib)) for index, uuid, mib in rows]
    except (OSError, subprocess.SubprocessError, ValueError):
        return []


def _main_memory() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None
    return kib * 1024 / GIB


def size_of(path: str) -> float | None:
    """GiB of a model's weights: a folder's, or those that the hub's cache holds; None: unknown."""
    folder = Path(path)
    if not folder.is_dir():
        home = os.environ.get("HF_HUB_CACHE") or Path(
            os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"), "hub"
        )
        kept = Path(home) / f"models--{path.replace('/', '--')}" / "snapshots"
        found = sorted(kept.glob("*/")) if kept.is_dir() else []
        if not found:
            return None
        folder = found[-1]
    by_kind = {
        kind: sum(file.stat().st_size for file in folder.glob(f"*{kind}")) for kind in WEIGHTS
    }
    first = next((size for size in by_kind.values() if size), 0)  # one format of several is loaded
    return first / GIB if first else None


def need_of(model: str, path: str, *, stays: bool = False) -> Need:
    """What a server of a model takes; a tenth more than its weights, and `ROOM`."""
    size = size_of(path)
    return Need(model, None if size is None else 1.1 * size + ROOM, stays)
