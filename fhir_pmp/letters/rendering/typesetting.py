"""Typesets letters as PDF in a long-running child process with a time limit."""

import json
import os
import select
import subprocess
import sys
import threading
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self

from fhir_pmp.errors import TryLater
from fhir_pmp.letters.text.letter_content import (
    Block,
    Bullets,
    Grid,
    LetterContent,
    MeasureBlock,
    Paragraph,
    Section,
    printable,
)

TIME_LIMIT = 20.0
"""Seconds. A letter takes a hundredth of this; a layout that never ends is stopped here."""

LARGEST_PDF = 20 * 1024 * 1024


class LetterNotTypeset(TryLater):
    """The letter could not be set as a PDF. Whoever keeps the layout looks at it; the facts are untouched."""


class Typesetter:
    """Typesets letters by the layout of one folder.

    Threads may share it. Close it, or use `with`.
    """

    def __init__(self, folder: Path, time_limit: float = TIME_LIMIT) -> None:
        self._folder = folder.resolve()
        self._time_limit = time_limit
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def typeset(self, content: LetterContent, made_at: datetime) -> bytes:
        """Returns the letter as PDF/UA-1 and PDF/A-2a.

        Equal content and moment give equal bytes. Raises LetterNotTypeset.
        """
        request = {
            "folder": str(self._folder),
            "letter": json.dumps(letter_data(content), ensure_ascii=False),
            "timestamp": int(made_at.timestamp()),
        }
        with self._lock:
            kind, answer = self._ask(json.dumps(request, ensure_ascii=False).encode())
        if kind != b"P" or not answer.startswith(b"%PDF-"):
            raise LetterNotTypeset(
                f"the layout was refused: {answer[:300].decode(errors='replace')}", field="layout"
            )
        return answer

    def close(self) -> None:
        """Ends the child process."""
        with self._lock:
            self._end_child()

    def _ask(self, request: bytes) -> tuple[bytes, bytes]:
        deadline = monotonic() + self._time_limit
        child = self._running_child()
        try:
            self._send(child, len(request).to_bytes(8) + request, deadline)
            head = self._receive(child, 9, deadline)
            size = int.from_bytes(head[1:])
            if size > LARGEST_PDF:
                raise LetterNotTypeset("is larger than a letter can be", field="PDF")
            return head[:1], self._receive(child, size, deadline)
        except OSError as error:
            self._end_child()
            raise LetterNotTypeset("the process that sets letters ended", field="PDF") from error
        except LetterNotTypeset:
            self._end_child()
            raise

    def _running_child(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            self._end_child()
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-m", "fhir_pmp.letters.rendering.typesetting_child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                env={},  # the layout runs without our secrets
            )
            for pipe in (self._child.stdin, self._child.stdout):
                assert pipe is not None
                os.set_blocking(pipe.fileno(), False)
        return self._child

    def _send(self, child: subprocess.Popen[bytes], data: bytes, deadline: float) -> None:
        assert child.stdin is not None
        left = memoryview(data)
        while left:
            _wait(child.stdin.fileno(), deadline, to_write=True)
            left = left[os.write(child.stdin.fileno(), left) :]

    def _receive(self, child: subprocess.Popen[bytes], size: int, deadline: float) -> bytes:
        assert child.stdout is not None
        parts: list[bytes] = []
        while size:
            _wait(child.stdout.fileno(), deadline, to_write=False)
            part = os.read(child.stdout.fileno(), min(size, 1 << 16))
            if not part:
                raise BrokenPipeError
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def _end_child(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.wait()
            for pipe in (child.stdin, child.stdout):
                if pipe is not None:
                    pipe.close()


def _wait(descriptor: int, deadline: float, *, to_write: bool) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if to_write else select.POLLIN)
    if not poll.poll(max(deadline - monotonic(), 0) * 1000):
        raise LetterNotTypeset("took longer than a letter may take", field="PDF")


def letter_data(content: LetterContent) -> dict[str, Any]:
    """The content as the layout reads it: plain JSON values, every text printable."""
    day = content.dated_on
    data = {
        "title": content.title,
        "language": "en",
        "region": "au",
        "provider": content.provider,
        "recipient": content.recipient,
        "dated": content.dated,
        "dated_on": {"year": day.year, "month": day.month, "day": day.day},
        "subject": content.subject,
        "salutation": content.salutation,
        "opening": content.opening,
        "page_one": [_section(section) for section in content.page_one],
        "details": [_section(section) for section in content.details],
        "closing": content.closing,
        "signed": len(content.closing) > 1,
        "footer": content.footer,
    }
    return {key: _printable(value) for key, value in data.items()}


def _section(section: Section) -> dict[str, Any]:
    return {"id": section.id, "title": section.title, "blocks": [_block(block) for block in section.blocks]}


def _block(block: Block) -> dict[str, Any]:
    match block:
        case Paragraph(text=text, style=style):
            return {"kind": "paragraph", "text": text, "weight": style.value}
        case Bullets(title=title, lines=lines):
            return {"kind": "bullets", "title": title, "lines": lines}
        case Grid(head=head, rows=rows):
            return {"kind": "grid", "head": head, "rows": rows}
        case MeasureBlock():
            chart = None if block.chart is None else asdict(block.chart)
            shown = {"title": block.title, "range": block.range_text, "lines": block.lines}
            return {"kind": "measure", **shown, "verdicts": block.verdicts, "chart": chart}


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {key: _printable(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(part) for part in value]
    return value
