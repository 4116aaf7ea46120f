"""Parses one YAML file into nodes with line numbers, refusing aliases, tags and repeated keys."""

from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from fhir_pmp.errors import Fault

MAX_FILE_BYTES = 256 * 1024
"""Bytes, ten times the size of our longest mapping; a larger file is a mistake or an attack."""

KeyedNode = tuple[int, Node]
"""The line of a key and the node of its value. Faults name the line of the key, because people search for the key."""

TAG = "tag:yaml.org,2002:"
TEXT_TAGS = frozenset({TAG + "str", TAG + "timestamp"})  # a date remains text, as written
_KNOWN_TAGS = TEXT_TAGS | {TAG + kind for kind in ("int", "float", "bool", "null", "map", "seq")}


class MappingDocument:
    """One mapping file during reading: its names and its faults so far."""

    __slots__ = ("faults", "name", "stem")

    def __init__(self, path: Path) -> None:
        self.name = f"{path.parent.name}/{path.name}"
        self.stem = path.stem
        self.faults: list[Fault] = []

    def fault(self, line: int, field: str, what: str) -> None:
        """Notes a fault of the field on this line (from 1)."""
        self.faults.append(Fault(f"{self.name}:{line} {field}".rstrip(), what))


def root_node(path: Path, document: MappingDocument) -> Node | None:
    """Parses the file and returns its root node.

    None, with a fault noted, if it is not plain YAML of allowed size.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError:
        document.fault(1, "", "cannot be read")
        return None
    if len(data) > MAX_FILE_BYTES:
        document.fault(1, "", f"is larger than {MAX_FILE_BYTES} bytes")
        return None
    node = _compose(data, document)
    return node if node is not None and _is_plain(node, document) else None


def _compose(data: bytes, document: MappingDocument) -> Node | None:
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


def _is_plain(root: Node, document: MappingDocument) -> bool:
    """Whether the document has no alias (a small file could expand without limit) and no unknown tag."""
    before = len(document.faults)
    waiting = [root]
    seen: set[int] = set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.anchor is not None:
            document.fault(line_of(node), "", "has an anchor (&): write the lines out, or use a named list")
        elif node.tag not in _KNOWN_TAGS:
            document.fault(line_of(node), "", "has a tag (!) we do not know")
        elif isinstance(node, SequenceNode):
            waiting.extend(node.value)
        elif isinstance(node, MappingNode):
            waiting.extend(part for pair in node.value for part in pair)
    return len(document.faults) == before


def nodes_by_key(document: MappingDocument, path: str, line: int, node: Node) -> dict[str, KeyedNode] | None:
    """The values of a table by key.

    None, with a fault noted, if the node is not a table.
    """
    if not isinstance(node, MappingNode):
        document.fault(line, path, "must be a table (key: value)")
        return None
    nodes: dict[str, KeyedNode] = {}
    for key, value in node.value:
        if not isinstance(key, ScalarNode) or key.tag not in TEXT_TAGS:
            document.fault(line_of(key), path, "has a key that is not text (quote it)")
        elif key.value in nodes:
            document.fault(line_of(key), f"{path}.{key.value}".lstrip("."), "appears twice")
        else:
            nodes[key.value] = (line_of(key), value)
    return nodes


def line_of(node: Node) -> int:
    """The line, from 1, on which the node starts."""
    return int(node.start_mark.line) + 1
