"""What heartloop does, done with a real model: SmolLM2-135M through ``hf/``, ``vllm/``, a server.

Nothing here asks whether the model is any good; it asks whether every way to a real model works
and whether two ways give the same answers.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from pathlib import Path

import pytest
from conftest import environment, heartloop_command, records

GREEDY = ("--temperature", "0", "--max-tokens", "12")
NEAR = 0.05  # logits that lie closer than this may swap places between two programs


def served(url: str) -> tuple[str, ...]:
    return ("--model", "server/smollm2", "--base-url", url, "--request-seeds", "off")


def test_hf_and_vllm_give_the_same_greedy_answers_up_to_near_ties(
    heartloop, server, smollm2, sums, tmp_path
):
    one = ("run", "--task", sums, "--method", "single", "--controls", "none", "--limit", "24")
    heartloop(*one, *GREEDY, "--model", "hf/smollm2", "--name", "hf")
    heartloop(*one, *GREEDY, *served(server), "--name", "vllm")
    said = [
        {r["address"]["question"]: r for r in records(tmp_path / "runs" / name)}
        for name in ("hf", "vllm")
    ]
    assert len(said[0]) == len(said[1]) == 24
    apart = [q for q in said[0] if said[0][q]["text"] != said[1][q]["text"]]
    assert len(apart) <= 4
    for q in apart:
        prompt = said[0][q]["request"]["messages"]
        assert gap(smollm2, prompt, said[0][q]["text"], said[1][q]["text"]) < NEAR


def gap(folder: Path, prompt: list[dict[str, str]], one: str, other: str) -> float:
    """How far apart the logits are where two answers part."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    asked = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
    start, end = (tokenizer(t, add_special_tokens=False).input_ids for t in (asked, "<|im_end|>"))
    first, second = (
        tokenizer(text, add_special_tokens=False).input_ids + end for text in (one, other)
    )
    at = next(i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    with torch.inference_mode():
        logits = model(torch.tensor([start + first[:at]])).logits[0, -1]
    return abs(float(logits[first[at]] - logits[second[at]]))


def test_a_stimulus_grid_in_this_process(heartloop, smollm2, sums, tmp_path):
    summary = heartloop(
        "run", "--task", sums, "--stimuli", "emotionprompt:EP02,negativeprompt:NP04", "--limit",
        "6", "--model", "hf/smollm2", "--max-tokens", "12", "--controls", "lean", "--name", "grid",
    )  # fmt: skip
    arms = {row["arm"]: row for row in summary["arms"]}
    assert {"EP02", "NP04", "none"} <= set(arms)
    assert all((row["n"], row["error"]) == (6, 0) for row in arms.values())
    prompts = [r["request"]["messages"][-1]["content"] for r in records(tmp_path / "runs" / "grid")]
    assert sum("important to my career" in text for text in prompts) == 6
    manifest = json.loads((tmp_path / "runs" / "grid" / "manifest.json").read_text())
    assert set(manifest["claim"]["treatments"]) == {"EP02", "NP04"}


def test_a_heart_loop_on_vllm_killed_in_the_middle_goes_on_and_pays_nothing_twice(
    smollm2, sums, tmp_path
):
    run = tmp_path / "runs" / "loop"
    journal = run / "calls.jsonl"
    command = heartloop_command(
        "run", "--task", sums, "--verifier", "math", "--rounds", "3", "--limit", "12",
        "--model", "vllm/smollm2", "--controls", "none", "--max-tokens", "40", "--name", "loop",
        "--request-seeds", "off", "--concurrency", "4",
        "--vllm-arg=--enforce-eager", "--vllm-arg=--max-model-len=2048",
    )  # fmt: skip
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 600
    while not journal.exists() or journal.read_bytes().count(b"\n") < 6:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.wait()
    kept = {r["key"] for r in records(run)} if journal.read_bytes().endswith(b"\n") else set()
    done = subprocess.run(
        heartloop_command("resume", "loop", "--json"),
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=800,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    asked = records(run)
    keys = [r["key"] for r in asked]
    assert len(keys) == len(set(keys))
    assert kept <= set(keys)
    by_key = {r["key"]: r for r in asked}
    later = [r for r in asked if r["address"]["round"] == 1]
    assert later
    for r in later:  # round 0, the model's answer and one more turn of the user
        before = by_key[r["request"]["extends"]]
        assert before["address"] == {**r["address"], "round": 0}
        assert [m["role"] for m in r["request"]["messages"]] == ["user"]
    deadline = time.monotonic() + 60
    while f"--model {smollm2}" in (listed := processes()) and "guard.py" in listed:
        assert time.monotonic() < deadline, "a server outlived its run"
        time.sleep(0.5)


def processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


def test_budget_forcing_by_turn_and_by_going_on_with_the_models_own_words(
    heartloop, server, sums, tmp_path
):
    for force in ("turn", "continue"):
        summary = heartloop(
            "run", "--task", sums, "--verifier", "math", "--method", "budget_force", "--param",
            f"force={force}", "--rounds", "2", "--limit", "4", "--controls", "none",
            *served(server), "--max-tokens", "40", "--name", force,
        )  # fmt: skip
        assert summary["arms"][0]["n"] == 4
        assert summary["arms"][0]["error"] == 0
    going_on = [r for r in records(tmp_path / "runs" / "continue") if r["address"]["round"]]
    assert going_on
    for r in going_on:
        assert r["request"]["messages"][-1]["role"] == "assistant"


def test_choices_are_scored_by_their_likelihoods(heartloop, server, tmp_path):
    (tmp_path / "choices.jsonl").write_text(
        '{"question": "The clear sky is", "choices": ["blue", "xylophone"], "answer": "A"}\n'
        '{"question": "Two plus two is", "choices": ["umbrella", "four"], "answer": "B"}\n'
    )
    summary = heartloop(
        "run", "--task", "choices.jsonl", "--verifier", "choice_loglik", "--method", "single",
        "--controls", "none", *served(server), "--name", "choices",
    )  # fmt: skip
    row = summary["arms"][0]
    assert (row["n"], row["error"]) == (2, 0)
    assert row["accuracy"] == 1.0


def test_a_search_ends_with_an_answer(heartloop, server, sums, tmp_path):
    found = heartloop(
        "optimize", "--task", sums, "--stimuli", "emotionprompt:EP02,EP08", *served(server),
        "--max-tokens", "8", "--delta", "0.3", "--max-calls", "150", "--name", "search",
    )  # fmt: skip
    assert found
    assert len(records(tmp_path / "runs" / "search")) <= 150
    shown = heartloop("status", "search")
    assert shown


def test_a_dspy_program_with_a_stimulus_and_a_loop(server, tmp_path):
    dspy = pytest.importorskip("dspy")
    from heartloop.integrations.dspy import (
        Engine,
        HeartLoop,
        PlainAdapter,
        loop_trace,
        with_stimulus,
    )

    program = dspy.Predict(dspy.Signature("question -> answer", "Answer the question."))
    with Engine("server/smollm2", tmp_path / "qa", base_urls=[server]) as engine:
        lm = engine.lm(temperature=0.0, max_tokens=30)
        with dspy.context(lm=lm, adapter=PlainAdapter()):
            told = with_stimulus(program, "emotionprompt:EP02")
            assert told(question="What is 2 + 2?").answer
            loop = HeartLoop(program, rounds=2, reward_fn=lambda *_: 0.0)
            made = loop(question="What is 3 + 4?")
            assert len(loop_trace(made).attempts) == 3
    said = records(tmp_path / "qa")
    assert "important to my career" in str(said[0]["request"]["messages"])


def test_any_gguf_file_opens_in_this_process(smollm2):
    from heartloop.models import ModelOptions, make_model
    from heartloop.models.fetched import PACKAGES, gguf_of
    from heartloop.types import Address, Message, Request, Sampling

    spec = f"hf/{gguf_of(PACKAGES['smollm2'])}"
    model = make_model(spec, ModelOptions())
    asked = Request(
        Address("t", "1", spec, 0, 0),
        (Message("user", "Say hello."),),
        Sampling(temperature=0.0, max_tokens=8),
    )

    async def ask():
        try:
            return await model.complete(asked)
        finally:
            await model.close()

    answer = asyncio.run(ask())
    assert answer.text.strip()
    assert 0 < answer.usage.completion <= 8
