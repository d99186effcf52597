"""The charset of a response is determined as browsers do."""

from __future__ import annotations

import pytest

from shared.http.charset import decode


@pytest.mark.parametrize(
    ("body", "content_type", "text", "charset"),
    [
        (b"<meta charset=iso-8859-15>\xa4", "text/html", "\u20ac", "iso-8859-15"),
        (b"\x80", "text/html; charset=latin1", "\u20ac", "windows-1252"),
        (b"\x80", "text/html; charset=us-ascii", "\u20ac", "windows-1252"),
        (b"\x80", "text/html;charset='ISO-8859-1'", "\u20ac", "windows-1252"),
        (b"\xa4", 'text/html; charset = "iso-8859-15"', "\u20ac", "iso-8859-15"),
        # A byte order mark overrides the header, the header overrides the page.
        (b"\xef\xbb\xbf\xe2\x82\xac", "text/html; charset=latin1", "\u20ac", "utf-8"),
        (b"\xff\xfe\xac\x20", "text/html; charset=latin1", "\u20ac", "utf-16le"),
        (b"\xfe\xff\x20\xac", "", "\u20ac", "utf-16be"),
        (b"<meta charset=koi8-r>\xe2\x82\xac", "text/html; charset=utf-8", "\u20ac", "utf-8"),
        # The first declaration within 1,024 bytes, outside of comments and other attributes.
        (b'<!-- <meta charset="koi8-r"> --><meta charset="utf-8">\xe2\x82\xac', "text/html", "\u20ac", "utf-8"),
        (b'<a title="<meta charset=koi8-r>"><META CHARSET=UTF-8>\xe2\x82\xac', "text/html", "\u20ac", "utf-8"),
        (b"<!--><meta charset=latin1>\x80", "text/html", "\u20ac", "windows-1252"),
        (b"<meta name=x><meta charset=latin1><meta charset=koi8-r>\x80", "", "\u20ac", "windows-1252"),
        (b"<meta charset=nowhere><meta charset=koi8-r>\xc0", "text/html", "\u044e", "koi8-r"),
        (
            b'<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">\xfe',
            "text/html",
            "\u044e",
            "windows-1251",
        ),
        (b'<meta content="text/html;charset=koi8-r" http-equiv=content-type>\xc0', "text/html", "\u044e", "koi8-r"),
        (b" " * 1024 + b"<meta charset=koi8-r>\xe2\x82\xac", "text/html", "\u20ac", "utf-8"),
        (b"<meta charset=utf-16>\xe2\x82\xac", "text/html", "\u20ac", "utf-8"),
        # Without a declaration.
        (b"\xe2\x82\xac", "text/html", "\u20ac", "utf-8"),
        (b"\x80", "text/html", "\u20ac", "windows-1252"),
        (b"\xe2\x82\xac\xe2\x82", "text/html", "\u20ac\ufffd", "utf-8"),
        (b"<meta charset=latin1>\x80", "application/json", "\ufffd", "utf-8"),
        # No label of the web: utf-7 and Python's own codecs.
        (b"+AGE-", "text/html; charset=utf-7", "+AGE-", "utf-8"),
        (b"x", "text/html; charset=rot13", "x", "utf-8"),
        (b"x", "text/html; charset=iso-2022-kr", "\ufffd", "replacement"),
    ],
)
def test_text_is_read_as_browsers_do(body: bytes, content_type: str, text: str, charset: str) -> None:
    decoded, found = decode(body, content_type)
    assert (decoded.rpartition(">")[2].strip(), found) == (text, charset)
