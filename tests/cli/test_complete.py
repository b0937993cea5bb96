"""The shell is offered tasks, stimuli and runs, not options alone."""

import pytest

from heartloop.cli import main


def completed(monkeypatch, capsys, *words: str) -> list[str]:
    monkeypatch.setenv("_HEARTLOOP_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["heartloop", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 0
    return [line.partition(",")[2] for line in capsys.readouterr().out.split()]


@pytest.mark.parametrize(
    "words, offered",
    [
        (("run", "--task", "olymp"), "olympiad"),
        (("run", "--task", "olympiad,truthf"), "olympiad,truthfulqa_mc1"),
        (("optimize", "--stimuli", "emotionp"), "emotionprompt"),
        (("run", "--model", "serv"), "server/"),
        (("run", "--method", "self_"), "self_refine"),
        (("report", "first"), "first-run"),
        (("compare", "first-run", "las"), "last"),
    ],
)
def test_names_are_offered(tmp_path, monkeypatch, capsys, words, offered):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs/first-run").mkdir(parents=True)
    (tmp_path / "runs/first-run/manifest.json").write_text("{}")
    (tmp_path / "runs/no-run").mkdir()
    assert offered in completed(monkeypatch, capsys, *words)


def test_a_place_without_runs_offers_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert completed(monkeypatch, capsys, "report", "x") == []
