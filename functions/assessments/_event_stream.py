"""Server-sent events, as the HTML standard parses them.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream, with one difference: an event at
the end of the stream counts without its blank line, which many providers leave out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

BOM = "\ufeff"
# The only line ends of the standard: U+2028 and others are part of a line.
LINE_END = re.compile(r"\r\n|\n|\r")


class EventDecoder:
    """Decode a stream that arrives in chunks of any size."""

    def __init__(self) -> None:
        self._started = False
        # A carriage return at the end of a chunk was a line end; a line feed that follows it is none.
        self._after_return = False
        #: Pieces of a line whose end has not arrived.
        self._line: list[str] = []
        self._data: list[str] = []

    def feed(self, chunk: str) -> Iterator[str]:
        """Yield the data of each event that the chunk completes."""
        if not chunk:
            return
        if not self._started:
            self._started, chunk = True, chunk.removeprefix(BOM)
        if self._after_return and chunk:
            self._after_return, chunk = False, chunk.removeprefix("\n")
        start = 0
        for end in LINE_END.finditer(chunk):
            self._line.append(chunk[start : end.start()])
            start = end.end()
            yield from self._end_line()
        self._after_return = chunk.endswith("\r")
        self._line.append(chunk[start:])

    def close(self) -> Iterator[str]:
        """Yield the data of an event without its blank line."""
        yield from self._end_line()
        yield from self._end_event()

    def _end_line(self) -> Iterator[str]:
        line, self._line = "".join(self._line), []
        if not line:
            yield from self._end_event()
            return
        # A line that begins with a colon is a comment: its field has no name.
        field, _, value = line.partition(":")
        if field == "data":
            self._data.append(value.removeprefix(" "))

    def _end_event(self) -> Iterator[str]:
        data, self._data = "\n".join(self._data), []
        # An event without data is none: some providers keep the connection alive with an empty one.
        if data:
            yield data


def events(chunks: Iterable[str]) -> Iterator[str]:
    """Yield the data of each event of a stream."""
    decoder = EventDecoder()
    for chunk in chunks:
        yield from decoder.feed(chunk)
    yield from decoder.close()
