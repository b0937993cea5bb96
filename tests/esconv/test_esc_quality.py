"""Responses: utterances out of answers, Distinct-n, agreement, and two judges over loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from heartloop.analysis.preference import LABELS
from heartloop.analysis.text_quality import agreement, distinct, response_quality
from heartloop.cli import main
from heartloop.data import load_data, resolve_tasks
from heartloop.run.folder import RunFolder
from heartloop.run.judges import judges_of
from heartloop.run.predictions import load_predictions
from heartloop.run.response_quality import CRITERIA, rate, ratings_of, utterance_of


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Strategy: Question\nUtterance: What happened?", "What happened?"),
        ("**Strategy:** Question\n**Utterance:** What\nhappened?", "What\nhappened?"),
        ('{"strategy": "Question", "utterance": "What happened?"}', "What happened?"),
        ("[Question] What happened?", "What happened?"),
        ("Strategy: Question\nWhat happened?", "What happened?"),
        ("Strategy: Question", ""),
        ("", ""),
    ],
)
def test_the_utterance_is_what_is_said_beside_the_strategy(text: str, said: str) -> None:
    assert utterance_of(text) == said


def test_distinct_is_the_share_of_different_n_grams() -> None:
    assert distinct(["a b a b", "a b"], 1) == pytest.approx(2 / 6)
    assert distinct(["a b a b", "a b"], 2) == pytest.approx(2 / 4)  # a-b, b-a of 4
    assert distinct([], 1) == distinct(["a"], 2) == 0.0


def test_equal_texts_score_one_and_strangers_nothing() -> None:
    pytest.importorskip("sacrebleu")
    pytest.importorskip("rouge_score")
    texts = ["You are stronger than you think you are.", "What happened at work last week?"]
    same = response_quality(texts, texts)
    assert same.bleu_2 == same.bleu_4 == pytest.approx(1) and same.rouge_l == pytest.approx(1)
    other = response_quality(["xyz"] * 2, texts)
    assert other.rouge_l == 0 and other.bleu_4 < 0.05 and other.distinct_1 == 0.5
    assert response_quality([], []).responses == 0
    with pytest.raises(ValueError, match="1 responses for 2 references"):
        response_quality(["x"], texts)


def test_weighted_kappa_agrees_with_statsmodels() -> None:
    inter_rater = pytest.importorskip("statsmodels.stats.inter_rater")
    rng = np.random.default_rng(0)
    a = rng.integers(1, 6, 200)
    b = np.clip(a + rng.integers(-1, 2, 200), 1, 5)
    table = np.zeros((5, 5))
    np.add.at(table, (a - 1, b - 1), 1)
    found = agreement(a, b)
    expected = inter_rater.cohens_kappa(table, wt="quadratic").kappa
    assert found.kappa == pytest.approx(expected, abs=1e-12)
    assert found.exact == pytest.approx((a == b).mean()) and found.near == 1.0
    assert agreement([3, 3], [3, 3]).kappa is None and agreement([], []).items == 0
    with pytest.raises(ValueError, match="outside of 1"):
        agreement([0], [3])


class Judge(BaseHTTPRequestHandler):
    """Rates by the length of the submission; ``harsh`` gives one point less."""

    asked: list[str] = []
    bodies: list[dict[str, object]] = []

    def do_POST(self) -> None:  # noqa: N802
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = body["messages"][-1]["content"]
        submission = prompt.partition("<<<SUBMISSION")[2]
        Judge.asked.append(prompt)
        Judge.bodies.append(body)
        mark = 2 + len(submission) % 4 - (body["model"] == "harsh")
        reply = json.dumps({"reason": "…", **{c: str(mark) for c in CRITERIA}})
        if "REFUSE" in submission:
            reply = "I cannot rate this."
        if body["model"] == "supporter":
            reply = json.dumps({"strategy": "Information", "utterance": "Others have it."})
        content = json.dumps(
            {
                "choices": [{"message": {"content": reply}, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 9, "completion_tokens": 9},
            }
        ).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def judge_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Judge.asked.clear()
    Judge.bodies.clear()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    thread.join(timeout=5)
    server.server_close()


def test_two_judges_rate_each_response_once_and_agree_as_they_should(
    judge_url: str, tmp_path: Path
) -> None:
    answers = tmp_path / "answers.jsonl"
    with answers.open("w") as file:
        for card in resolve_tasks("esconv_utterance"):
            for i, question in enumerate(load_data(card, practice=True, limit=4).questions):
                said = "REFUSE" if i == 0 else "so it goes " + "x" * (i % 4)
                text = f"Strategy: Question\nUtterance: {said}"
                file.write(json.dumps({"id": question.id, "text": text}) + "\n")
    with pytest.raises(SystemExit) as stop:
        main(
            ["run", "--task", "esconv_utterance", "--practice", "--limit", "4", "--method",
             "single", "--controls", "none", "--model", f"replay/{answers}", "--base-url",
             judge_url, "--runs", str(tmp_path), "--name", "rated", "--json"]
        )  # fmt: skip
    assert not stop.value.code
    folder = RunFolder(tmp_path / "rated")
    found = load_predictions(folder)
    judges = judges_of(["server/kind", "server/harsh"], "test")
    (rated,) = asyncio.run(rate(folder, found, judges))
    assert rated.rated == 12 and rated.failed == {"server/kind": 3, "server/harsh": 3}
    kind, harsh = rated.means["server/kind"], rated.means["server/harsh"]
    for criterion in CRITERIA:
        assert kind[criterion] == pytest.approx(harsh[criterion] + 1)  # type: ignore[operator]
        assert rated.agreement[criterion].items == 9
        assert rated.agreement[criterion].exact == 0 and rated.agreement[criterion].near == 1
    assert all("Strategy: Question" not in asked for asked in Judge.asked)
    asked = len(Judge.asked)
    again = asyncio.run(rate(folder, found, judges))
    assert again == [rated] and len(Judge.asked) == asked  # the journal knew


def test_ratings_are_read_from_the_detail_or_are_none() -> None:
    detail = "label=acceptance:5,effectiveness:4,sensitivity:3,alignment:2; acceptance=5 (1 of 1)"
    assert ratings_of(detail) == dict(zip(CRITERIA, (5, 4, 3, 2), strict=True))
    assert ratings_of("esc_judge: the judge's call failed (timeout)") is None


def test_structured_output_is_asked_for_and_read(judge_url: str, tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stop:
        main(
            ["run", "--task", "esconv_json/action", "--practice", "--limit", "3", "--method",
             "single", "--controls", "none", "--model", "server/supporter", "--base-url",
             judge_url, "--runs", str(tmp_path), "--name", "shaped", "--json"]
        )  # fmt: skip
    assert not stop.value.code
    assert len(Judge.bodies) == 3
    for body in Judge.bodies:
        shape = json.loads(json.dumps(body["response_format"]))["json_schema"]["schema"]
        assert shape["properties"]["strategy"]["enum"] == list(LABELS)
    (found,) = load_predictions(RunFolder(tmp_path / "shaped"))
    assert set(found.final.tolist()) == {LABELS.index("Information")}
