"""Shards that a scheduler runs apart become the run that one process makes."""

import json

import pytest

from heartloop.cli import main


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n)} for n in range(20)]
    (tmp_path / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def command(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return ended.value.code


def run(url, name, *more):
    return command(
        "run", "--task", "sums.jsonl", "--method", "reflect", "--controls", "none", "--rounds", "1",
        "--model", "server/m", "--base-url", url, "--name", name, "--json", *more,
    )  # fmt: skip


def read(place, name):
    return json.loads((place / f"runs/{name}/summary.json").read_text())


def test_merged_shards_are_the_run_of_one_process(place, loopback, capsys):
    url = loopback(lambda body: "\\boxed{8}").url
    assert run(url, "whole") == 0
    for i in (1, 2, 3):
        assert run(url, f"s{i}", "--shard", f"{i}/3") == 0
    assert command("merge", "s1", "s2", "s3", "--name", "all", "--json") == 0
    whole, merged = read(place, "whole"), read(place, "all")
    for name in ("arms", "paid", "errors", "stopped"):
        assert merged[name] == whole[name], name
    assert command("status", "all") == 0
    assert command("score", "all", "--json") == 0
    assert read(place, "all")["arms"] == whole["arms"]


def test_a_shard_that_is_gone_on_with_stays_a_shard(place, loopback):
    url = loopback(lambda body: "\\boxed{8}").url
    assert run(url, "s1", "--shard", "1/3", "--max-total-tokens", "60", "--max-tokens", "5") == 3
    assert command("resume", "s1", "--max-total-tokens", "900000") == 0
    asked = {json.loads(x)["question"] for x in (place / "runs/s1/verdicts.jsonl").open()}
    assert 0 < len(asked) < 20


@pytest.mark.parametrize(
    "names, said",
    [
        (["s1", "s1b"], "shard 1 again"),
        (["s1"], "2/2 are missing"),
        (["s1", "other"], "its plan is not that of"),
        (["whole", "s1"], "is no shard"),
    ],
)
def test_what_does_not_fit_together_is_refused(place, loopback, capsys, names, said):
    url = loopback(lambda body: "\\boxed{8}").url
    for name, more in {
        "whole": [], "s1": ["--shard", "1/2"], "s1b": ["--shard", "1/2"],
        "other": ["--shard", "2/2", "--temperature", "1"],
    }.items():  # fmt: skip
        if name in names:
            assert run(url, name, *more) == 0
    capsys.readouterr()
    assert command("merge", *names, "--name", "all") == 2
    assert said in capsys.readouterr().err and not (place / "runs/all").exists()


def test_a_shard_is_one_of_its_number(place, capsys):
    assert run("http://127.0.0.1:9/v1", "x", "--shard", "4/3") == 2
    assert "expected I/N" in capsys.readouterr().err and not (place / "runs/x").exists()


def loop(url, name, shard, *more):
    return command(
        "run", *(more or ("--task", "sums.jsonl", "--method", "reflect", "--rounds", "2",
        "--model", "server/m")), "--base-url", url, "--name", name, "--json",
        "--shard", shard,
    )  # fmt: skip


def test_shards_of_the_first_ones_plan_share_its_pilot_and_others_are_refused(
    place, loopback, capsys
):
    lengths = iter(range(10**6))
    url = loopback(lambda body: "word " * (next(lengths) // 20)).url  # longer and longer
    assert loop(url, "s1", "1/2") == 0
    assert loop(url, "s2", "2/2", "--plan", "runs/s1/manifest.json") == 0
    assert loop(url, "own", "2/2") == 0
    manifests = [json.loads((place / f"runs/{n}/manifest.json").read_text()) for n in ("s1", "s2")]
    assert manifests[0]["plan"]["draws"] == manifests[1]["plan"]["draws"]
    assert "pilot" in manifests[0] and "pilot" not in manifests[1]
    asked = {json.loads(x)["address"]["question"] for x in (place / "runs/s2/calls.jsonl").open()}
    assert 0 < len(asked) < 20  # its own questions alone
    assert command("merge", "s1", "s2", "--name", "all", "--json") == 0
    capsys.readouterr()
    assert command("merge", "s1", "own", "--name", "not") == 2
    assert "other draws" in (said := capsys.readouterr().err) and "--plan runs/s1/" in said
