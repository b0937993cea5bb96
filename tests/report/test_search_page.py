"""What the report, `compare` and the conclusion say of a search: from real searches on loopback."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import make_run

from heartloop.cli import main
from heartloop.errors import UsageError
from heartloop.report import conclude
from heartloop.report.arms import load_run
from heartloop.report.page import build_page
from heartloop.run.folder import RunFolder

EP08 = "Embrace challenges as opportunities for growth."
QUESTIONS = 240


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def searches(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run folders: `found`, `nothing` (over two tasks), `tasks` (each by itself)."""
    place = tmp_path_factory.mktemp("searches")
    golds = []
    for task in ("one", "two"):
        rows = [
            {"question": f"{task} Problem {n}: what is it?", "answer": str(n)}
            for n in range(QUESTIONS)
        ]
        (place / f"{task}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        golds += [{"match": f"{task} Problem {n}:", "answer": n} for n in range(QUESTIONS)]
    (place / "golds.jsonl").write_text("\n".join(map(json.dumps, golds)))
    (place / "helps.json").write_text(json.dumps({EP08: 0.25}))
    (place / "hurts.json").write_text(json.dumps({EP08: -0.2}))
    patch, servers = pytest.MonkeyPatch(), []
    patch.chdir(place)
    try:
        urls = {}
        for cues in ("helps", "hurts"):
            command = [sys.executable, str(shared / "bench" / "mock_openai.py"), "--port", "0"]
            command += ["--answers", "golds.jsonl", "--cue-ability", f"{cues}.json"]
            command += ["--ability", "0.5", "--spread", "0.3", "--coupling", "0.8"]
            servers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            assert servers[-1].stdout is not None
            port = servers[-1].stdout.readline().split()[1]
            urls[cues] = f"http://127.0.0.1:{port}/v1"
        for name, cues, more in (
            ("found", "helps", ["--task", "one.jsonl"]),
            ("nothing", "hurts", ["--task", "one.jsonl,two.jsonl"]),
            ("tasks", "helps", ["--task", "one.jsonl,two.jsonl", "--per-task"]),
        ):
            words = ["optimize", "--stimuli", "emotionprompt:EP02,EP08,EP10", "--delta", "0.12"]
            words += ["--model", "server/mock", "--base-url", urls[cues], "--name", name, "--json"]
            assert run(*words, *more) == 0
        yield place / "runs"
    finally:
        patch.undo()
        for process in servers:
            process.terminate()
        for process in servers:
            process.wait(timeout=10)


def raw(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "search.json").read_text())  # type: ignore[no-any-return]


def page(*folders: Path, **options: Any) -> str:
    return build_page([load_run(RunFolder(folder)) for folder in folders], **options)


def sections(text: str) -> list[str]:
    return re.findall(r'<section id="([^"]+)"', text)


def part(text: str, name: str) -> str:
    return text.split(f'<section id="{name}">')[1].split("</section>")[0]


def test_the_search_comes_first_with_its_held_out_estimate(searches: Path) -> None:
    text = page(searches / "found")
    one = raw(searches / "found")["searches"]["all"]
    assert sections(text)[:2] == ["answer", "search"] and one["chosen"] == "emotionprompt:EP08"
    shown, held = part(text, "search"), one["held_out"]
    answer = part(text, "answer")
    assert '<h1 class="headline">Worth using: emotionprompt:EP08' in answer
    assert "Searched for: the best of 4 arms" in answer
    assert "Embrace challenges as opportunities for growth." in answer  # the words themselves
    assert f"{100 * held['difference']:+.1f} points [{100 * held['low']:+.1f}, " in shown
    assert f"on {held['questions']:,} questions the search never used" in shown
    biased = shown.split("selection maximum")[1]
    assert f"{100 * one['naive_maximum']:+.1f} points" in biased and "not to be quoted" in biased
    assert "is it feeling?" in shown and "against its own placebo" in shown
    assert f"{one['calls']:,} calls ({one['paid_calls']:,} paid)" in shown


def test_every_arm_is_in_the_plot_and_in_the_ranking(searches: Path) -> None:
    shown = part(page(searches / "nothing"), "search")
    plot, table = shown.split("<details", 1)[0], shown.split("Ranking on", 1)[1]
    for row in raw(searches / "nothing")["searches"]["all"]["ranking"]:
        assert f">{row['name']}<" in table
        if row["name"] != "none":
            assert f'<th scope="row">{row["name"]}</th>' in plot
        if row["dropped_after"] is not None:
            assert f">after {row['dropped_after']}</td>" in table
    assert plot.count('class="dot ') == 1 + 2 + 4  # held out, by task, arms
    assert shown.count(">one</td>") == 1 and "held out, by task" in shown


def test_answers_are_counted_against_a_full_grid(searches: Path) -> None:
    one = raw(searches / "found")["searches"]["all"]
    spent = one["calls"]  # single answers: a call each
    shown = part(page(searches / "found"), "search")
    assert f">this search, held-out questions included</td><td>{spent:,}</td>" in shown
    whole = 5 * QUESTIONS
    assert f"<td>{whole:,}</td><td>{100 * spent / whole:.0f} %</td>" in shown


