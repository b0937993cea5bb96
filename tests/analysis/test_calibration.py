"""The calibration tables of the documentation, from the benchmark that makes them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def calibration() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "calibration", ROOT / "benchmarks" / "calibration.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_coverage_of_wilson_and_power_keep_their_promises(calibration: ModuleType) -> None:
    assert "✗" not in "\n".join(calibration.wilson_coverage())
    assert "✗" not in "\n".join(calibration.power_check(5_000))


def test_tests_keep_their_level_with_one_pair_a_question(calibration: ModuleType) -> None:
    found = calibration.single(200, 0.3, 0.0, 4_000, np.random.default_rng(0))
    assert found["exact"] < 0.05
    for name in ("mid-p", "permutation", "bootstrap"):
        assert 0.035 < found[name] < 0.062
    edge = calibration.single(1000, 0.1, 0.03, 4_000, np.random.default_rng(1))
    assert edge["tost"] < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 4_000)


def test_tests_keep_their_level_with_seeds_as_clusters(calibration: ModuleType) -> None:
    found = calibration.clustered(200, 0.3, 0.0, 600, np.random.default_rng(2))
    for name in ("exact", "permutation", "bootstrap"):
        assert found[name] < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)
    assert found["covered"] > 0.92
    edge = calibration.clustered(50, 0.031, 0.03, 600, np.random.default_rng(3))
    assert edge["tost"] < 0.05


def test_the_documented_tables_hold_no_broken_promise() -> None:
    page = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    section = page.split("## How well it keeps its promises")[1]
    assert "✗" not in section
    assert len(re.findall(r"✓", section)) > 100


@pytest.mark.slow
def test_all_tables(calibration: ModuleType) -> None:
    lines = calibration.equivalence_edge(10_000) + calibration.false_positives(10_000)
    assert "✗" not in "\n".join(lines)
