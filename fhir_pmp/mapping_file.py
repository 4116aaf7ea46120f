"""Reads mapping files in YAML and reports all their faults with file, line and field."""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple, TypeVar

from ruamel.yaml.nodes import Node, ScalarNode, SequenceNode

from fhir_pmp.errors import Fault, NotUnderstood
from fhir_pmp.yaml_document import (
    TAG,
    TEXT_TAGS,
    KeyedNode,
    MappingDocument,
    line_of,
    nodes_by_key,
    root_node,
)

Built = TypeVar("Built")
Member = TypeVar("Member", bound=StrEnum)

_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")


class Form(NamedTuple):
    """A required form of a text, with its name in fault messages.

    The whole text must match the pattern.
    """

    pattern: re.Pattern[str]
    what: str


class MappingFaults(NotUnderstood):
    """A mapping file has faults. The maintainer of the mappings corrects the named lines."""


def load_mapping(path: Path, read: Callable[["MappingTable"], Built]) -> Built:
    """Returns the result of `read` for the file.

    Raises MappingFaults with every fault of the file.
    """
    faults: list[Fault] = []
    built = read_mapping(path, read, faults)
    if built is None or faults:
        raise MappingFaults(faults=faults)
    return built


def read_mapping(path: Path, read: Callable[["MappingTable"], Built], faults: list[Fault]) -> Built | None:
    """Returns the result of `read` for the file; None if it has faults.

    The faults are appended to `faults`. `read` requests the keys of the table. A key of the file that is
    never requested is a fault, so misspelt keys are found. A missing or wrong value is a fault, and reading
    continues with an empty placeholder.
    """
    document = MappingDocument(path)
    node = root_node(path, document)
    nodes = None if node is None else nodes_by_key(document, "", line_of(node), node)
    built = None
    if node is not None and nodes is not None:
        root = MappingTable(document, "", line_of(node), nodes)
        built = read(root)
        root.report_unknown_keys()
    faults.extend(document.faults)
    return None if document.faults else built


def read_folder(
    folder: Path, read: Callable[["MappingTable"], Built], faults: list[Fault]
) -> dict[str, Built]:
    """Returns the result of `read` for each `*.yaml` file, by file name without `.yaml`, sorted.

    A file with a fault is left out, and its faults are appended to `faults`.
    """
    built = ((path.stem, read_mapping(path, read, faults)) for path in sorted(folder.glob("*.yaml")))
    return {name: one for name, one in built if one is not None}


def load_folder(folder: Path, read: Callable[["MappingTable"], Built]) -> dict[str, Built]:
    """Returns the result of `read` for each file, as `read_folder` does.

    Raises MappingFaults with every fault of every file.
    """
    faults: list[Fault] = []
    built = read_folder(folder, read, faults)
    if faults:
        raise MappingFaults(faults=faults)
    return built


