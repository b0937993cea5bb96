"""Data: task card → questions and golds, from local files, the cache, the hub or practice sets."""

from heartloop.data.items import TaskData
from heartloop.data.load import load_data
from heartloop.data.resolve import resolve_tasks

__all__ = ["TaskData", "load_data", "resolve_tasks"]
