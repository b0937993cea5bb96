"""A scripted model for DSPy tests, over the real bridge: works with old and new DSPy alike."""

from __future__ import annotations

import contextlib
import threading

from heartloop.integrations.dspy.bridge import Bridge, LoopThread
from heartloop.integrations.dspy.engine import make_lm
from heartloop.types import Completion, Usage


def chat(**fields):
    """An answer in the form of DSPy's chat adapter."""
    body = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in fields.items())
    return f"{body}\n\n[[ ## completed ## ]]"


class Scripted:
    """Answers by a function of the call; remembers every call."""

    def __init__(self, reply):
        self.reply, self.calls, self.lock = reply, [], threading.Lock()

    async def __call__(self, call):
        with self.lock:
            self.calls.append(call)
            number = len(self.calls)
        text = self.reply(call) if callable(self.reply) else self.reply[number - 1]
        if isinstance(text, Exception):
            raise text
        return Completion(text, usage=Usage(100, 10), key=f"{number:02x}")

    def prompt(self, index):
        return "\n".join(message.content for message in self.calls[index].messages)

    def system(self, index):
        return self.calls[index].messages[0].content


@contextlib.contextmanager
def scripted(reply, **settings):
    """(model, lm): a scripted model and a DSPy LM in front of it."""
    thread = LoopThread()
    model = Scripted(reply)
    try:
        yield model, make_lm(Bridge(model, thread.loop), "test/scripted", **settings)
    finally:
        thread.close()