class MappingTable:
    """A YAML mapping whose keys are requested one by one.

    Requesting a missing key notes a fault.
    """

    __slots__ = ("_children", "_document", "_line", "_nodes", "_path", "_requested_keys")

    def __init__(
        self, document: MappingDocument, path: str, line: int, nodes: Mapping[str, KeyedNode] | None
    ) -> None:
        self._document = document
        self._path = path
        self._line = line
        self._nodes = nodes or {}
        # None: a placeholder for a missing table. That fault is noted, so its fields are not reported as missing.
        self._requested_keys: set[str] | None = set() if nodes is not None else None
        self._children: dict[str, MappingTable] = {}

    # -- faults

    @property
    def faults_so_far(self) -> int:
        """The number of faults of the file so far.

        A check across fields makes sense only if it did not grow.
        """
        return len(self._document.faults)

    def fault(self, what: str, key: str | None = None) -> None:
        """Notes a fault of this table or of the value of the key."""
        line = self._nodes[key][0] if key is not None and key in self._nodes else self._line
        self._document.fault(line, self._path_of(key), what)

    def report_unknown_keys(self) -> None:
        """Notes a fault for every key, here and below, that was never requested."""
        for key in self._nodes:
            if key not in (self._requested_keys or ()):
                self.fault("is not a key we know", key)
        for child in self._children.values():
            child.report_unknown_keys()

    # -- single values

    def has(self, key: str) -> bool:
        """Whether the key is present and not null; it counts as requested."""
        if self._requested_keys is not None:
            self._requested_keys.add(key)
        return key in self._nodes and self._nodes[key][1].tag != TAG + "null"

    def text(self, key: str, form: Form | None = None) -> str:
        """Text that is not empty and, if `form` is given, matches it as a whole."""
        found = self._scalar(key, TEXT_TAGS, "must be text (quote it)")
        if found is not None and not found.strip():
            self.fault("must not be empty", key)
        elif found is not None and form is not None and not form.pattern.fullmatch(found):
            self.fault(f"must be {form.what}", key)
        return found or ""

    def text_or_none(self, key: str, form: Form | None = None) -> str | None:
        """Text, or None if the key is absent or null."""
        return self.text(key, form) if self.has(key) else None

    def file_name(self, key: str) -> str:
        """Text that must equal the name of the file without `.yaml`."""
        found = self.text(key)
        if found and found != self._document.stem:
            self.fault("must be the name of the file", key)
        return found

    def text_or_null(self, key: str) -> str | None:
        """Text or null; the key must be present, so that an absence is explicit."""
        return self.text_or_none(key) if self._is_stated(key) else None

    def whole(self, key: str, lowest: int | None = None, highest: int | None = None) -> int:
        """A whole number in plain digits, within the given bounds (`highest` only with `lowest`)."""
        found = self._scalar(key, {TAG + "int"}, "must be a whole number")
        if found is not None and not _WHOLE.fullmatch(found):
            self.fault("must be a whole number in plain digits", key)
            found = None
        if found is not None and lowest is not None:
            self._check_bounds(key, int(found), lowest, highest)
        return int(found or 0)

    def whole_or_none(self, key: str, lowest: int | None = None, highest: int | None = None) -> int | None:
        """A whole number, or None if the key is absent or null."""
        return self.whole(key, lowest, highest) if self.has(key) else None

    def whole_or_null(self, key: str) -> int | None:
        """A whole number or null.

        The key must be present, so that an absence is explicit.
        """
        return self.whole_or_none(key) if self._is_stated(key) else None

    def number(self, key: str, above: int | None = None) -> Fraction:
        """A number exactly as written (6.48 is 648/100), greater than `above` if that is given."""
        found = self._scalar(key, {TAG + "int", TAG + "float"}, "must be a number")
        if found is not None and not _NUMBER.fullmatch(found):
            self.fault("must be a number in plain digits", key)
            found = None
        if found is not None and above is not None and Fraction(found) <= above:
            self.fault(f"must be greater than {above}", key)
        return Fraction(found or 0)

    def number_or_none(self, key: str) -> Fraction | None:
        """A number, or None if the key is absent or null."""
        return self.number(key) if self.has(key) else None

    def flag(self, key: str) -> bool:
        """A boolean, written true or false."""
        return (self._scalar(key, {TAG + "bool"}, "must be true or false") or "").lower() == "true"

    def one_of(self, key: str, kind: type[Member]) -> Member:
        """A member of the enumeration, by its value; the first member replaces a wrong value."""
        word = self._scalar(key, TEXT_TAGS, "must be text")
        members = {member.value: member for member in kind}
        if word is not None and word not in members:
            self.fault(f"must be one of {', '.join(members)}", key)
        return members.get(word or "", next(iter(kind)))

    # -- tables and lists

    def table(self, key: str) -> "MappingTable":
        """The table under the key."""
        node = self._required_node(key)
        if node is None:
            return MappingTable(self._document, self._path_of(key), self._line, None)
        return self._child(self._path_of(key), self._nodes[key][0], node)

    def table_or_none(self, key: str) -> "MappingTable | None":
        """The table under the key, or None if the key is absent or null."""
        return self.table(key) if self.has(key) else None

    def tables(self, key: str) -> list["MappingTable"]:
        """The list of tables under the key; it must be present and may be empty."""
        return [self._child(path, line_of(node), node) for path, node in self._listed(key)]

    def tables_or_none(self, key: str) -> list["MappingTable"]:
        """The list of tables under the key; empty if the key is absent or null."""
        return self.tables(key) if self.has(key) else []

    def texts(self, key: str, form: Form | None = None) -> list[str]:
        """The list of texts under the key, which may be empty.

        Each text occurs once and has the form, if one is given.
        """
        found: list[str] = []
        for path, node in self._listed(key):
            if not isinstance(node, ScalarNode) or node.tag not in TEXT_TAGS or not node.value.strip():
                self._document.fault(line_of(node), path, "must be text")
            elif node.value in found:
                self._document.fault(line_of(node), path, "appears twice")
            elif form is not None and not form.pattern.fullmatch(node.value):
                self._document.fault(line_of(node), path, f"must be {form.what}")
            else:
                found.append(node.value)
        return found

    def texts_or_none(self, key: str, form: Form | None = None) -> list[str]:
        """The list of texts under the key; empty if the key is absent or null."""
        return self.texts(key, form) if self.has(key) else []

    def tables_by_name(self, key: str) -> dict[str, "MappingTable"]:
        """The tables in a table whose keys are free names."""
        named = self.table(key)
        return {name: named.table(name) for name in named.names()}

    def texts_by_name(self, key: str) -> dict[str, str]:
        """The texts in a table whose keys are free names."""
        named = self.table(key)
        return {name: named.text(name) for name in named.names()}

    def names(self) -> tuple[str, ...]:
        """The keys of this table in order; for tables whose keys are free names."""
        return tuple(self._nodes)

    # -- private

    def _path_of(self, key: str | None) -> str:
        return ".".join(part for part in (self._path, key) if part)

    def _is_stated(self, key: str) -> bool:
        if key not in self._nodes and self._requested_keys is not None:
            self.fault("is missing (null says that there is none)", key)
        return key in self._nodes

    def _check_bounds(self, key: str, number: int, lowest: int, highest: int | None) -> None:
        if number < lowest or (highest is not None and number > highest):
            bounds = f"{lowest} or more" if highest is None else f"from {lowest} to {highest}"
            self.fault(f"must be {lowest if lowest == highest else bounds}", key)

    def _required_node(self, key: str) -> Node | None:
        if self.has(key):
            return self._nodes[key][1]
        if self._requested_keys is not None:
            self.fault("is missing", key)
        return None

    def _scalar(self, key: str, tags: frozenset[str] | set[str], what: str) -> str | None:
        node = self._required_node(key)
        if node is None:
            return None
        if not isinstance(node, ScalarNode) or node.tag not in tags:
            self.fault(what, key)
            return None
        return str(node.value)

    def _listed(self, key: str) -> Iterator[tuple[str, Node]]:
        node = self._required_node(key)
        if isinstance(node, SequenceNode):
            for index, item in enumerate(node.value):
                yield f"{self._path_of(key)}[{index}]", item
        elif node is not None:
            self.fault("must be a list", key)

    def _child(self, path: str, line: int, node: Node) -> "MappingTable":
        if path not in self._children:
            nodes = nodes_by_key(self._document, path, line, node)
            self._children[path] = MappingTable(self._document, path, line, nodes)
        return self._children[path]
