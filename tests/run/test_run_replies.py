"""Whole runs against servers that are not a loopback mock's idea of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from heartloop.cli import main

GOOD = "The answer is \\boxed{4}."
SECRET = "PLANTEDSECRETKEY0001"


def reply(text: str = GOOD, usage: Any = None, **fields: Any) -> tuple[int, dict[str, Any]]:
    usage = {"prompt_tokens": 10, "completion_tokens": 5} if usage is None else usage
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return 200, {"model": "m", "choices": [choice], "usage": usage, **fields}


def refusal(status: int, message: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"message": message, **fields}}


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """Exit code and everything said of a run on ``n`` sums whose answer is 4."""
    monkeypatch.chdir(tmp_path)

    def call(url: str, *flags: str, n: int = 4, command: str = "run") -> tuple[int, str]:
        lines = [f"q{i},What is 2+2? ({i}),4" for i in range(n)]
        (tmp_path / "q.csv").write_text("id,question,answer\n" + "\n".join(lines) + "\n")
        arguments = ["resume", "r", *flags]
        if command == "run":
            arguments = ["run", "--task", "q.csv", "--model", "server/m", "--base-url", url]
            arguments += ["--yes", "--name", "r", *flags]
            if "--method" not in flags:
                arguments += ["--method", "single", "--controls", "none"]
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        seen = capsys.readouterr()
        return int(ended.value.code or 0), seen.out + seen.err

    return call


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(x) for x in Path("runs/r", name).read_text().splitlines()]


def load(name: str) -> Any:
    return json.loads(Path("runs/r", name).read_text())


@pytest.mark.parametrize(
    "usage",
    [{"prompt_tokens": 10, "completion_tokens": 10**30}, {"completion_tokens": {"text": 5}},
     {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": [1]}],
)  # fmt: skip
def test_one_odd_field_in_one_of_sixty_replies_costs_nothing(
    run: Callable[..., Any], loopback: Any, usage: Any
) -> None:
    server = loopback(lambda body: reply(usage=usage if "(7)" in str(body) else None))
    code, said = run(server.url, n=60)
    assert code == 0 and "internal error" not in said
    assert len(server.asked) == 60 and load("summary.json")["arms"][0]["correct"] == 60


def test_negative_counts_cannot_disable_a_cap(run: Callable[..., Any], loopback: Any) -> None:
    server = loopback(lambda body: reply(usage={"prompt_tokens": -1000, "completion_tokens": -500}))
    code, said = run(server.url, "--max-total-tokens", "2500", n=60)
    assert code == 3 and 0 < len(server.asked) < 60
    assert sum(load("summary.json")["paid"]["tokens"].values()) <= 2500
    notes = load("manifest.json")["calls"]["notes"]
    assert sum("token counts" in note for note in notes) == 1


@pytest.mark.parametrize(
    "thinking",
    ["<|channel|>analysis<|message|>\\boxed{4}<|end|><|start|>assistant<|channel|>final<|message|>",
     "\u25c1think\u25b7\\boxed{4}\u25c1/think\u25b7", "[THINK]\\boxed{4}[/THINK]"],
)  # fmt: skip
def test_thinking_is_not_graded_and_not_sent_back_in_a_loop(
    run: Callable[..., Any], loopback: Any, thinking: str
) -> None:
    server = loopback(lambda body: reply(thinking + "It is \\boxed{5}."))
    code, _ = run(server.url, "--method", "heart", "--rounds", "2", "--history", "full", n=2)
    assert code == 0
    assert any(len(body["messages"]) > 3 for _, _, body in server.asked)
    said = [m["content"] for _, _, b in server.asked for m in b["messages"]
            if m["role"] == "assistant"]  # fmt: skip
    assert set(said) == {"It is \\boxed{5}."}
    assert all(v["outcome"] == "incorrect" for v in lines("verdicts.jsonl"))
    assert all(call["reasoning"] == "\\boxed{4}" for call in lines("calls.jsonl"))


def test_a_model_that_changes_in_the_middle_is_noticed(
    run: Callable[..., Any], loopback: Any
) -> None:
    server = loopback(lambda body: reply(model="good-70b" if len(server.asked) < 5 else "cheap-1b"))
    assert run(server.url, "--concurrency", "1", n=8)[0] == 0
    facts = load("manifest.json")["calls"]
    assert any("'good-70b' for 4 answers, then 'cheap-1b'" in note for note in facts["notes"])
    assert facts["models"]["server/m"]["served"][server.url] == {"good-70b": 4, "cheap-1b": 4}
    assert {call["served"] for call in lines("calls.jsonl")} == {"good-70b", "cheap-1b"}


def small(body: dict[str, Any]) -> Any:
    """vLLM with 2,048 tokens of context; a prompt has one token a character."""
    prompt = sum(len(message["content"]) for message in body["messages"])
    if prompt + body["max_tokens"] > 2048:
        return refusal(
            400,
            f"'max_tokens' is too large: {body['max_tokens']}. This model's maximum context length "
            f"is 2048 tokens and your request has {prompt} input tokens.",
        )
    return reply(usage={"prompt_tokens": prompt, "completion_tokens": 5})


@pytest.mark.parametrize("named", [True, False])
def test_a_small_context_is_fitted_with_one_number_for_every_arm(
    run: Callable[..., Any], loopback: Any, named: bool
) -> None:
    listed = [{"id": "m", "max_model_len": 2048}] if named else ["m"]
    server = loopback(small, listed)
    code, said = run(server.url, "--max-tokens", "4096", "--stimuli", "emotionprompt:EP02", n=6,
                     command="run")  # fmt: skip
    assert code == 0, said
    answered = {body["max_tokens"] for _, _, body in server.asked}
    assert answered == ({1536} if named else {4096, 1536})
    assert all(row["fitted"] == row["attempts"] > 0 for row in load("summary.json")["arms"])
    assert "max_tokens is 1,536 instead of 4,096" in str(load("manifest.json")["calls"]["notes"])
    assert any("fitted" in warning for warning in load("summary.json")["warnings"])
    assert all(call["sent"] == {"max_tokens": 1536} for call in lines("calls.jsonl"))
    assert "4096" in str(load("manifest.json")["plan"])


def test_what_a_reasoning_models_gateway_refuses_is_learnt_once(
    run: Callable[..., Any], loopback: Any
) -> None:
    def gateway(body: dict[str, Any]) -> Any:
        if "max_tokens" in body:
            return refusal(400, "Use 'max_completion_tokens' instead.", param="max_tokens",
                           code="unsupported_parameter")  # fmt: skip
        if "temperature" in body:
            return refusal(400, "'temperature' does not support 0.7", param="temperature",
                           code="unsupported_value")  # fmt: skip
        if "seed" in body:
            return refusal(500, "the backend does not support parameters: ['seed']")
        return reply()

    server = loopback(gateway)
    code, _ = run(server.url, "--concurrency", "1", n=10)
    assert code == 0 and len(server.asked) == 13
    assert load("summary.json")["arms"][0]["left_out"] == {"temperature": 10}
    facts = load("manifest.json")["calls"]
    assert len(facts["notes"]) == 3
    assert facts["models"]["server/m"]["asked_otherwise"] == {
        "left_out": ["temperature"], "max_completion_tokens": True,
    }  # fmt: skip


def test_null_in_an_extra_body_takes_a_field_out(run: Callable[..., Any], loopback: Any) -> None:
    server = loopback(lambda body: reply())
    extra = '{"max_tokens": null, "max_completion_tokens": 512}'
    assert run(server.url, "--extra-body", extra)[0] == 0
    assert all("max_tokens" not in b and b["max_completion_tokens"] == 512
               for _, _, b in server.asked)  # fmt: skip


def test_an_aborted_answer_is_asked_again_and_what_it_cost_is_booked(
    run: Callable[..., Any], loopback: Any
) -> None:
    seen: set[str] = set()

    def first_aborted(body: dict[str, Any]) -> Any:
        question = str(body["messages"])
        if question in seen:
            return reply()
        seen.add(question)
        status, said = reply("Let me think: \\boxed{5}")
        said["choices"][0]["finish_reason"] = "abort"
        return status, said

    code, said = run(loopback(first_aborted).url)
    assert code == 0
    summary = load("summary.json")
    assert summary["arms"][0]["correct"] == 4 and not summary["errors"]
    assert sum(summary["paid"]["tokens"].values()) == 4 * 2 * 15
    before = Path("runs/r/calls.jsonl").read_text()
    assert run("", command="resume")[0] == 0
    assert Path("runs/r/calls.jsonl").read_text() == before


def test_no_secret_of_the_environment_is_written_or_shown(
    run: Callable[..., Any], loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", "MYTOKENVALUE_abcdef123456")
    monkeypatch.setenv("HEARTLOOP_API_KEY", SECRET)
    words = f"{'x' * 380} MYTOKENVALUE_abcdef123456 {SECRET}"
    server = loopback(lambda body: refusal(400, words))
    code, said = run(server.url)
    assert code and server.asked[0][1] == f"Bearer {SECRET}"
    said += "".join(file.read_text() for file in Path("runs/r").iterdir() if file.is_file())
    assert "MYTOKEN" not in said and "PLANTEDSEC" not in said


@pytest.mark.parametrize(
    ("url", "flags"),
    [
        ("http://127.0.0.1:9/v1?api_key=" + SECRET, ()),
        ("http://me:" + SECRET + "@127.0.0.1:9/v1", ()), ("ftp://me:" + SECRET + "@h/v1", ()),
        ("http://127.0.0.1:9/v1", ("--extra-body", json.dumps({"api_key": SECRET}))),
        ("http://127.0.0.1:9/v1", ("--extra-body", json.dumps({"auth": {"token": SECRET}}))),
    ],
)  # fmt: skip
def test_a_secret_where_it_would_be_written_is_refused_before_anything_is(
    run: Callable[..., Any], url: str, flags: tuple[str, ...]
) -> None:
    code, said = run(url, *flags)
    assert code == 2 and SECRET not in said and "HEARTLOOP_API_KEY" in said
    assert not Path("runs").exists() or SECRET not in "".join(
        file.read_text() for file in Path("runs").rglob("*") if file.is_file()
    )


def test_an_older_folder_with_absurd_counts_still_opens(
    run: Callable[..., Any], loopback: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(loopback(lambda body: reply()).url)[0] == 0
    for name in ("calls.jsonl", "verdicts.jsonl"):
        file = Path("runs/r", name)
        file.write_text(file.read_text().replace('"completion":5', f'"completion":{2**63}'))
    for command in (["status", "r"], ["report", "r"], ["score", "r"]):
        with pytest.raises(SystemExit) as ended:
            main(command)
        said = capsys.readouterr()
        assert not ended.value.code and "Traceback" not in said.err, (command, said.err)
