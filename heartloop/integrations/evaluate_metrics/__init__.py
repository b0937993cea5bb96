"""Modules for Hugging Face ``evaluate`` that load from a local path, without the hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import evaluate

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


def info_of_texts(description: str, citation: str, inputs: str) -> evaluate.MetricInfo:
    """What ``evaluate`` is told of a metric that compares a text with a text."""
    import datasets
    import evaluate

    text = datasets.Value("string")
    return evaluate.MetricInfo(
        description=description,
        citation=citation,
        inputs_description=inputs,
        features=datasets.Features({"predictions": text, "references": text}),
    )
