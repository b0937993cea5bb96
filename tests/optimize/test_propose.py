"""Stimuli written by a model: held to constraints, raced, tested on untouched questions."""

import asyncio
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from heartloop.cards import load_stimuli, parse_stimuli
from heartloop.cli import main
from heartloop.optimize.propose import (
    Constraints,
    Parent,
    propose,
    read_phrases,
    refusal,
    request,
)
from heartloop.types import Completion

EP02 = parse_stimuli("emotionprompt:EP02")[0][0]
EP08 = parse_stimuli("emotionprompt:EP08")[0][0]
GOOD = "Quiet pride runs through every line of this page."


def test_phrases_are_read_from_numbered_and_bulleted_lines():
    text = 'Here you are:\n1. "A warm hand."\n2) Hope is near.\n- *All is well here.*\nBye'
    assert read_phrases(text) == ["A warm hand.", "Hope is near.", "All is well here."]


@pytest.mark.parametrize(
    "text, reason",
    [
        (GOOD, ""),
        ("Too short.", "2 words"),
        ("word " * 30, "30 words"),
        ("Check every step of this with care.", "asks for something"),
        ("Would it not be lovely to win?", "asks for something"),
        ("Your answer fills my heart with joy.", "speaks of the answer"),
        ("There are 12 hearts in this room.", "numbers"),
        ("This is very important to my careers.", "too like"),
    ],
)
def test_duplicates_and_demand_leaks_are_refused(text, reason):
    said = refusal(text.strip(), [EP02.text], Constraints())
    assert said == "" if not reason else reason in said


def test_parents_and_failures_are_in_the_request_and_lineage_is_kept():
    answers = [
        f"1. {GOOD}\n2. {EP02.text}\n3. Please try harder this time.",
        "1. All hearts beat here.",
    ]
    asked = []

    async def say(messages, draw):
        asked.append(messages[0].content)
        return Completion(answers[draw])

    made = asyncio.run(
        propose(
            say,
            [Parent(EP02, -0.02), Parent(EP08, 0.06)],
            count=2,
            number=3,
            model="m",
            failures=["2 + 2?"],
        )
    )
    assert [s.text for s in made.stimuli] == [GOOD, "All hearts beat here."]
    assert made.stimuli[0].name == "proposed:G3P1"
    assert made.stimuli[0].of == "emotionprompt:EP02+emotionprompt:EP08"
    assert made.stimuli[0].sha256 == hashlib.sha256(GOOD.encode()).hexdigest()
    assert [reason.split(":")[0] for _, reason in made.rejected] == [
        "too like",
        "asks for something",
    ]
    assert asked[0].index(EP08.text) < asked[0].index(EP02.text) and "2 + 2?" in asked[0]
    assert "(+6)" in asked[0] and "(-2)" in asked[0]


def test_a_model_that_writes_nothing_usable_is_asked_three_times_and_no_more():
    asked = []

    async def say(messages, draw):
        asked.append(draw)
        return Completion("I would rather not.")

    made = asyncio.run(propose(say, [Parent(EP02, 0.0)], count=2, number=1, model="m"))
    assert asked == [0, 1, 2] and made.stimuli == ()


def test_constraints_are_said():
    text = request([Parent(EP02, 0.0)], [], 4, Constraints(valence="positive"))[0].content
    assert "Write 4 new phrases" in text and "positive tone" in text and "no request" in text


@pytest.fixture
def server():
    """Right on half of the questions; GOOD adds 30 points; asked for phrases, it writes GOOD."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = body["messages"][-1]["content"]
            if "new phrases" in prompt:
                text = f"1. {GOOD}\n2. Please check twice and be careful.\n3. {EP02.text}"
            else:
                number = prompt.rpartition("Problem ")[2].partition(":")[0]
                dice = int(hashlib.sha256(number.encode()).hexdigest()[:8], 16) / 2**32
                right = dice < 0.5 + 0.3 * (GOOD in prompt)
                text = f"\\boxed{{{number if right else -1}}}"
            message = {"role": "assistant", "content": text}
            choices = [{"message": message, "finish_reason": "stop", "index": 0}]
            usage = {"prompt_tokens": 20, "completion_tokens": 5}
            payload = json.dumps({"choices": choices, "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}/v1"
    made.shutdown()
    made.server_close()


def test_a_proposed_stimulus_can_win_and_a_resumed_search_asks_for_no_other(
    server, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"Problem {n}: what is it?", "answer": str(n)} for n in range(400)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ["optimize", "--task", "q.jsonl", "--stimuli", "emotionprompt:EP02,EP08"]
    words += [
        "--model",
        "server/m",
        "--base-url",
        server,
        "--delta",
        "0.2",
        "--name",
        "p",
        "--json",
    ]
    with pytest.raises(SystemExit):
        main([*words, "--propose", "2"])
    found = json.loads(capsys.readouterr().out)
    assert found["searches"]["all"]["chosen"] == "proposed:G1P1"
    (made,) = found["generations"]["all"]
    assert made["proposed"][0]["text"] == GOOD
    assert any("asks for something" in one["reason"] for one in made["refused"])
    card = load_stimuli("chosen-p")
    assert card.stimuli[0].text == GOOD and "server/m" in card.stimuli[0].source
    calls = [json.loads(x) for x in (tmp_path / "runs/p/calls.jsonl").read_text().splitlines()]
    asked_last = {row["name"]: row["questions"] for row in found["searches"]["all"]["ranking"]}
    assert set(asked_last) >= {"none", "placebo", "proposed:G1P1"}
    with pytest.raises(SystemExit):
        main(["optimize", "--resume", "p", "--json"])
    again = json.loads(capsys.readouterr().out)
    assert again["searches"]["all"]["held_out"] == found["searches"]["all"]["held_out"]
    lines = (tmp_path / "runs/p/calls.jsonl").read_text().splitlines()
    assert len(lines) == len(calls)
