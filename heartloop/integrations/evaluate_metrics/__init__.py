"""Modules for Hugging Face ``evaluate`` that load from a local path, without the hub."""

from __future__ import annotations

from pathlib import Path

METRICS = ("preference_bias", "math_equality", "normalised_metric")


def metric_path(name: str) -> str:
    """The folder that ``evaluate.load`` takes: ``evaluate.load(metric_path("preference_bias"))``.

    Args:
        name: one of ``METRICS``.

    Raises:
        ValueError: no such metric.
    """
    if name not in METRICS:
        raise ValueError(f"no metric {name!r}; there are {', '.join(METRICS)}")
    return str(Path(__file__).parent / name)
