"""The one reader of mapping YAML: every fault of a file in one run, each with its file, line and field."""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from fhir_pmp.errors import Fault, NotUnderstood

LARGEST_FILE = 256 * 1024
"""Bytes. The longest mapping we know has a tenth of this; a larger one is a mistake or an attack."""

Built = TypeVar("Built")
Member = TypeVar("Member", bound=StrEnum)

Keyed = tuple[int, Node]
"""What stands under a key, and the line of the key: a person looks for the key, not for where its value starts."""

_TAG = "tag:yaml.org,2002:"
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_TEXT_TAGS = frozenset({_TAG + "str", _TAG + "timestamp"})  # a date stays the text it was written as
_KNOWN_TAGS = _TEXT_TAGS | {_TAG + kind for kind in ("int", "float", "bool", "null", "map", "seq")}


class MappingFaults(NotUnderstood):
    """A mapping does not say what it must. Whoever keeps the mappings corrects the named lines."""


def load_mapping(path: Path, read: Callable[["Table"], Built]) -> Built:
    """What `read` makes of the file. Raises MappingFaults with every fault of the file."""
    faults: list[Fault] = []
    built = read_mapping(path, read, faults)
    if built is None or faults:
        raise MappingFaults(faults=faults)
    return built


def read_mapping(path: Path, read: Callable[["Table"], Built], faults: list[Fault]) -> Built | None:
    """What `read` makes of the file, or None with the file's faults appended to `faults`.

    `read` asks the table for its keys; a key of the file that it never asks for is a fault, so a misspelt key is
    never passed over. What is missing or of the wrong kind is a fault, and reading goes on with an empty stand-in.
    """
    document = Document(f"{path.parent.name}/{path.name}")
    root = _root(path, document)
    built = None
    if root is not None:
        built = read(root)
        root.refuse_keys_not_asked_for()
    faults.extend(document.faults)
    return None if document.faults else built


