"""Reads a CSV file as a stream of numbered rows.

An unreadable row does not stop the file.
"""

import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from fhir_pmp.errors import Fault, NotUnderstood

LONGEST_CELL = 20_000
"""Characters of one cell. An unclosed quote would otherwise take the rest of the file into one cell."""
LONGEST_ROW = 1_000_000
"""Characters. A file without line ends would otherwise be read into memory whole."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,63}")
REASON_COLUMN = "refused_because"
"""The column that we add to a file of refused rows; the import of the corrected file skips it."""


class FileNotReadable(NotUnderstood):
    """The file is not a CSV of this source. The sender exports it again; nothing of it was taken."""


class FileBroken(NotUnderstood):
    """The file cannot be read beyond this line. What stood before it was taken; the sender mends and repeats it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a CSV file: the line it starts on, and its cells.

    The header is line 1. `fault` describes what is wrong with the row as a whole; None if nothing is.
    """

    line: int
    cells: list[str]
    fault: Fault | None


class CsvRows:
    """Reads UTF-8 CSV, with or without a byte order mark, which spreadsheets write.

    Raises FileNotReadable, FileBroken.
    """

    def __init__(self, file: BinaryIO) -> None:
        # surrogateescape: a byte that is not UTF-8 becomes a mark that we detect; only its row is refused.
        self._text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
        csv.field_size_limit(LONGEST_CELL)
        self._lines = _BoundedLines(self._text)
        self._reader = csv.reader(self._lines, strict=True)
        try:
            self.header = next(self._reader)
        except StopIteration:
            raise FileNotReadable("the file is empty", field="line 1") from None
        except (csv.Error, _RowTooLong):
            raise FileNotReadable("the header is not CSV", field="line 1") from None

    def check_header(self, known: Collection[str], needed: Collection[str]) -> None:
        """Refuses a header with unknown, repeated or missing columns, naming all of them.

        Raises FileNotReadable. If no column is known, the first line may be data, so the message does not repeat it.
        """
        if not set(known).intersection(self.header):
            raise FileNotReadable("is not the header of this source", field="line 1")
        faults = [
            Fault(f"column {_column_label(name, at)}", "is no column of this source")
            for at, name in enumerate(self.header, start=1)
            if name not in known
        ]
        duplicated = sorted({name for name in self.header if self.header.count(name) > 1 and name in known})
        faults += [Fault(f"column {name}", "stands twice in the header") for name in duplicated]
        faults += [Fault(f"column {name}", "is missing") for name in needed if name not in self.header]
        if faults:
            raise FileNotReadable(faults=faults)

    def detach(self) -> None:
        """Detaches the text layer, which would otherwise close the caller's file."""
        self._text.detach()

    def __iter__(self) -> Iterator[Row]:
        width = len(self.header)
        reader = self._reader
        while True:
            line = reader.line_num + 1
            self._lines.next_row()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _RowTooLong):
                raise FileBroken(
                    "is not CSV: a quote is not closed, or a row or a cell is too long", field=f"line {line}"
                ) from None
            if cells:
                yield Row(line, cells, _find_fault(cells, width))


class _RowTooLong(Exception):
    """A row is longer than LONGEST_ROW."""


class _BoundedLines:
    """Yields the lines of a text; a row longer than LONGEST_ROW raises before it fills memory."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._left = LONGEST_ROW

    def __iter__(self) -> "_BoundedLines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._left + 1)
        if not line:
            raise StopIteration
        if len(line) > self._left:
            raise _RowTooLong
        self._left -= len(line)
        return line

    def next_row(self) -> None:
        """Starts the next row, so that the length limit counts from zero again."""
        self._left = LONGEST_ROW


def _column_label(name: str, at: int) -> str:
    """Names a column, by its position if its header may not be a column name."""
    return name if _NAME.fullmatch(name) else str(at)


def _find_fault(cells: list[str], width: int) -> Fault | None:
    if len(cells) != width:
        return Fault("", f"the row has {len(cells)} cells where the header has {width}")
    row_text = "".join(cells)
    if "\x00" in row_text:
        return Fault("", "the row holds a NUL character")
    if not row_text.isascii() and any("\ud800" <= character <= "\udfff" for character in row_text):
        return Fault("", "the row is not UTF-8")
    return None
