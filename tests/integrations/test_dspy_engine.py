"""heartloop under dspy.LM: journal, resume, addresses, draws, budgets, servers kept apart."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

dspy = pytest.importorskip("dspy")

from dspy_parts import chat, scripted  # noqa: E402

from heartloop.calls import Caps, Journal, Limits  # noqa: E402
from heartloop.errors import BudgetExceeded, UsageError  # noqa: E402
from heartloop.integrations.dspy import Engine, HeartLoop, example  # noqa: E402
from heartloop.integrations.dspy.engine import NATIVE  # noqa: E402

pytestmark = pytest.mark.dspy
QA = "question -> answer"


class Server:
    """A chat server on loopback that answers in DSPy's form and counts."""

    def __init__(self, name, status=200):
        self.bodies = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                outer.bodies.append(json.loads(raw))
                text = chat(answer=f"{name} {len(outer.bodies)}")
                message = {"role": "assistant", "content": text}
                body = {
                    "choices": [{"message": message, "finish_reason": "stop", "index": 0}],
                    "usage": {"prompt_tokens": 50, "completion_tokens": 10},
                }
                payload = json.dumps(body if status == 200 else {"error": "no"}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def server():
    made = []

    def start(name="one", **more):
        made.append(Server(name, **more))
        return made[-1]

    yield start
    for one in made:
        one.close()


def records(folder):
    with Journal.open(folder, read_only=True) as journal:
        return list(journal.records())


def test_a_program_asks_once_and_a_second_session_pays_nothing(server, tmp_path):
    one = server()
    for session in range(2):
        with Engine("server/m", tmp_path, base_urls=[one.url]) as engine:
            with dspy.context(lm=engine.lm(temperature=0.7, max_tokens=200)):
                answers = [dspy.Predict(QA)(question=f"{n}?").answer for n in range(3)]
            assert engine.stats.calls == (0 if session else 3)
            assert engine.stats.shared == (3 if session else 0)
        assert answers == ["one 1", "one 2", "one 3"]
    assert len(one.bodies) == 3 and one.bodies[0]["temperature"] == 0.7


def test_calls_carry_the_examples_address_also_from_worker_threads(server, tmp_path):
    one = server()
    with Engine("server/m", tmp_path, base_urls=[one.url]) as engine:
        with dspy.context(lm=engine.lm()):
            with example("qa", "q17"):
                HeartLoop(dspy.Predict(QA), rounds=1)(question="a?")
                dspy.Parallel(num_threads=2, disable_progress_bar=True)(
                    [(dspy.Predict(QA), {"question": f"{n}?"}) for n in range(2)]
                )
    found = [record["address"] for record in records(tmp_path)]
    assert {(one["task"], one["question"]) for one in found} == {("qa", "q17")}
    assert sorted(one["round"] for one in found) == [0, 0, 0, 1]


def test_rollouts_and_candidates_are_distinct_draws(server, tmp_path):
    one = server()
    with Engine("server/m", tmp_path, base_urls=[one.url]) as engine:
        with dspy.context(lm=engine.lm(temperature=0.7)):
            predict = dspy.Predict(QA)
            same = {predict(question="a?").answer for _ in range(2)}
            other = predict(question="a?", config={"rollout_id": 1, "temperature": 0.7}).answer
            both = predict(question="b?", config={"n": 2}).completions.answer
            again = predict(question="b?", config={"n": 2}).completions.answer
    assert len(same) == 1 and other not in same
    assert len(set(both)) == 2 and both == again
    assert len(one.bodies) == 4


def test_async_programs_and_many_loops_use_the_same_engine(server, tmp_path):
    one = server()
    with Engine("server/m", tmp_path, base_urls=[one.url]) as engine:
        lm = engine.lm()
        for n in range(2):

            async def go(number):
                with dspy.context(lm=lm):
                    return await dspy.Predict(QA).acall(question=f"{number}?")

            assert asyncio.run(go(n)).answer == f"one {n + 1}"


def test_two_servers_with_one_model_name_never_share_an_answer(server, tmp_path):
    """DSPy's cache keys leave out the address of the server; ours is not behind that cache."""
    first, second = server("first"), server("second")
    answers = []
    for name, one in (("a", first), ("b", second)):
        with Engine("server/m", tmp_path / name, base_urls=[one.url]) as engine:
            with dspy.context(lm=engine.lm()):
                answers.append(dspy.Predict(QA)(question="same?").answer)
    assert answers == ["first 1", "second 1"]


def test_a_token_cap_stops_the_program_with_our_own_error(server, tmp_path):
    one = server()
    caps = Caps(total_tokens=700)
    with Engine("server/m", tmp_path, base_urls=[one.url], caps=caps) as engine:
        with dspy.context(lm=engine.lm(max_tokens=50)):
            with pytest.raises(BudgetExceeded, match="700"):
                for n in range(50):
                    dspy.Predict(QA)(question=f"{n}?")
    assert 1 <= len(one.bodies) < 50


def test_a_failed_call_is_an_error_and_never_a_text(server, tmp_path):
    one = server(status=400)
    with Engine("server/m", tmp_path, base_urls=[one.url]) as engine:
        with dspy.context(lm=engine.lm()):
            with pytest.raises(Exception) as caught:
                dspy.Predict(QA)(question="a?")
    assert "400" in str(caught.value)
    # DSPy before 3.4 tries again in JSON after any error; newer ones only after unreadable text.
    assert len(one.bodies) == 1 or not NATIVE
    assert records(tmp_path)[0]["error"]


def test_calls_in_flight_stay_within_the_limit(server, tmp_path):
    one = server()
    limits = Limits(concurrency=2)
    with Engine("server/m", tmp_path, base_urls=[one.url], limits=limits) as engine:
        with dspy.context(lm=engine.lm()):
            dspy.Parallel(num_threads=8, disable_progress_bar=True)(
                [(dspy.Predict(QA), {"question": f"{n}?"}) for n in range(16)]
            )
        assert next(iter(engine.client.facts()["models"].values()))["peak_in_flight"] <= 2


def test_no_deprecated_form_is_used(server, tmp_path):
    one = server()
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=DeprecationWarning, module="heartloop")
        warnings.filterwarnings("error", message=".*(deprecated|removal in).*")
        with Engine("server/m", tmp_path, base_urls=[one.url]) as engine:
            with dspy.context(lm=engine.lm()):
                loop = HeartLoop(dspy.ChainOfThought(QA), rounds=1)
                with pytest.raises(Exception, match="reasoning|[Pp]arse"):
                    loop(question="a?")
                HeartLoop(dspy.Predict(QA), rounds=1)(question="a?")