class Document:
    """One mapping file while it is read: its name and what is wrong with it so far."""

    __slots__ = ("faults", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[Fault] = []

    def fault(self, line: int, field: str, what: str) -> None:
        """Note that this field, standing on this line (from 1), is wrong."""
        self.faults.append(Fault(f"{self.name}:{line} {field}".rstrip(), what))


class Table:
    """A YAML mapping whose keys are asked for one by one. Asking for what is not there notes a fault."""

    __slots__ = ("_asked", "_children", "_document", "_line", "_nodes", "_path")

    def __init__(self, document: Document, path: str, line: int, nodes: Mapping[str, Keyed] | None) -> None:
        self._document = document
        self._path = path
        self._line = line
        self._nodes = nodes or {}
        # A stand-in for a table that is not there: that was noted once, so nothing is missing from it.
        self._asked: set[str] | None = set() if nodes is not None else None
        self._children: dict[str, Table] = {}

    # -- what is wrong

    @property
    def faults_so_far(self) -> int:
        """How many faults the file has: a check across fields is meaningful only if it did not grow meanwhile."""
        return len(self._document.faults)

    def fault(self, what: str, key: str | None = None) -> None:
        """Note that this table, or what stands under the key, is wrong."""
        line = self._nodes[key][0] if key is not None and key in self._nodes else self._line
        self._document.fault(line, self._at(key), what)

    def refuse_keys_not_asked_for(self) -> None:
        """Note every key, here and below, that nobody asked for."""
        for key in self._nodes:
            if key not in (self._asked or ()):
                self.fault("is not a key we know", key)
        for child in self._children.values():
            child.refuse_keys_not_asked_for()

    # -- single values

    def has(self, key: str) -> bool:
        """Whether the key is there and not null. It counts as asked for."""
        if self._asked is not None:
            self._asked.add(key)
        return key in self._nodes and self._nodes[key][1].tag != _TAG + "null"

    def text(self, key: str) -> str:
        """Text that is not empty."""
        found = self._scalar(key, _TEXT_TAGS, "must be text (quote it)")
        if found is not None and not found.strip():
            self.fault("must not be empty", key)
        return found or ""

    def text_or_none(self, key: str) -> str | None:
        """Text, or None where the key is absent or null."""
        return self.text(key) if self.has(key) else None

    def text_or_null(self, key: str) -> str | None:
        """Text or null, and the key must be there: that there is none has to be said."""
        return self.text_or_none(key) if self._is_stated(key) else None

    def whole(self, key: str) -> int:
        """A whole number, written with plain digits."""
        found = self._scalar(key, {_TAG + "int"}, "must be a whole number")
        if found is not None and not _WHOLE.fullmatch(found):
            self.fault("must be a whole number in plain digits", key)
            found = None
        return int(found or 0)

    def whole_or_none(self, key: str) -> int | None:
        """A whole number, or None where the key is absent or null."""
        return self.whole(key) if self.has(key) else None

    def whole_or_null(self, key: str) -> int | None:
        """A whole number or null, and the key must be there: that there is none has to be said."""
        return self.whole_or_none(key) if self._is_stated(key) else None

    def number(self, key: str) -> Fraction:
        """A number exactly as written: 6.48 is 648/100, not the nearest binary fraction."""
        found = self._scalar(key, {_TAG + "int", _TAG + "float"}, "must be a number")
        if found is not None and not _NUMBER.fullmatch(found):
            self.fault("must be a number in plain digits", key)
            found = None
        return Fraction(found or 0)

    def number_or_none(self, key: str) -> Fraction | None:
        """A number, or None where the key is absent or null."""
        return self.number(key) if self.has(key) else None

    def flag(self, key: str) -> bool:
        """true or false."""
        return (self._scalar(key, {_TAG + "bool"}, "must be true or false") or "").lower() == "true"

    def one_of(self, key: str, kind: type[Member]) -> Member:
        """One of the words of the enumeration; the first of them stands in for a wrong one."""
        word = self._scalar(key, _TEXT_TAGS, "must be text")
        members = {member.value: member for member in kind}
        if word is not None and word not in members:
            self.fault(f"must be one of {', '.join(members)}", key)
        return members.get(word or "", next(iter(kind)))

    # -- tables and lists

    def table(self, key: str) -> "Table":
        """The table under the key."""
        node = self._wanted(key)
        if node is None:
            return Table(self._document, self._at(key), self._line, None)
        return self._child(self._at(key), self._nodes[key][0], node)

    def table_or_none(self, key: str) -> "Table | None":
        """The table under the key, or None where the key is absent or null."""
        return self.table(key) if self.has(key) else None

    def tables(self, key: str) -> list["Table"]:
        """The list of tables under the key; it must be there, and may be empty."""
        return [self._child(path, _line(node), node) for path, node in self._listed(key)]

    def tables_or_none(self, key: str) -> list["Table"]:
        """The list of tables under the key; none where the key is absent or null."""
        return self.tables(key) if self.has(key) else []

    def texts(self, key: str) -> list[str]:
        """The list of texts under the key; it must be there, and may be empty. Each text once."""
        found: list[str] = []
        for path, node in self._listed(key):
            if not isinstance(node, ScalarNode) or node.tag not in _TEXT_TAGS or not node.value.strip():
                self._document.fault(_line(node), path, "must be text")
            elif node.value in found:
                self._document.fault(_line(node), path, "stands there twice")
            else:
                found.append(node.value)
        return found

    def texts_or_none(self, key: str) -> list[str]:
        """The list of texts under the key; none where the key is absent or null."""
        return self.texts(key) if self.has(key) else []

    def tables_by_name(self, key: str) -> dict[str, "Table"]:
        """A table of tables whose names are free."""
        named = self.table(key)
        return {name: named.table(name) for name in named.names()}

    def texts_by_name(self, key: str) -> dict[str, str]:
        """A table of texts whose names are free."""
        named = self.table(key)
        return {name: named.text(name) for name in named.names()}

    def names(self) -> tuple[str, ...]:
        """The keys of this table, in their order. For tables whose names are free."""
        return tuple(self._nodes)

    # -- how it is done

    def _at(self, key: str | None) -> str:
        return ".".join(part for part in (self._path, key) if part)

    def _is_stated(self, key: str) -> bool:
        if key not in self._nodes and self._asked is not None:
            self.fault("is missing (null says that there is none)", key)
        return key in self._nodes

    def _wanted(self, key: str) -> Node | None:
        if self.has(key):
            return self._nodes[key][1]
        if self._asked is not None:
            self.fault("is missing", key)
        return None

    def _scalar(self, key: str, tags: frozenset[str] | set[str], what: str) -> str | None:
        node = self._wanted(key)
        if node is None:
            return None
        if not isinstance(node, ScalarNode) or node.tag not in tags:
            self.fault(what, key)
            return None
        return str(node.value)

    def _listed(self, key: str) -> Iterator[tuple[str, Node]]:
        node = self._wanted(key)
        if isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                yield f"{self._at(key)}[{index}]", item
        elif node is not None:
            self.fault("must be a list", key)

    def _child(self, path: str, line: int, node: Node) -> "Table":
        if path not in self._children:
            nodes = _nodes_by_key(self._document, path, line, node)
            self._children[path] = Table(self._document, path, line, nodes)
        return self._children[path]


def _root(path: Path, document: Document) -> Table | None:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError:
        document.fault(1, "", "cannot be read")
        return None
    if len(data) > LARGEST_FILE:
        document.fault(1, "", f"is larger than {LARGEST_FILE} bytes")
        return None
    node = _compose(data, document)
    if node is None or not _is_plain(node, document):
        return None
    nodes = _nodes_by_key(document, "", _line(node), node)
    return Table(document, "", _line(node), nodes) if nodes is not None else None


def _compose(data: bytes, document: Document) -> Node | None:
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(data.decode("utf-8"))
    except UnicodeDecodeError:
        document.fault(1, "", "is not UTF-8")
    except RecursionError:
        document.fault(1, "", "is nested too deeply")
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        document.fault(mark.line + 1 if mark else 1, "", "is not YAML: " + _problem(error))
    else:
        if node is None:
            document.fault(1, "", "is empty")
        return node
    return None


def _problem(error: YAMLError) -> str:
    return getattr(error, "problem", None) or "it holds a character that YAML does not allow"


def _is_plain(root: Node, document: Document) -> bool:
    """Aliases make one line mean two things and can blow a small file up; foreign tags make objects. Neither is here."""
    before = len(document.faults)
    waiting = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.anchor is not None:
            document.fault(_line(node), "", "has an anchor (&): write the lines out, or use a named list")
        elif node.tag not in _KNOWN_TAGS:
            document.fault(_line(node), "", "has a tag (!) we do not know")
        elif isinstance(node, SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, MappingNode):
            waiting.extend(part for pair in node.value for part in pair)
    return len(document.faults) == before


def _nodes_by_key(document: Document, path: str, line: int, node: Node) -> dict[str, Keyed] | None:
    if not isinstance(node, MappingNode):
        document.fault(line, path, "must be a table (key: value)")
        return None
    nodes: dict[str, Keyed] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode) or key.tag not in _TEXT_TAGS:
            document.fault(_line(key), path, "has a key that is not text (quote it)")
        elif key.value in nodes:
            document.fault(_line(key), f"{path}.{key.value}".lstrip("."), "stands there twice")
        else:
            nodes[key.value] = (_line(key), value)
    return nodes


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
