"""Charset of a response, as browsers determine it.

WHATWG Encoding and HTML standards: a byte order mark overrides the header, the header overrides `<meta charset>`, and
labels mean what they mean on the web: `latin1` is windows-1252.
"""

from __future__ import annotations

import re

# Bytes of a page in which its own declaration is searched.
PRESCAN = 1024
HEADER = re.compile(r"charset[ \t]*=[ \t]*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"',]+))", re.IGNORECASE)
MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be"))
# What may precede a declaration: a comment, or a tag with its attributes.
COMMENT_END = re.compile(rb"-->|--!>")
TAG = re.compile(rb"<(/?[A-Za-z][^\t\n\f\r />]*)")
ATTRIBUTE = re.compile(
    rb"[\t\n\f\r /]*([^\t\n\f\r />=][^\t\n\f\r />=]*)"
    rb"(?:[\t\n\f\r ]*=[\t\n\f\r ]*(?:\"([^\"]*)\"|'([^']*)'|([^\t\n\f\r >\"'][^\t\n\f\r >]*))?)?"
)
HTML = ("", "text/html", "application/xhtml+xml")
FALLBACK = "utf-8"


def decode(body: bytes, content_type: str) -> tuple[str, str]:
    """Return the text and the name of its charset.

    An invalid byte becomes U+FFFD.
    """
    import webencodings

    for mark, name in MARKS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace"), name
    kind = content_type.partition(";")[0].strip().lower()
    encoding = _lookup(_in_header(content_type))
    if encoding is None and kind in HTML:
        encoding = _in_page(body[:PRESCAN])
    if encoding is None:
        encoding = FALLBACK if kind not in HTML or _is_utf8(body) else "windows-1252"
    text: str = webencodings.lookup(encoding).codec_info.decode(body, "replace")[0]
    return text, encoding


def _in_header(content_type: str) -> str:
    _, _, parameters = content_type.partition(";")
    match = HEADER.search(parameters[:PRESCAN])
    return next((group for group in match.groups() if group is not None), "") if match else ""


def _lookup(label: str) -> str | None:
    """Name of the encoding of a label; None if unknown."""
    import webencodings

    encoding = webencodings.lookup(label)
    return str(encoding.name) if encoding else None


def _in_page(head: bytes) -> str | None:
    """Prescan a page for its declared encoding (HTML standard, 13.2.3.2)."""
    at = 0
    while (at := head.find(b"<", at)) >= 0:
        tag = TAG.match(head, at)
        if head.startswith(b"<!--", at):
            # The two dashes of the beginning may belong to the end: <!-->.
            end = COMMENT_END.search(head, at + 2)
            at = end.end() if end else len(head)
        elif tag is None:
            at = (head.find(b">", at) + 1 or len(head)) if head[at + 1 : at + 2] in (b"!", b"/", b"?") else at + 1
        else:
            attributes, at = _attributes(head, tag.end())
            if tag[1].lower() == b"meta" and (encoding := _of_meta(attributes)):
                return encoding
    return None


def _attributes(head: bytes, at: int) -> tuple[dict[bytes, bytes], int]:
    """Return the attributes of a tag, and its end."""
    attributes: dict[bytes, bytes] = {}
    while match := ATTRIBUTE.match(head, at):
        value = next((group for group in match.groups()[1:] if group is not None), b"")
        attributes.setdefault(match[1].lower(), value)
        at = match.end()
    return attributes, at


def _of_meta(attributes: dict[bytes, bytes]) -> str | None:
    label = attributes.get(b"charset", b"")
    if not label and attributes.get(b"http-equiv", b"").lower() == b"content-type":
        match = HEADER.search(attributes.get(b"content", b"").decode("latin-1"))
        label = (match[1] or match[2] or match[3] or "").encode("latin-1") if match else b""
    encoding = _lookup(label.decode("latin-1"))
    # A declaration that could be read in ASCII is not UTF-16.
    return {"utf-16le": "utf-8", "utf-16be": "utf-8", "x-user-defined": "windows-1252"}.get(encoding or "", encoding)


def _is_utf8(body: bytes) -> bool:
    """Whether the body is UTF-8; its last character may be incomplete."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and error.end == len(body)
    return True
