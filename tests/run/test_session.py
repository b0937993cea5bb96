"""Why a run stands where it does outlives a resume that got no answer."""

from __future__ import annotations

from heartloop.run.folder import RunFolder
from heartloop.run.session import NO_ANSWER


def test_a_resume_without_an_answer_says_so_beside_the_cap_that_stopped_the_run(
    heartloop, tmp_path, mock_server
):
    table = tmp_path / "q.csv"
    table.write_text("question,answer\n" + "".join(f"{n}+{n}?,{2 * n}\n" for n in range(60)))
    folder = RunFolder(tmp_path / "capped")
    begin = ("run", "--task", table, "--model", "server/mock", "--base-url", mock_server())
    begin += ("--method", "single", "--controls", "none", "--concurrency", 1, "--yes")
    cap = "--max-total-tokens"
    heartloop(*map(str, (*begin, cap, 2500, "--runs", tmp_path, "--name", "capped")), code=3)
    first = folder.summary["stopped"]
    assert first.startswith("--max-total-tokens 2500")
    dead = mock_server("--model", "another")
    again = ("resume", str(folder.path), cap, "9000000", "--base-url", dead)
    for _ in range(2):  # the second says no more than the first
        heartloop(*again, code=1)
        before, _, now = folder.summary["stopped"].partition(NO_ANSWER)
        assert before == first and dead in now and NO_ANSWER not in now
        assert folder.manifest["sessions"][-1]["stopped"] == folder.summary["stopped"]
    heartloop("resume", str(folder.path), cap, "9000000", "--base-url", mock_server())
    assert folder.summary["stopped"] is None
