"""What users type: several values, a phrase in quotes, output for machines, words that help."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from heartloop.errors import CallError
from heartloop.models import make_model
from heartloop.types import Address, Message, Request, Sampling

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HEARTLOOP_MODEL", "HEARTLOOP_DATA"):
        monkeypatch.delenv(name, raising=False)
    rows = [f"What is {n} + {n}?,{2 * n}\n" for n in range(1, 7)]
    (tmp_path / "q.csv").write_text("question,answer\n" + "".join(rows))
    return tmp_path


@pytest.fixture
def planned(heartloop, capsys):
    """The plan of a dry run as plain data."""

    def show(*flags):
        heartloop("run", "--task", "q.csv", *flags, "--dry-run", "--json")
        return json.loads(capsys.readouterr().out)

    return show


@pytest.mark.parametrize("command", ["run", "optimize"])
@pytest.mark.parametrize(
    "flags", [("--mode", "oracle", "--mode", "oracle"), ("--rounds", "1", "--rounds", "2")]
)
def test_one_value_given_twice_is_refused(place, heartloop, capsys, command, flags):
    heartloop(command, "--task", "q.csv", *flags, code=2)
    said = capsys.readouterr().err
    assert f"{flags[0]} takes one value and was given twice" in said
    assert not (place / "runs").exists()


def test_values_with_commas_are_several(place, planned):
    plain = ("--stimuli", "emotionprompt:EP02", "--controls", "none")
    made = planned(*plain, "--model", "server/a,server/b", "--placement", "before,system")
    assert made["plan"]["models"] == ["server/a", "server/b"]
    placed = {arm["name"]: arm["placement"] for arm in made["plan"]["arms"]}
    assert placed == {"EP02@before": "before", "EP02@system": "system"}


def test_a_phrase_in_quotes_is_an_arm_with_placebos_of_its_own(place, planned):
    arms = planned("--stimuli", "My job depends on it")["plan"]["arms"]
    (mine,) = (arm for arm in arms if arm["role"] == "treatment")
    assert mine["name"] == "my-job-depends-on"
    assert mine["stimuli"][0]["text"] == "My job depends on it"
    assert sum(arm["role"] == "placebo" for arm in arms) == 2


def test_a_dash_is_the_output_and_report_has_a_machines_form(place, heartloop, capsys):
    heartloop("run", "--task", "q.csv", "--model", "pocket", "--method", "single",
              "--controls", "none", "--name", "a", "--quiet")  # fmt: skip
    capsys.readouterr()
    heartloop("export", "a", "--to", "csv", "-o", "-")
    assert capsys.readouterr().out.startswith("run,state,task,question,")
    assert not (place / "-").exists()
    heartloop("report", "a", "--json")
    told = json.loads(capsys.readouterr().out)
    assert Path(told["report"]).exists() and set(told["conclusions"]) == {"a"}


def test_power_takes_the_practice_set_where_run_would(place, heartloop, capsys):
    heartloop("power", "--task", "olympiad")
    assert "PRACTICE SET" in "".join(capsys.readouterr())


def test_a_server_that_is_not_there_is_told_with_the_flag_that_names_it():
    model = make_model("server/none")
    request = Request(Address("t", "q", "server/none", 0, 0), (Message("user", "?"),), Sampling())

    async def asked():
        try:
            await model.complete(request)
        finally:
            await model.close()

    with pytest.raises(CallError, match="name the server with --base-url"):
        asyncio.run(asked())


def test_every_command_of_the_page_on_gpus_says_where_the_data_are():
    page = (ROOT / "docs" / "gpus.md").read_text()
    lines = [line for line in page.splitlines() if "heartloop run --task olympiad" in line]
    assert lines and all("--data" in line for line in lines)


def test_every_variable_that_is_read_stands_in_the_table():
    code = "".join(path.read_text() for path in (ROOT / "heartloop").rglob("*.py"))
    read = set(re.findall(r"[\"'](HEARTLOOP_[A-Z_]+)[\"']", code)) - {"HEARTLOOP_COMPLETE"}
    table = (ROOT / "docs" / "plans.md").read_text()
    assert len(read) > 8
    assert {name for name in read if f"`{name}" not in table} == set()


def test_help_of_a_run_prints_its_flags_by_group(heartloop, capsys):
    heartloop("run", "--help")
    said = capsys.readouterr().out
    groups = re.findall(r"^([A-Z][\w ,']+):$", said, re.M)
    assert len(groups) >= 6 and groups[0] == "What is run"
    assert (
        said.index("What is run:") < said.index("\n  --task ") < said.index("Loop and selection:")
    )
    told = [line for line in said.splitlines() if not line.startswith("  heartloop ")]
    assert max(map(len, told)) <= 80


def test_the_wait_for_litellm_is_announced(place, capsys, monkeypatch):
    from heartloop.cli._live import say_what_loads

    monkeypatch.delitem(sys.modules, "litellm", raising=False)  # another test may have loaded it

    say_what_loads(["pocket", "server/x"])
    assert capsys.readouterr().err == ""
    say_what_loads(["openai/gpt-4o-mini"])
    assert "loading litellm" in capsys.readouterr().err
