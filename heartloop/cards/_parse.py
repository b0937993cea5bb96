"""YAML text to a tree of values that know their file and line, without YAML 1.1's surprises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from heartloop.errors import CardError

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?")
_MAX_FIELDS = 200_000  # far over any card; ends files that expand aliases without limit
_MAX_DEPTH = 40
_MAX_BYTES = 20_000_000


@dataclass(frozen=True, slots=True)
class Field:
    """A YAML value and where it stands.

    Attributes:
        value: str, int, float, bool, None, a list of Field or a dict of str to Field.
        file: the file as it is printed in errors.
        line: 1-based.
    """

    value: Any
    file: str
    line: int

    def plain(self) -> Any:
        """The value as plain Python data, without positions."""
        if isinstance(self.value, dict):
            return {key: field.plain() for key, field in self.value.items()}
        if isinstance(self.value, list):
            return [field.plain() for field in self.value]
        return self.value


def parse(raw: bytes, name: str) -> Field:
    """Parse the bytes of a card into a root mapping with positions.

    Raises:
        CardError: not UTF-8, not YAML, a key twice, or the root is not a mapping.
    """
    root = _tree(raw, name)
    if root is None:
        raise CardError(f"{name}:1: the card is empty; see docs/cards.md for the fields it needs")
    if not isinstance(root.value, dict):
        raise CardError(f"{name}:{root.line}: a card is a mapping of `field: value` lines")
    return root


def read_yaml(raw: bytes, name: str) -> Any:
    """Any YAML as plain Python data, bounded in size, depth and expansion: plans, prices, flags.

    Args:
        raw: UTF-8, with or without a byte-order mark.
        name: what errors call it.

    Raises:
        CardError: not UTF-8, not YAML, a key twice, or bounds exceeded; names the line.
    """
    root = _tree(raw, name)
    return None if root is None else root.plain()


def _tree(raw: bytes, name: str) -> Field | None:
    if len(raw) > _MAX_BYTES:
        raise CardError(f"{name}: over {_MAX_BYTES // 1_000_000} MB; is it the right file?")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise CardError(f"{name}:{line}: not UTF-8 text; save it as UTF-8") from error
    try:
        _refuse_depth(text, name)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or (str(error).splitlines() or ["?"])[0]
        line = mark.line + 1 if mark is not None else 1
        raise CardError(
            f"{name}:{line}: not valid YAML: {problem}; check indentation and quotes"
        ) from error
    return None if node is None else _Converter(name).convert(node, ())


def _refuse_depth(text: str, name: str) -> None:
    """Refuse deep nesting on the flat stream of events: building the tree would end in a crash."""

    def too_deep(mark: Any) -> CardError:
        line = mark.line + 1 if mark is not None else 1
        return CardError(f"{name}:{line}: nested more than {_MAX_DEPTH} deep; flatten it")

    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > _MAX_DEPTH:
                    raise too_deep(event.start_mark)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.MarkedYAMLError as error:
        # PyYAML 6.0.4 has a limit of its own (1,000), which it meets while it looks ahead.
        if "nesting depth" in (error.problem or ""):
            raise too_deep(error.problem_mark) from error
        raise


class _Converter:
    """YAML nodes to Fields, with YAML 1.1's surprises taken out."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0

    def convert(self, node: Any, parents: tuple[int, ...]) -> Field:
        line = node.start_mark.line + 1
        self.count += 1
        if id(node) in parents or self.count > _MAX_FIELDS:
            raise CardError(f"{self.name}:{line}: aliases expand without end; write the values out")
        inside = (*parents, id(node))
        if isinstance(node, yaml.MappingNode):
            entries: dict[str, Field] = {}
            for key_node, value_node in node.value:
                key = self._key(key_node)
                key_line = key_node.start_mark.line + 1
                if key in entries:
                    raise CardError(
                        f"{self.name}:{key_line}: {key}: stands twice (first in line "
                        f"{entries[key].line}); keep one"
                    )
                value = self.convert(value_node, inside)
                entries[key] = Field(value.value, self.name, key_line)
            return Field(entries, self.name, line)
        if isinstance(node, yaml.SequenceNode):
            return Field([self.convert(item, inside) for item in node.value], self.name, line)
        return Field(_scalar(node), self.name, line)

    def _key(self, node: Any) -> str:
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            raise CardError(f"{self.name}:{line}: a field name must be a plain word")
        if node.tag == "tag:yaml.org,2002:merge":
            raise CardError(
                f"{self.name}:{line}: <<: merge keys are not read; write the fields out or use "
                "`include:`"
            )
        return str(node.value)


def _scalar(node: Any) -> Any:
    """Value of a scalar: `no`, `on`, dates and `12:30` stay text, `1e-8` is a number."""
    text: str = node.value
    if node.style in ("'", '"', "|", ">"):  # quoted or block: text, whatever it looks like
        return text
    tag = node.tag.rsplit(":", 1)[-1]
    if tag == "null":
        return None
    if tag == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text) if len(text) <= 300 else text
    if _FLOAT.fullmatch(text) and not (text.lstrip("+-").isdigit()):
        return float(text)
    return text


def merge(base: Field, over: Field) -> Field:
    """Lay one mapping over another: mappings merge key by key, all else is replaced.

    Every field keeps the file and line it came from.
    """
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    entries = dict(base.value)
    for key, field in over.value.items():
        entries[key] = merge(entries[key], field) if key in entries else field
    return Field(entries, over.file, over.line)


def substitute(field: Field, values: Mapping[str, str]) -> Field:
    """Replace ``{name}`` by its value in every text of a tree; other braces stay."""
    value = field.value
    if isinstance(value, str):
        for name, text in values.items():
            value = value.replace("{" + name + "}", text)
    elif isinstance(value, list):
        value = [substitute(item, values) for item in value]
    elif isinstance(value, dict):
        value = {key: substitute(item, values) for key, item in value.items()}
    return Field(value, field.file, field.line)
