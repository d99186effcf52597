"""Log a plugin's output, within limits of lines and bytes."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.observability.log import Log

# Limits of a run: its log calls, its printed lines and its failed requests together.
MAX_LINES = 1000
MAX_BYTES = 256 * 1024
# Bytes that each line counts besides its text: the run's own fields.
LINE_BYTES = 64
MAX_TEXT = 512
MAX_FIELDS = 16
MAX_FIELD_NAME = 64


@dataclass(slots=True)
class PluginLog:
    """Writes lines until a limit is reached or the run ends.

    Several threads write.
    """

    log: Log
    lines: int = 0
    bytes: int = 0
    _closed: bool = False
    _writing: threading.Lock = field(default_factory=threading.Lock)

    def said(self, level: str, text: str, **more: Any) -> None:
        """Log a line of the plugin. Texts and fields are truncated."""
        more = {name: _short_fields(value) if isinstance(value, Mapping) else value for name, value in more.items()}
        self._write(level, "plugin_said", said=text[:MAX_TEXT], **more)

    def request_failed(self, error: str) -> None:
        self._write("error", "plugin_request_failed", error=error[:MAX_TEXT])

    def close(self) -> None:
        """Log no further line.

        A request may outlive the run.
        """
        with self._writing:
            self._closed = True

    def _write(self, level: str, event: str, **fields: Any) -> None:
        size = LINE_BYTES + len(json.dumps(fields, default=str))
        with self._writing:
            if self._closed:
                return
            if self.lines + 1 >= MAX_LINES or self.bytes + size > MAX_BYTES:
                self._closed = True
                self.log.warning(
                    "plugin_said", note=f"more than {MAX_LINES} lines or {MAX_BYTES:,} bytes; the rest is dropped"
                )
                return
            self.lines += 1
            self.bytes += size
            write = {"warning": self.log.warning, "error": self.log.error}.get(level, self.log.info)
            write(event, **fields)


def _short_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The first fields, with short names and values."""
    first = list(fields.items())[:MAX_FIELDS]
    return {name[:MAX_FIELD_NAME]: _short(value) for name, value in first}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_TEXT]
    return "an integer of more than 64 bits" if isinstance(value, int) and value.bit_length() > 64 else value
