"""Frozen dataclasses that are made in half the time."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quick(kind: type[T]) -> type[T]:
    """Give a frozen dataclass with slots a faster ``__init__`` of the same signature.

    The one that `dataclasses` writes goes through ``object.__setattr__`` for every field; this one
    calls the slots' own setters. A question makes some twenty of these values. Nothing else about
    the class changes.

    Args:
        kind: without ``__post_init__``, fields of a parent class or fields by keyword only.
    """
    names: dict[str, Any] = {"MISSING": MISSING}
    parameters, body = [], []
    for field in fields(kind):  # type: ignore[arg-type]
        name = value = field.name
        names[f"_set_{name}"] = kind.__dict__[name].__set__
        if field.default is not MISSING:
            names[f"_default_{name}"] = field.default
            parameters.append(f"{name}=_default_{name}")
        elif field.default_factory is not MISSING:
            names[f"_new_{name}"] = field.default_factory
            parameters.append(f"{name}=MISSING")
            value = f"_new_{name}() if {name} is MISSING else {name}"
        else:
            parameters.append(name)
        body.append(f"    _set_{name}(self, {value})")
    source = f"def __init__(self, {', '.join(parameters)}):\n" + "\n".join(body)
    exec(source, names)  # noqa: S102  # as `dataclasses` does
    made, known = names["__init__"], kind.__init__
    made.__annotations__, made.__qualname__ = known.__annotations__, known.__qualname__
    made.__module__ = kind.__module__
    kind.__init__ = made  # type: ignore[method-assign]
    return kind
