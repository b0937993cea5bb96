"""An arm in a search gets the verdicts that it gets in a run: every method, mode and verifier."""

import hashlib
import json

import pytest

from heartloop.cli import main
from heartloop.methods import METHODS, SPECS

QUESTIONS = 6
KINDS = ("exact", "math", "choice", "f1", "judge")
SAME = (
    "outcome", "reason", "answer", "score", "detail", "content", "form", "selected", "last",
    "finish_reason", "error", "checked", "cue", "key", "tokens",
)  # fmt: skip
TIMED = {"adaptive"}  # what it had cancelled depends on timing; everything else must be equal


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").mkdir()
    for kind in KINDS:
        rows = [
            {"question": f"{kind} {n}: which?", "answer": "A" if kind == "choice" else str(n),
             **({"choices": ["yes", "no", "maybe"]} if kind == "choice" else {})}
            for n in range(QUESTIONS)
        ]  # fmt: skip
        (tmp_path / f"tasks/{kind}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        (tmp_path / f"tasks/t_{kind}.yaml").write_text(
            f"title: {kind}\nsource: {{local: {kind}.jsonl}}\nverifier: {kind}\n"
        )
    return tmp_path


def reply(body: dict) -> tuple[int, dict]:
    """What a bad day's server says: the same to the same request, whoever asks."""
    told = json.dumps(body["messages"], sort_keys=True)
    dice = hashlib.sha256(f"{told}{body.get('seed')}".encode()).digest()
    number = next((w.rstrip(":") for w in told.split() if w.rstrip(":").isdigit()), "0")
    reason = "stop"
    if "SUBMISSION" in told:
        text = json.dumps({"reason": "so", "verdict": ["CORRECT", "INCORRECT"][dice[0] % 2]})
    elif dice[1] % 8 == 0:
        return 400, {"error": {"message": "this one is refused"}}
    elif dice[1] % 8 == 1:
        text, reason = f"The answer is {number}", "length"
    elif dice[1] % 8 == 2:
        text = "I'm sorry, but I can't help with that."
    elif dice[1] % 8 == 3:
        text, reason = "", "content_filter"
    else:
        right = dice[2] % 2
        said = ("A" if "maybe" in told else number) if right else "B" if "maybe" in told else "999"
        text = f"It is so.\nThe final answer is \\boxed{{{said}}}."
    return 200, {
        "choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": reason}],
        "usage": {"prompt_tokens": len(told) // 4, "completion_tokens": 10 + dice[3] % 9},
    }


