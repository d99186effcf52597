"""Style and scripts of the pages, under addresses that contain their hash."""

from __future__ import annotations

import base64
import gzip
import hashlib
from functools import cache
from pathlib import Path

from functions.console._request import Answer, PageError, Request

FOLDER = Path(__file__).parent / "_files"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".txt": "text/plain"}
STYLE, SCRIPTS = "app.css", ("htmx.min.js", "idiomorph-ext.min.js", "app.js")
# The hash of the content is in the address.
HEADERS = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}


@cache
def address(name: str) -> str:
    """`/a/<hash>/app.css`."""
    return f"/a/{hashlib.sha256(_content(name)).hexdigest()[:16]}/{name}"


def answer(request: Request) -> Answer:
    """The file of an address. Raises PageError."""
    name = request.path.rpartition("/")[2]
    if name not in (STYLE, *SCRIPTS) or request.path != address(name):
        raise PageError(404, "this version of the file is no longer served; reload the page")
    kind = TYPES[Path(name).suffix]
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Answer(200, _content(name).decode(), HEADERS, content_type=kind)
    headers = {**HEADERS, "content-encoding": "gzip", "vary": "accept-encoding"}
    return Answer(200, _packed(name), headers, content_type=kind, encoded=True)


@cache
def _content(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


@cache
def _packed(name: str) -> str:
    return base64.b64encode(gzip.compress(_content(name), mtime=0)).decode()
