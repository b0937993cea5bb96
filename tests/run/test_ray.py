"""Shards on a real local Ray cluster of several nodes, one of them killed in the middle."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from heartloop.run.arms import build_arms
from heartloop.run.execute import prepare
from heartloop.run.folder import new_folder
from heartloop.run.plan import Plan
from heartloop.run.ray import execute_on_ray

pytestmark = pytest.mark.ray
N = 120


@pytest.fixture
def plan(tmp_path: Path, mock_server: Callable[..., str]) -> Plan:
    task = tmp_path / "sums.jsonl"
    answers = tmp_path / "answers.jsonl"
    with task.open("w") as rows, answers.open("w") as golds:
        for i in range(N):
            row = {"id": f"q{i}", "question": f"Problem {i}: what is it?", "answer": str(i)}
            rows.write(json.dumps(row) + "\n")
            golds.write(json.dumps({"match": f"Problem {i}:", "answer": str(i)}) + "\n")
    url = mock_server(
        "--answers", str(answers), "--ability", "0.4", "--gain", "0.2", "--latency", "40"
    )
    return Plan(
        tasks=(str(task),),
        models=("server/mock",),
        arms=build_arms("heart", params={"rounds": 3}),
        server={"base_urls": [url]},
        limits={"concurrency": 12},
    )


@pytest.fixture
def cluster() -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    for _ in range(3):  # one more than needed once a node is gone
        made.add_node(num_cpus=1)
    made.wait_for_nodes()
    yield made
    made.shutdown()


def comparable(summary: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in summary.items() if k not in ("run", "wall_s")}


def test_shards_equal_a_single_process_although_a_node_is_killed(
    plan: Plan, cluster: Any, tmp_path: Path
) -> None:
    import asyncio

    from heartloop.run.execute import execute

    whole = asyncio.run(execute(prepare(plan), new_folder(tmp_path, "whole", ""), signals=False))
    folder = new_folder(tmp_path, "sharded", "")
    journal = folder.path / "shards"
    lines: list[str] = []

    def kill_a_node() -> None:
        while sum(p.read_bytes().count(b"\n") for p in journal.glob("*/calls.jsonl")) < 60:
            time.sleep(0.05)
        victim = next(iter(cluster.worker_nodes))
        cluster.remove_node(victim, allow_graceful=False)

    killer = threading.Thread(target=kill_a_node)
    killer.start()
    summary = execute_on_ray(
        prepare(plan), folder, address=cluster.address, shards=3, tell=lines.append
    )
    killer.join()
    assert any("lost" in line for line in lines)
    assert comparable(summary) == comparable(whole)