def command(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code in (0, None), arguments


def lines(folder):
    found = {}
    for raw in (folder / "verdicts.jsonl").read_text().splitlines():
        line = json.loads(raw)
        (line["notes"] or {}).pop("log_likelihoods", None)  # batches round differently
        for usage in (line["tokens"], line["usage"]):
            usage.pop("cached")  # what a model in this process still had at hand
        name = tuple(line[k] for k in ("task", "question", "arm", "round", "draw", "purpose"))
        found[name] = line
    return found


def compare(place, method):
    """The search's lines are those that `heartloop run` gives for the search's own plan."""
    searched = lines(place / "runs/s")
    ran = lines(place / "runs/r")
    assert searched and set(searched) <= set(ran)
    for name, line in searched.items():
        totals = ("calls", "usage", "notes") if line["last"] and method not in TIMED else ()
        for field in (*SAME, *totals):
            assert line[field] == ran[name][field], (name, field)


def both(*model, flags=()):
    command("optimize", *flags, *model, "--name", "s", "--json")
    command("run", "--plan", "runs/s/manifest.json", "--name", "r", "--json")


EXTRA = {
    "knowledge": ["--param", "knowledge=Be brief."],
    "critique": ["--helper", "server/second"],
    "traces": ["--param", "traces=@choices.json"],
}


@pytest.mark.parametrize("mode", ["oracle", "verifier-free"])
@pytest.mark.parametrize("method", SPECS)
def test_a_search_gives_the_verdicts_of_a_run(place, loopback, method, mode):
    tasks = ",".join(f"tasks/t_{kind}.yaml" for kind in KINDS)
    shares = {str(n): {"one": [70, 40], "other": [30, 60]} for n in range(0, QUESTIONS, 2)}
    (place / "choices.json").write_text(json.dumps(shares))
    flags = ["--task", tasks, "--stimuli", "emotionprompt:EP02", "--method", method]
    flags += ["--mode", mode, "--delta", "0.3", "--error", "0.3", *EXTRA.get(method, [])]
    flags += ["--rounds", "2"] if "rounds" in SPECS[method].params else []
    both("--model", "server/m", "--base-url", loopback(reply).url, flags=flags)
    compare(place, method)
    outcomes = {line["outcome"] for line in lines(place / "runs/s").values()}
    assert outcomes == {"correct", "incorrect", "unscored", "error"}


def test_an_answer_that_was_cut_does_not_end_a_loop_in_either(place, loopback):
    def cut(body):
        number = next(w.rstrip(":") for w in str(body["messages"]).split() if w[:1].isdigit())
        again = len(body["messages"]) > 1
        text = f"\\boxed{{{number}}}" if again else f"The answer is {number}"
        message = {"role": "assistant", "content": text}
        return 200, {
            "choices": [{"message": message, "finish_reason": "stop" if again else "length"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 9},
        }

    flags = ["--task", "tasks/t_math.yaml", "--schedule", "alternate", "--rounds", "1"]
    both("--model", "server/m", "--base-url", loopback(cut).url, flags=[*flags, "--delta", "0.3"])
    compare(place, "heart")
    for name in "sr":
        found = lines(place / "runs" / name).values()
        said = {(line["round"], line["outcome"], line["reason"]) for line in found}
        assert said == {(0, "unscored", "truncated"), (1, "correct", None)}


def test_log_likelihoods_in_a_search_are_those_of_a_run(place):
    flags = ["--task", "esconv_loglik", "--practice", "--limit", "8", "--stimuli"]
    both("--model", "pocket", flags=[*flags, "emotionprompt:EP02", "--delta", "0.3"])
    compare(place, "single")


def test_pocket_says_in_a_search_what_it_says_in_a_run(place):
    flags = ["--task", "olympiad", "--practice", "--limit", "12", "--schedule", "alternate"]
    both("--model", "pocket", flags=[*flags, "--rounds", "1", "--delta", "0.3"])
    compare(place, "heart")


def test_a_missing_key_is_one_line_and_leaves_no_folder(place, monkeypatch, capsys):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for name in ("run", "optimize"):
        with pytest.raises(SystemExit) as ended:
            main([name, "--task", "tasks/t_exact.yaml", "--stimuli", "emotionprompt:EP02",
                  "--model", "openai/gpt-4o-mini", "--name", "x", "--yes"])  # fmt: skip
        assert ended.value.code == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith("heartloop: ")
        assert not (place / "runs/x").exists()


def test_a_bug_in_a_method_is_told_in_one_line(place, loopback, monkeypatch, capsys):
    async def broken(question, arm, ask, check=None):
        return 1 / 0

    monkeypatch.setitem(METHODS, "single", broken)
    for name in ("run", "optimize"):
        with pytest.raises(SystemExit) as ended:
            main([name, "--task", "tasks/t_exact.yaml", "--stimuli", "emotionprompt:EP02",
                  "--model", "server/m", "--base-url", loopback(reply).url])  # fmt: skip
        assert ended.value.code == 1
        said = capsys.readouterr().err
        assert "internal error at t_exact" in said and "ZeroDivisionError" in said
        assert "Traceback" not in said


def test_schedule_bandit_is_refused_before_a_folder_is_made(place, loopback, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["optimize", "--task", "tasks/t_exact.yaml", "--stimuli", "emotionprompt:EP02",
              "--method", "heart", "--param", "schedule=bandit",
              "--model", "server/m", "--base-url", loopback(reply).url])  # fmt: skip
    assert ended.value.code == 2 and not (place / "runs").exists()
    assert "bandit" in capsys.readouterr().err


def test_both_ask_before_money_is_spent_and_send_nothing_after_a_no(place, loopback, monkeypatch):
    """The price of the plan stands in the question, on a terminal; the answer here is no."""
    asked = []
    server = loopback(reply)
    (place / "prices.json").write_text('{"server/m": {"prompt": 50, "completion": 100}}')
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.confirm", lambda text, **_: asked.append(text))
    for name in ("run", "optimize"):
        with pytest.raises(SystemExit) as ended:
            main([name, "--task", "tasks/t_exact.yaml", "--stimuli", "emotionprompt:EP02",
                  "--model", "server/m", "--base-url", server.url, "--prices", "prices.json",
                  "--controls" if name == "run" else "--delta",
                  "none" if name == "run" else "0.3"])  # fmt: skip
        assert ended.value.code not in (0, None)
    assert len(asked) == 2 and all("costs about $" in said for said in asked)
    assert server.asked == [] and not list((place / "runs").glob("*/calls.jsonl"))


def test_both_take_a_placebo_by_the_same_rule(place):
    """The placebo of a search is one that a run gives to the stimulus of its length."""
    from heartloop.cards import parse_stimuli
    from heartloop.methods import placebos_of
    from heartloop.optimize.arms import search_arms

    arms = search_arms("emotionprompt,negativeprompt")
    groups = [tuple(group) for group in parse_stimuli("emotionprompt,negativeprompt")]
    lengths = sorted(sum(len(s.text) for s in group) for group in groups)
    middle = [g for g in groups if sum(len(s.text) for s in g) == lengths[(len(lengths) - 1) // 2]]
    run_takes = {p.name for group in middle for p in placebos_of(group)}
    assert arms[0].name == "none" and arms[1].stimuli[0].name in run_takes
