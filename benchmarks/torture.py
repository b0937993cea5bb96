"""Every kind of damage × every command, and random signals over every command that writes.

    python benchmarks/torture.py damage
    python benchmarks/torture.py signals --server PATH/TO/mock_openai.py --each 12

`damage` makes one small run from recordings, spoils a copy of its folder in every way of `DAMAGE`,
and gives it to every command. A command must end with its result or with one line, in time; what it
shows must not be wrong: rows that the whole run has, and not fewer of them without a word. Then
`repair` and `resume` must give the whole run back, unless both manifests are lost.

`signals` interrupts run, resume, optimize, score, report, export and repair at random moments (half
of them kill -9) and holds every file that was good before against what stands there afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from heartloop.calls.lines import scan
from heartloop.run.folder import RunFolder
from heartloop.run.state import run_state
from heartloop.run.verdicts import count_traces

LIMIT_S = 60
Change = Callable[[Path], None]
Rows = dict[tuple[str, str, int, int], tuple[str, Any]]


# --- Damage ----------------------------------------------------------------------------------


def put(name: str, content: bytes) -> Change:
    return lambda run: (run / name).write_bytes(content) and None


def lose(*names: str) -> Change:
    return lambda run: [(run / name).unlink(missing_ok=True) for name in names] and None


def cut(name: str, share: float) -> Change:
    """Torn: the file ends in the middle of a line."""
    return lambda run: os.truncate(run / name, int((run / name).stat().st_size * share))


def line(name: str, content: bytes, at: int = 2) -> Change:
    """One line more."""

    def change(run: Path) -> None:
        lines = (run / name).read_bytes().splitlines(keepends=True)
        lines[at:at] = [content]
        (run / name).write_bytes(b"".join(lines))

    return change


def record(name: str, edit: Callable[[dict[str, Any]], Any], at: int = 2) -> Change:
    """One record changed."""

    def change(run: Path) -> None:
        lines = (run / name).read_bytes().splitlines(keepends=True)
        value = json.loads(lines[at])
        edit(value)
        lines[at] = json.dumps(value).encode() + b"\n"
        (run / name).write_bytes(b"".join(lines))

    return change


def manifest(edit: Callable[[dict[str, Any]], Any]) -> Change:
    def change(run: Path) -> None:
        value = json.loads((run / "manifest.json").read_text())
        edit(value)
        (run / "manifest.json").write_text(json.dumps(value))

    return change


def linked(name: str) -> Change:
    def change(run: Path) -> None:
        (run.parent / "victim").write_text("precious")
        (run / name).unlink()
        (run / name).symlink_to(run.parent / "victim")

    return change


def circle(run: Path) -> None:
    lines = (run / "calls.jsonl").read_bytes().splitlines()
    records = [json.loads(x) for x in lines]
    for one, other in ((0, 1), (1, 0)):
        records[one]["request"]["extends"] = records[other]["key"]
    (run / "calls.jsonl").write_text("".join(json.dumps(x) + "\n" for x in records))


def killed(run: Path) -> None:
    """As a kill -9 leaves it: no end of the session, no summary, verdicts cut."""
    manifest(lambda m: m["sessions"][-1].update(ended=None))(run)
    lose("summary.json")(run)
    cut("verdicts.jsonl", 0.5)(run)


DEEP, CALLS, VERDICTS = b"[" * 100_000, "calls.jsonl", "verdicts.jsonl"
DAMAGE: dict[str, Change] = {
    "none": lambda run: None,
    "killed": killed,
    **{
        f"{name}: {kind}": change
        for name in ("manifest.json", "summary.json", "manifest.copy.json")
        for kind, change in {
            "torn": cut(name, 0.6), "empty": put(name, b""), "lost": lose(name),
            "a list": put(name, b"[]"), "{}": put(name, b"{}"), "brackets": put(name, DEEP),
            "not UTF-8": put(name, b"\xff\xfe{}"), "NULs": put(name, b"\0" * 999),
        }.items()
    },
    **{
        f"manifest.json: no {field}": manifest(lambda m, f=field: m.pop(f))  # type: ignore[misc]
        for field in ("plan", "tasks", "data", "sessions", "versions", "schema", "calls")
    },
    "manifest.json: an arm missing": manifest(lambda m: m["plan"]["arms"].pop()),
    "manifest.json: arms of text": manifest(lambda m: m["plan"].update(arms="x")),
    "manifest.json: odd seed": manifest(lambda m: m["plan"].update(seeds=["x"])),
    "both manifests lost": lose("manifest.json", "manifest.copy.json"),
    **{
        f"{name}: {kind}": change
        for name in (CALLS, VERDICTS)
        for kind, change in {
            "torn": cut(name, 0.97), "half": cut(name, 0.5), "empty": put(name, b""),
            "lost": lose(name), "a link": linked(name),
            "newline lost": lambda run, n=name: os.truncate(run / n, (run / n).stat().st_size - 1),
            "NUL tail": lambda run, n=name: (run / n).open("ab").write(b"\0" * 99) and None,
            "NULs": line(name, b"\0" * 300 + b"\n"), "blank line": line(name, b"\n"),
            "BOM": line(name, b"\xef\xbb\xbf", 0), "5": line(name, b"5\n"),
            "{}": line(name, b"{}\n"), "brackets": line(name, DEEP + b"\n"),
            "half a line": line(name, b'{"key":"00","task":"su\n'),
            "four lines": line(name, b"x\n5\n[]\n{}\n"), "not UTF-8": line(name, b"\xff\xfe\n"),
        }.items()
    },
    f"{CALLS}: usage of text": record(CALLS, lambda r: r["usage"].update(prompt="12")),
    f"{CALLS}: newer field": record(CALLS, lambda r: r["usage"].update(audio=3)),
    f"{CALLS}: cost of text": record(CALLS, lambda r: r.update(cost="x")),
    f"{CALLS}: no text": record(CALLS, lambda r: r.pop("text")),
    f"{CALLS}: no key": record(CALLS, lambda r: r.pop("key")),
    f"{CALLS}: no messages": record(CALLS, lambda r: r["request"].pop("messages")),
    f"{CALLS}: extends itself": record(CALLS, lambda r: r["request"].update(extends=r["key"])),
    f"{CALLS}: extends in a circle": circle,
    f"{VERDICTS}: no last": record(VERDICTS, lambda r: r.pop("last")),
    f"{VERDICTS}: odd outcome": record(VERDICTS, lambda r: r.update(outcome="great")),
    f"{VERDICTS}: odd arm": record(VERDICTS, lambda r: r.update(arm="nobody")),
    f"{VERDICTS}: odd task": record(VERDICTS, lambda r: r.update(task="nothing")),
    f"{VERDICTS}: key of nobody": record(VERDICTS, lambda r: r.update(key="00" * 16)),
    "lock: a folder": lambda run: ((run / "lock").unlink(missing_ok=True), (run / "lock").mkdir())
    and None,
    "killed before the plan": lambda run: [
        x.unlink() for x in run.iterdir() if x.name != "lock"
    ] and (run / CALLS).touch(),
}  # fmt: skip
COMMANDS: dict[str, list[str]] = {
    "status": ["--json"], "report": [], "compare": ["--json"], "export": ["--to", "jsonl"],
    "export --texts": ["--to", "jsonl", "--texts"], "score": [], "resume": [], "repair": [],
    "power": [], "run --reuse": [],
}  # fmt: skip


class Slow(Exception):
    """A command ran past its time."""


def ring(*_: object) -> None:
    raise Slow


def call(words: list[str]) -> tuple[int | str, str, str]:
    """Exit code, output and errors of a command in this process; the name of what escaped it."""
    from heartloop.cli import main

    out, err = io.StringIO(), io.StringIO()
    code: int | str
    signal.signal(signal.SIGALRM, ring)
    signal.alarm(LIMIT_S)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main(words)
        code = "no exit"
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except Slow:
        code = "endless"
    except BaseException as error:
        code = f"traceback {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
    return code, out.getvalue(), err.getvalue()


def small_run(place: Path) -> Path:
    """A whole run on twelve sums, two arms, answered from recordings."""
    rows = [f"What is {i} + {i}?,{2 * i}\n" for i in range(1, 13)]
    (place / "sums.csv").write_text("question,answer\n" + "".join(rows))
    with (place / "draws.jsonl").open("w") as file:
        for i in range(12):
            for draw in range(3):
                text = f"So \\boxed{{{2 * (i + 1) if (i + draw) % 3 else 99}}}"
                file.write(json.dumps({"index": i, "draw": draw, "text": text}) + "\n")
    (place / "plan.yaml").write_text(
        "tasks: [sums.csv]\nmodels: [replay/draws.jsonl]\nmatch: calls\narms:\n"
        "  - {name: three, method: resample, params: {draws: 3, stop: never}}\n"
        "  - {name: one, method: resample, role: resample, params: {draws: 1, stop: never}}\n"
    )
    code, _, err = call(["run", "--plan", "plan.yaml", "--name", "whole", "--yes"])
    assert code == 0, (code, err)
    return place / "runs" / "whole"


def rows_of(path: Path) -> Rows:
    """What a verdicts file or an export says of every candidate; damaged lines say nothing."""
    found: Rows = {}
    for raw in path.read_bytes().splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            row = json.loads(raw)
            place = row["question"], row["arm"], row["round"], row["draw"]
            found[place] = row["outcome"], row["score"]
    return found


def wrong(command: str, run: Path, out: str, truth: Rows) -> str:
    """What a command that ended well got wrong; empty where nothing."""
    state = run_state(RunFolder(run)).state if run.is_dir() else "removed"
    if command.startswith("export"):
        rows = rows_of(run / "export.jsonl")
        states = {json.loads(x)["state"] for x in (run / "export.jsonl").read_text().splitlines()}
        if any(truth.get(place) != said for place, said in rows.items()):
            return "a row that the run never had"
        return "fewer rows without a word" if len(rows) < len(truth) and states == {"whole"} else ""
    if command in ("report", "compare"):
        text = (run / "report.html").read_text() if command == "report" else out
        fewer = count_traces(run / VERDICTS) < 24
        said = any(word in text for word in ("PARTIAL RUN", "DAMAGED RUN", "STILL GOING ON"))
        return "" if said or not fewer else "partial without a word"
    if command in ("score", "resume", "repair"):
        rows = rows_of(run / VERDICTS) if run.is_dir() else {}
        if any(truth.get(place) != said for place, said in rows.items()):
            return "a verdict that the run never had"
        if state == "whole" and rows != truth:
            return "called whole with fewer verdicts"
        return "does not give the run back" if command == "resume" and rows != truth else ""
    if command == "run --reuse":
        new = rows_of(run.with_name("new") / VERDICTS)
        return "" if new == truth else "other verdicts than the whole run"
    if command == "status":
        found = json.loads(out)
        return "" if found["state"] == state else f"status {found['state']}, is {state}"
    return ""


def damage(place: Path) -> int:
    """The damage table; returns how many cells are faults."""
    whole = small_run(place)
    truth = rows_of(whole / VERDICTS)
    assert len(truth) == 48, len(truth)
    counts: dict[str, Counter[str]] = {name: Counter() for name in COMMANDS}
    faults: list[str] = []
    returned = 0
    gone: list[str] = []
    for kind, change in DAMAGE.items():
        for command, options in COMMANDS.items():
            run = place / "runs" / "spoilt"
            shutil.rmtree(run, ignore_errors=True)
            shutil.copytree(whole, run)
            change(run)
            words = [command.split()[0], str(run), *options]
            if command == "power":
                words = ["power", "--power-from", str(run), "-n", "100"]
            elif command == "run --reuse":
                shutil.rmtree(place / "runs" / "new", ignore_errors=True)
                plan = (place / "plan.yaml").read_text() + "reuse: [runs/spoilt]\n"
                (place / "reuse.yaml").write_text(plan)
                words = ["run", "--plan", "reuse.yaml", "--name", "new", "--yes"]
            code, out, err = call(words)
            cell = "result" if code in (0, 3) else "one line"
            told = err.strip().splitlines()
            problem = ""
            if not isinstance(code, int):
                problem = code
            elif code not in (0, 3) and (not told or not told[-1].startswith("heartloop: ")):
                problem = f"rc {code} without its line: {err[-200:]!r}"
            elif code in (0, 3):
                problem = wrong(command, run, out, truth)
            if (place / "runs" / "victim").exists():
                if (place / "runs" / "victim").read_text() != "precious":
                    problem = "wrote through a link"
                (place / "runs" / "victim").unlink()
            if problem:
                cell = "fault"
                faults.append(f"{kind} × {command}: {problem}")
            counts[command][cell] += 1
        run = place / "runs" / "spoilt"
        shutil.rmtree(run, ignore_errors=True)
        shutil.copytree(whole, run)
        change(run)
        call(["repair", str(run)])
        if run.is_dir():
            call(["resume", str(run)])
        if rows_of(run / VERDICTS) == truth and run_state(RunFolder(run)).whole:
            returned += 1
        else:
            gone.append(kind)
    print(f"| command | result | one line | fault | of {len(DAMAGE)} kinds of damage |")
    print("|---|---|---|---|---|")
    for command, seen in counts.items():
        print(f"| `{command}` | {seen['result']} | {seen['one line']} | {seen['fault']} | |")
    print(f"\nrepair, then resume, gave the whole run back for {returned} of {len(DAMAGE)} kinds")
    print(f"not for: {'; '.join(gone)}")
    for text in faults:
        print(f"FAULT {text}")
    return len(faults)


# --- Signals ---------------------------------------------------------------------------------


def start_server(script: Path, answers: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [sys.executable, str(script), "--port", "0", "--answers", str(answers),
         "--ability", "0.4", "--gain", "0.2", "--latency", "30"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    return process, f"http://127.0.0.1:{process.stdout.readline().split()[1]}/v1"


@contextlib.contextmanager
def served(script: Path, place: Path, questions: int) -> Iterator[str]:
    with (place / "sums.csv").open("w") as table, (place / "answers.jsonl").open("w") as golds:
        table.write("question,answer\n")
        for i in range(questions):
            table.write(f"What is {i} + {i + 1}?,{2 * i + 1}\n")
            row = {"match": f"What is {i} + {i + 1}?", "answer": str(2 * i + 1)}
            golds.write(json.dumps(row) + "\n")
    process, url = start_server(script, place / "answers.jsonl")
    try:
        yield url
    finally:
        process.terminate()
        process.wait()


def interrupted(words: list[str], place: Path, after: float, kind: str) -> tuple[int, str]:
    """Start a command, interrupt it after some seconds; its exit code and errors."""
    process = subprocess.Popen(
        [sys.executable, "-m", "heartloop", *words], cwd=place,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _, err = process.communicate(timeout=after)
        return process.returncode, err
    except subprocess.TimeoutExpired:
        pass
    numbers = {"kill": [signal.SIGKILL], "term": [signal.SIGTERM], "int": [signal.SIGINT],
               "twice": [signal.SIGINT, signal.SIGINT]}[kind]  # fmt: skip
    for number in numbers:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
    _, err = process.communicate(timeout=LIMIT_S)
    return process.returncode, err


def answers_of(run: Path) -> tuple[set[bytes], int]:
    """Keys of the answered calls, and how many answers stand twice."""
    keys = [
        json.loads(x)["key"]
        for x in (run / CALLS).read_bytes().splitlines()
        if x.strip() and x.endswith(b"}") and json.loads(x)["error"] is None
    ]
    return scan(run / CALLS).answered, len(keys) - len(set(keys))


def whole_lines(path: Path) -> bool:
    """Whether a file ends as it should: the last line of an export, the end of a page."""
    if not path.exists():
        return True
    content = path.read_bytes()
    return content.endswith((b"\n", b"</html>\n"))


def signals(place: Path, script: Path, each: int, seed: int, questions: int) -> int:
    """The signal table; returns how many checks failed."""
    rng = random.Random(seed)
    faults: list[str] = []
    lines = ["| command | interrupted | ended before | answers lost | answers twice | damaged |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    with served(script, place, questions) as url:
        model = ["--model", "server/mock", "--base-url", url, "--task", "sums.csv", "--yes",
                 "--concurrency", "16"]  # fmt: skip
        arms = ["--stimuli", "emotionprompt:EP02,emotionprompt:EP03"]
        commands: dict[str, list[str]] = {
            "run": ["run", *model, "--rounds", "2"],
            "resume": ["resume", "runs/subject"],
            "optimize": ["optimize", *model, *arms],
            "score": ["score", "runs/subject"],
            "report": ["report", "runs/subject"],
            "export": ["export", "runs/subject", "--to", "csv", "--texts"],
            "repair": ["repair", "runs/subject"],
        }
        whole = ["run", *model, "--rounds", "2", "--name", "whole"]
        began = time.monotonic()
        code, err = interrupted(whole, place, 600, "kill")
        seconds = time.monotonic() - began
        assert code == 0, err
        truth = rows_of(place / "runs/whole/verdicts.jsonl")
        total = run_state(RunFolder(place / "runs/whole")).total
        for name, words in commands.items():
            counts: Counter[str] = Counter()
            span = seconds if name in ("run", "optimize") else max(2.0, seconds * 0.7)
            for number in range(each):
                kind = rng.choice(["kill", "kill", "kill", "term", "int", "twice"])
                subject = place / "runs" / "subject"
                shutil.rmtree(subject, ignore_errors=True)
                fresh = name in ("run", "optimize")
                if not fresh:
                    shutil.copytree(place / "runs/whole", subject)
                if name == "repair":
                    line(CALLS, b"x\n")(subject)
                before = answers_of(subject)[0] if not fresh and name != "repair" else set()
                traces = count_traces(subject / VERDICTS) if not fresh else 0
                extra = ["--name", "subject"] if fresh else []
                code, err = interrupted([*words, *extra], place, rng.uniform(0.2, span), kind)
                counts["ended" if code == 0 else "stopped"] += 1
                where = f"{name} {number} ({kind})"
                if "Traceback" in err:
                    faults.append(f"{where}: traceback {err[-300:]!r}")
                if not subject.is_dir():
                    continue
                if (subject / CALLS).exists() and name != "repair":
                    now, twice = answers_of(subject)
                    counts["lost"] += len(before - now)
                    counts["twice"] += twice
                if not fresh and count_traces(subject / VERDICTS) < traces:
                    faults.append(f"{where}: verdicts are fewer than before")
                for file in ("report.html", "export.csv"):
                    if not whole_lines(subject / file):
                        faults.append(f"{where}: half of {file}")
                state = run_state(RunFolder(subject))
                if state.state == "damaged" and name != "repair":
                    faults.append(f"{where}: damaged: {state.why}")
                    counts["damaged"] += 1
                if name == "optimize":
                    last = ["optimize", "--resume", "runs/subject"]
                elif state.state == "killed" and not state.total:
                    last = [*words, *extra]  # killed before its plan: the name is free
                else:
                    if name == "repair":
                        interrupted(words, place, 600, "kill")
                    last = ["resume", "runs/subject"]
                code, err = interrupted(last, place, 600, "kill")
                if code != 0:
                    faults.append(f"{where}: afterwards rc {code}: {err[-300:]}")
                elif name != "optimize":
                    if (
                        rows_of(subject / VERDICTS) != truth
                        or count_traces(subject / VERDICTS) != total
                    ):
                        faults.append(f"{where}: other verdicts than the uninterrupted run")
                counts["lost"] += len(before - answers_of(subject)[0])
                counts["twice"] += answers_of(subject)[1]
            lines.append(
                f"| `{name}` | {counts['stopped']} | {counts['ended']} | {counts['lost']} | "
                f"{counts['twice']} | {counts['damaged']} |"
            )
            if counts["lost"] or counts["twice"]:
                faults.append(f"{name}: {counts['lost']} lost, {counts['twice']} twice")
    print("\n".join(lines))
    for text in faults:
        print(f"FAULT {text}")
    return len(faults)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["damage", "signals"])
    parser.add_argument("--server", type=Path, help="the mock server's script, for signals")
    parser.add_argument("--each", type=int, default=12, help="interruptions a command")
    parser.add_argument("--questions", type=int, default=150)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).resolve().parents[1]))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        os.environ["XDG_CONFIG_HOME"] = str(place / "config")
        if options.part == "damage":
            os.chdir(place)
            return min(1, damage(place))
        if options.server is None:
            parser.error("signals needs --server")
        script = options.server.resolve()
        return min(1, signals(place, script, options.each, options.seed, options.questions))


if __name__ == "__main__":
    sys.exit(main())
