import json
from collections.abc import Callable
from pathlib import Path

import pytest

from heartloop.cards.check import check_card
from heartloop.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEARTLOOP_WORKSPACE", raising=False)
    return tmp_path


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in an empty folder: exit code, stdout, stderr."""

    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(list(args))
        out = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out.out, out.err

    return call


def test_stimuli_are_listed_with_their_sizes(run: Run) -> None:
    code, out, _ = run("stimuli", "list")
    assert code == 0 and "emotionprompt" in out and "reconstructed" in out
    code, out, _ = run("stimuli", "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert rows["heart"]["stimuli"] == 48 and rows["heart"]["origin"] == "shipped"


def test_a_set_and_a_single_stimulus_can_be_shown(run: Run) -> None:
    code, out, _ = run("stimuli", "show", "emotionprompt")
    assert code == 0 and out.count("\n") > 11
    assert "This is very important to my career." in out
    code, out, _ = run("stimuli", "show", "emotionprompt:EP02", "--json")
    assert json.loads(out)["text"] == "This is very important to my career."
    code, out, _ = run("stimuli", "show", "EP02")
    assert "demand: none" in out


@pytest.mark.parametrize("kind", ["stimuli", "tasks", "verifiers"])
def test_an_unknown_card_is_exit_2_and_one_line(run: Run, kind: str) -> None:
    code, out, err = run(kind, "show", "no-such-card-at-all")
    assert (code, out) == (2, "") and err.count("\n") == 1 and "unknown" in err


def test_check_without_a_name_checks_all_shipped_cards(run: Run) -> None:
    for kind in ("stimuli", "verifiers"):
        code, out, err = run(kind, "check", "--json")
        assert code == 0, [row for row in json.loads(out) if not row["ok"]]


def test_check_names_file_line_and_field_and_exits_2(run: Run, home: Path) -> None:
    (home / "verifiers").mkdir()
    bad = home / "verifiers" / "bad.yaml"
    bad.write_text("kind: exact\nextract:\n  strickt: [boxed]\n")
    code, out, err = run("verifiers", "check", "verifiers/bad.yaml")
    assert (code, out) == (2, "")
    assert "verifiers/bad.yaml:3: extract.strickt: unknown field" in err
    bad.write_text("kind: exact\nextract:\n  strict: [bocksed]\n")
    code, _, err = run("verifiers", "check", "bad")
    assert code == 2 and 'unknown step "bocksed"' in err
    assert run("verifiers", "list")[0] == 0
    bad.write_text("kind: [\n")
    code, out, _ = run("verifiers", "list")
    assert code == 0 and "BROKEN" in out


def test_check_follows_a_task_to_its_members_and_verifier(run: Run, home: Path) -> None:
    (home / "tasks").mkdir()
    (home / "tasks" / "suite.yaml").write_text(
        "source: {local: '{member}.jsonl'}\nverifier: exact\nmembers:\n"
        "  good:\n  lost: {verifier: nowhere}\n  typo: {verifer: exact}\n"
    )
    code, out, _ = run("tasks", "check", "suite", "--json")
    [row] = json.loads(out)
    assert code == 2 and len(row["errors"]) == 2
    assert 'suite.yaml: verifier: unknown verifier "nowhere"' in row["errors"][0]
    assert "suite.yaml:6: verifer: unknown field" in row["errors"][1]


def test_members_of_a_suite_are_folded_until_it_is_named(run: Run, home: Path) -> None:
    (home / "tasks").mkdir()
    (home / "tasks" / "mysuite.yaml").write_text(
        "source: {local: '{member}.jsonl'}\nverifier: exact\nmembers: {one: , two: }\n"
    )
    _, out, _ = run("tasks", "list")
    assert "mysuite" in out and "2 tasks" in out and "mysuite/one" not in out
    _, out, _ = run("tasks", "list", "mysuite")
    assert "mysuite/one" in out
    code, _, err = run("tasks", "list", "mysuit")
    assert code == 2 and 'did you mean "mysuite"' in err


def test_a_task_is_shown_with_every_field(run: Run, home: Path) -> None:
    (home / "tasks").mkdir()
    (home / "tasks" / "t.yaml").write_text(
        "title: T\nsource: {local: t.jsonl}\nverifier: exact\nlicence: CC0-1.0\n"
        'prompt: {instruction: "Line one\\nand two"}\n'
    )
    code, out, _ = run("tasks", "show", "t")
    assert code == 0 and "licence: CC0-1.0" in out
    assert 'prompt.instruction: "Line one\\nand two"' in out
    _, out, _ = run("tasks", "show", "t", "--json")
    shown = json.loads(out)
    assert shown["source"]["local"] == ["t.jsonl"]
    assert "t: no data on this machine" in shown["data"]["absent"]
    code, out, _ = run("tasks", "show", "t", "--data", "nowhere", "--json")
    assert code == 0 and "nowhere is no folder" in json.loads(out)["data"]["absent"]


def test_init_makes_a_workspace_whose_cards_are_good(run: Run, home: Path) -> None:
    code, out, _ = run("init", "ws", "--json")
    assert code == 0 and len(json.loads(out)["written"]) == 6
    for kind in ("stimuli", "tasks", "verifiers"):
        found = check_card(kind, str(home / "ws" / kind / "example.yaml"))  # type: ignore[arg-type]
        # its verifier is found from inside the workspace only
        assert found.warnings == ()
    assert (home / "ws" / "runs" / "README.md").exists()


def test_a_workspace_of_init_checks_clean_from_inside(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("init")[0] == 0
    for kind in ("stimuli", "tasks", "verifiers"):
        code, out, err = run(kind, "check", "example")
        assert (code, err) == (0, ""), err
        assert "ok: example" in out
    monkeypatch.delenv("HEARTLOOP_DATA", raising=False)
    _, out, _ = run("tasks", "show", "example")
    assert "data.questions: 28" in out


def test_the_command_that_init_tells_works(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HEARTLOOP_DATA", raising=False)
    _, out, err = run("init", "ws")
    command = next(x for x in (out + err).splitlines() if x.startswith("next: "))
    words = command.partition("&& heartloop ")[2].split()
    monkeypatch.chdir(home / "ws")
    code, out, err = run(*words, "--json")
    assert code == 0, err
    rows = {row["arm"]: row for row in json.loads(out)["arms"]}
    # the set's own placebo is the control of its stimulus, once; EX2 has those of its length
    placebos = ["PL-EX1", "placebo-short-1", "placebo-short-2"]
    assert list(rows) == ["none", "again", *placebos, "EX1", "EX2"]
    assert rows["PL-EX1"]["stimulus"] == "example:PL-EX1"
    # there is room to rise and to fall
    assert all(0.2 < row["accuracy"] < 0.9 for row in rows.values())


def test_init_overwrites_nothing(run: Run, home: Path) -> None:
    (home / "tasks").mkdir()
    (home / "tasks" / "example.yaml").write_text("mine")
    code, out, err = run("init")
    assert code == 2 and "nothing was written" in err
    assert (home / "tasks" / "example.yaml").read_text() == "mine"
    assert not (home / "stimuli").exists()
    (home / "file").write_text("")
    code, _, err = run("init", "file/below")
    assert code == 2 and err.count("\n") == 1


def test_check_shows_three_prompts_of_a_table_with_gold_and_verifier(run: Run, home: Path) -> None:
    rows = "".join(f"Which city is number {i}?,City{i},1\n" for i in range(5))
    (home / "faq.csv").write_text("question,answer,level\n" + rows)
    code, out, err = run("tasks", "check", "faq.csv")
    assert code == 0, err
    assert "5 questions, verifier text (the answers are short texts, such as 'City0')" in out
    assert "note: column level is not used" in out
    assert out.count("[user]") == 3 and "--- 3 of 3, id 2, gold: City2" in out
    (home / "bad.csv").write_text("question,picture,answer\nQ?,a.png,x\n")
    code, out, err = run("tasks", "check", "bad.csv")
    assert code == 2 and "picture: holds a picture" in err


def test_a_table_and_a_changed_task_are_shown_like_a_card(run: Run, home: Path) -> None:
    rows = [{"question": f"What is {n} + 30?", "answer": str(n + 30)} for n in (12, 17)]
    (home / "sums.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, out, _ = run("tasks", "show", "sums.jsonl", "--json")
    shown = json.loads(out)
    assert code == 0 and shown["verifier"] == "math" and shown["data"]["questions"] == 2
    code, out, _ = run("tasks", "show", "sums.jsonl~numbers", "--json")
    assert code == 0 and json.loads(out)["metric"] == "old answer"
    code, _, err = run("tasks", "show", "absent.csv")
    assert code == 2 and "absent.csv: cannot be read" in err
    code, _, err = run("tasks", "show", "sums.jsonl~level")
    assert code == 2 and "TASK~numbers changes a number" in err