def test_ordinary_comparisons_are_left_out_and_the_rest_says_that_questions_mix(
    searches: Path,
) -> None:
    text = page(searches / "nothing")
    assert not {"claim", "tasks"} & set(sections(text))
    assert "No comparison of arms" in part(text, "answers")
    for anchor in re.findall(r"<nav.*?</nav>", text)[0].split('href="#')[1:]:
        assert anchor.split('"')[0] in sections(text)


def test_an_ordinary_run_has_no_word_of_a_search(tmp_path: Path) -> None:
    text = page(make_run(tmp_path / "a").path)
    assert sections(text)[:2] == ["answer", "claim"] and "No comparison of arms" not in text


def test_the_conclusion_is_that_of_the_search(searches: Path) -> None:
    good = conclude(searches / "found")
    assert good.startswith("[SIMULATED] worth using: emotionprompt:EP08, +")
    none = conclude(searches / "nothing")
    assert "worth using: none of them" in none and none.endswith("so smaller ones may exist.")
    both = conclude(searches / "tasks")
    assert "worth using on one: " in both and "worth using on two: " in both


def test_many_tasks_make_a_short_sentence(searches: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(searches / "tasks", tmp_path / "many")
    found = raw(folder)
    one = found["searches"]["one"]
    none = {**one, "chosen": None}
    found["searches"] = {"a": one, "b": one, "c": none, "d": none, "e": none}
    (folder / "search.json").write_text(json.dumps(found))
    said = conclude(folder)
    assert "emotionprompt:EP08 on a, b; none of them on 3 of 5 tasks" in said
    assert "up to 0.25 on average would still name an arm" in page(folder)


def test_compare_warns_in_text_and_json(
    searches: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run("compare", str(searches / "found")) == 0
    assert "found: WARNING, a search: its verdicts mix" in capsys.readouterr().out
    one, two = f"{searches / 'found'}:none", f"{searches / 'found'}:emotionprompt:EP08"
    assert run("compare", one, two, "--json") == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert any("the figure to quote is the held-out one" in text for text in notes)
    assert run("compare", str(make_run(tmp_path / "plain").path)) == 0
    assert "a search" not in capsys.readouterr().out


def test_beside_another_run_the_warning_stands_between_them(searches: Path) -> None:
    text = page(searches / "found", searches / "tasks", force=True)
    assert "found: a search: its verdicts mix" in part(text, "between")
    for anchor in re.findall(r"<nav.*?</nav>", text)[0].split('href="#')[1:]:
        assert anchor.split('"')[0] in sections(text)


def test_a_search_without_its_result_says_how_to_go_on(searches: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(searches / "found", tmp_path / "killed")
    found = raw(folder)
    found.update(searches={}, stopped="interrupted")
    (folder / "search.json").write_text(json.dumps(found))
    assert "the search has not ended (interrupted)" in conclude(folder)
    (folder / "search.json").unlink()
    said = conclude(folder)
    assert "has not ended" in said and f"heartloop optimize --resume {folder}" in said
    assert "there is no ranking to show" in page(folder)
    (folder / "search.json").write_text('{"model": "m", "arms": []}')
    with pytest.raises(UsageError, match=r"search\.json: not the result of a search"):
        conclude(folder)


PHRASE = "Quiet pride runs through every line of this page."
HOSTILE = "Please check <script>alert(1)</script> all of it again."


@pytest.fixture
def writer() -> Iterator[str]:
    """Right on half of the questions; PHRASE adds 30 points; asked for phrases, it writes it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet, or every answer waits for an ACK
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = body["messages"][-1]["content"]
            if "new phrases" in prompt:
                text = f"1. {PHRASE}\n2. {HOSTILE}"
            else:
                number = prompt.rpartition("Problem ")[2].partition(":")[0]
                dice = int(hashlib.sha256(number.encode()).hexdigest()[:8], 16) / 2**32
                text = f"\\boxed{{{number if dice < 0.5 + 0.3 * (PHRASE in prompt) else -1}}}"
            message = {"role": "assistant", "content": text}
            choices = [{"message": message, "finish_reason": "stop", "index": 0}]
            usage = {"prompt_tokens": 20, "completion_tokens": 5}
            payload = json.dumps({"choices": choices, "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 1024  # a short queue drops connections, which then wait for seconds

    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()


@pytest.mark.slow
def test_stimuli_the_model_wrote_are_shown_with_their_parents_and_their_fate(
    writer: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"Problem {n}: what is it?", "answer": str(n)} for n in range(400)]
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ["optimize", "--task", "q.jsonl", "--stimuli", "emotionprompt:EP02,EP08"]
    words += ["--model", "server/m", "--base-url", writer, "--delta", "0.2", "--name", "p"]
    assert run(*words, "--propose", "2") == 0
    folder = Path("runs/p")
    assert f"report: heartloop report {folder}" in capsys.readouterr().out
    text = page(folder)
    shown = part(text, "search")
    assert "<strong>proposed:G1P1</strong> “Quiet pride" in shown and "— chosen" in shown
    assert "from emotionprompt:EP" in shown and "of the next race" in shown
    assert "refused, and why" in shown
    assert shown.count("&lt;script&gt;alert(1)") == 1 and "<script" not in shown
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["tasks"][0]["private"] = True
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert "Quiet pride" not in part(page(folder), "search")
    assert "Quiet pride" in part(page(folder, show_texts=True), "search")
