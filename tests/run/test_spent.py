"""Running totals of a trace follow the order of asking, whatever comes back first."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from heartloop.run.ask import BoundAsk
from heartloop.types import Arm, Completion, Message, Question, Request, Sampling, Usage


class Slow:
    """Answers draw 0 last."""

    def raise_if_stopped(self) -> None:
        pass

    async def ask(self, request: Request) -> Completion:
        draw = request.address.draw
        await asyncio.sleep(0.02 if draw == 0 else 0.0)
        return Completion("x", usage=Usage(10, draw + 1), key=f"{draw:02x}")


def test_totals_do_not_depend_on_which_answer_comes_first() -> None:
    task = SimpleNamespace(
        grader=None, sampling=Sampling(), card=SimpleNamespace(name="t"), mode="oracle"
    )
    unit: Any = SimpleNamespace(
        task=task, question=Question("q", "t", 0, "?"), model="m", seed=0, arm=Arm("a")
    )

    async def work() -> dict[str, tuple[int, Usage]]:
        client: Any = Slow()
        ask = BoundAsk(client, unit, learner=None, helper=None)
        said = (Message("user", "?"),)
        await asyncio.gather(*(ask(said, draw=draw) for draw in range(3)))
        assert ask.calls == 3 and ask.usage.total == 36
        return ask.spent

    assert asyncio.run(work()) == {
        "00": (1, Usage(10, 1)),
        "01": (2, Usage(20, 3)),
        "02": (3, Usage(30, 6)),
    }
