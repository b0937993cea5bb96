"""``heartloop power`` on the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from heartloop.analysis.power import smallest_detectable
from heartloop.cli.power import power_command
from heartloop.errors import UsageError


def output(*arguments: str) -> str:
    found = CliRunner().invoke(power_command, list(arguments), catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_a_design_is_described_in_points() -> None:
    shown = output("-n", "500", "--treatments", "EP01,EP02", "--target", "3", "--tokens", "100")
    assert max(map(len, shown.splitlines())) <= 80
    text = " ".join(shown.split())
    assert "each of 2, first step of Holm, against the plain prompt and the placebos" in text
    assert "3 points: " in text and "tokens" in text


def test_json_gives_the_same_figures() -> None:
    found = json.loads(output("-n", "500", "--seeds", "0,1,2", "--placebos", "0", "--json"))
    assert found["seeds"] == 3 and found["treatments"] == 1
    assert found["smallest"] == pytest.approx(smallest_detectable(500, seeds=3), abs=1e-6)
    assert [row["questions"] for row in found["by_questions"]] == [125, 250, 500, 1000, 2000]


def test_a_task_counts_its_own_questions(shared_data: object) -> None:
    found = json.loads(output("--task", "olympiad", "--data", str(shared_data), "--json"))
    assert found["questions"] == 675


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--task, -n or --power-from"),
        (["-n", "5", "--discordance", "3"], "--discordance 3"),
        (["-n", "5", "--treatments", "0"], "at least 1"),
        (["-n", "5", "--seeds", "x"], "--seeds 'x'"),
        (["-n", "5", "--target", "0"], "--target"),
        (["--power-from", "no-such-run"], "no-such-run"),
    ],
)
def test_bad_input_is_one_line_that_names_the_option(arguments: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        CliRunner().invoke(power_command, arguments, catch_exceptions=False)
    assert "\n" not in str(caught.value)


def test_a_pilot_gives_noise_and_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    from heartloop.cli import power

    rng = np.random.default_rng(0)
    base = rng.integers(0, 2, (200, 2)).astype(np.int8)
    questions = tuple(f"q{i}" for i in range(200))

    def arm(name: str, role: str, outcomes: np.ndarray, ids: tuple[str, ...]) -> object:
        return types.SimpleNamespace(
            task="t", model="m", arm=name, role=role, outcomes=outcomes, questions=ids,
            tokens=np.full(outcomes.shape, 50),
        )  # fmt: skip

    noisy = np.where(rng.random((200, 2)) < 0.3, 1 - base, base).astype(np.int8)
    # the treatment's questions come in another order and one is missing
    order = rng.permutation(200)[:199]
    arms = [
        arm("plain", "none", base, questions),
        arm("EP02", "treatment", noisy[order], tuple(questions[i] for i in order)),
    ]
    monkeypatch.setattr(power, "_results", lambda options: arms)
    found = json.loads(output("--power-from", "x", "--json", "--target", "3", "--placebos", "0"))
    assert found["source"] == "x" and found["questions"] == 200
    assert found["discordance"] == pytest.approx(0.3, abs=0.06)
    assert found["pilot"]["questions"] == 199
    assert found["tokens"] == 200 * 2 * 50
