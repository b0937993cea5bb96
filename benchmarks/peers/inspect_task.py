"""inspect_ai's task over tiny.jsonl."""

from inspect_ai import Task, task
from inspect_ai.dataset import json_dataset
from inspect_ai.scorer import match
from inspect_ai.solver import generate


@task
def tiny() -> Task:
    return Task(dataset=json_dataset("tiny.jsonl"), solver=[generate()], scorer=match(numeric=True))