def test_copies_share_the_engine_and_programs_with_it_can_be_copied():
    with scripted(lambda call: chat(answer="4")) as (model, lm):
        program = dspy.Predict(QA)
        program.set_lm(lm)
        copy = program.deepcopy()
        assert copy(question="2 + 2?").answer == "4" and len(model.calls) == 1
        assert lm.copy(temperature=0.1).kwargs["temperature"] == 0.1
        assert lm.kwargs.get("temperature") is None


def test_tools_and_unknown_options_are_refused(tmp_path):
    with scripted(lambda call: chat(answer="4")) as (model, lm):
        with dspy.context(lm=lm):
            with pytest.raises(UsageError, match="tools"):
                lm("hello", tools=[{"type": "function", "function": {"name": "f"}}])
    with pytest.raises(UsageError, match="base_urs"):
        Engine("server/m", tmp_path, base_urs=["x"])


def test_killed_at_any_moment_no_answer_is_paid_for_twice(server, tmp_path):
    one = server()
    script = (
        "import os, sys, dspy\n"
        "from heartloop.integrations.dspy import Engine\n"
        "engine = Engine('server/m', sys.argv[1], base_urls=[sys.argv[2]])\n"
        "dspy.configure(lm=engine.lm())\n"
        "for n in range(6):\n"
        "    dspy.Predict('question -> answer')(question=f'{n}?')\n"
        "    if n == 3 and sys.argv[3] == 'die':\n"
        "        os._exit(9)\n"
        "engine.close()\n"
    )
    for word in ("die", "live"):
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path), one.url, word],
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
            timeout=120,
        )
    assert len(one.bodies) == 6 and len(records(tmp_path)) == 6


PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGA"
    "WjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.parametrize(
    "kind, value, name",
    [
        (dspy.Image, {"url": PIXEL}, "an image"),
        (dspy.Audio, {"data": "UklGRg==", "audio_format": "wav"}, "audio"),
    ],
)
def test_pictures_and_sound_are_refused_by_name_and_nothing_is_sent(
    server, tmp_path, kind, value, name
):
    one = server()
    signature = dspy.Signature({"question": (str, dspy.InputField()),
                                "thing": (kind, dspy.InputField()),
                                "answer": (str, dspy.OutputField())})  # fmt: skip
    with Engine("server/m", tmp_path, base_urls=[one.url]) as engine:
        with dspy.context(lm=engine.lm()):
            with pytest.raises(UsageError, match=f"sends text only.*holds {name}"):
                dspy.Predict(signature)(question="What is it?", thing=kind(**value))
    assert one.bodies == [] and records(tmp_path) == []


def test_a_stream_is_the_whole_answer_as_one_piece(server, tmp_path):
    one = server()

    async def listen(engine):
        listener = dspy.streaming.StreamListener(signature_field_name="answer")
        program = dspy.streamify(dspy.Predict(QA), stream_listeners=[listener])
        with dspy.context(lm=engine.lm()):
            return [item async for item in program(question="a?")]

    with Engine("server/m", tmp_path, base_urls=[one.url]) as engine:
        heard = asyncio.run(listen(engine))
    assert isinstance(heard[-1], dspy.Prediction) and heard[-1].answer == "one 1"
    pieces = [item.chunk for item in heard[:-1] if hasattr(item, "chunk")]
    assert "".join(pieces).strip() in ("one 1", "")  # before 3.4 DSPy hands on no pieces
    assert len(one.bodies) == 1


def test_a_program_with_forward_alone_can_be_awaited(server, tmp_path):
    one = server()

    class Plain(dspy.Module):
        def __init__(self):
            super().__init__()
            self.say = dspy.Predict(QA)

        def forward(self, question):
            return self.say(question=question)

    with Engine("server/m", tmp_path, base_urls=[one.url]) as engine:
        with dspy.context(lm=engine.lm()):
            loop = HeartLoop(Plain(), rounds=1, cues=["Take heart, and look once more."])
            prediction = asyncio.run(loop.acall(question="a?"))
    assert prediction.answer == "one 1" and len(one.bodies) == 2
    assert "Take heart, and look once more." in json.dumps(one.bodies[1])
