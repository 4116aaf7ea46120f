"""A CSV file as a stream of rows with line numbers, in flat memory, where one bad row costs only that row."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fhir_pmp.errors import Fault, NotUnderstood

LONGEST_CELL = 20_000
"""Characters. No column of ours holds more; an unclosed quote would otherwise swallow the rest of the file."""
REASON_COLUMN = "refused_because"
"""The column we add to a file of refused rows; it is passed over when the corrected file is given again."""


class FileNotReadable(NotUnderstood):
    """The file is not a CSV of this source. The sender exports it again; nothing of it was taken."""


class FileBroken(NotUnderstood):
    """The file cannot be read beyond this line. What stood before it was taken; the sender mends and repeats it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it starts on (the header is line 1) and its cells, or what is wrong with it as a whole."""

    line: int
    cells: list[str]
    fault: Fault | None


class CsvRows:
    """Reads UTF-8 CSV (a byte order mark is allowed: spreadsheets write one). Raises FileNotReadable, FileBroken."""

    def __init__(self, file: BinaryIO) -> None:
        # surrogateescape: a byte that is not UTF-8 becomes a mark we find again, and costs one row, not the file.
        text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        csv.field_size_limit(LONGEST_CELL)
        self._reader = csv.reader(text, strict=True)
        try:
            self.header = next(self._reader)
        except StopIteration:
            raise FileNotReadable("the file is empty", field="line 1") from None
        except csv.Error:
            raise FileNotReadable("the header is not CSV", field="line 1") from None
        doubled = sorted({name for name in self.header if self.header.count(name) > 1})
        if doubled:
            raise FileNotReadable(
                faults=[Fault(f"column {name}", "stands twice in the header") for name in doubled]
            )

    def __iter__(self) -> Iterator[Row]:
        width = len(self.header)
        reader = self._reader
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                raise FileBroken(
                    "is not CSV: a quote is not closed or a cell is too long", field=f"line {line}"
                ) from None
            if cells:
                yield Row(line, cells, _fault_of(cells, width))


def _fault_of(cells: list[str], width: int) -> Fault | None:
    if len(cells) != width:
        return Fault("", f"the row has {len(cells)} cells where the header has {width}")
    whole = "".join(cells)
    if "\x00" in whole:
        return Fault("", "the row holds a NUL character")
    if not whole.isascii() and any("\ud800" <= character <= "\udfff" for character in whole):
        return Fault("", "the row is not UTF-8")
    return None
