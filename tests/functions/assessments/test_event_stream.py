"""Server-sent events are decoded as the HTML standard does, in any chunks, in linear time."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.assessments._event_stream import events

PIECES = st.sampled_from(
    ["data:", "data: ", "data", ":", " ", "\n", "\r", "\r\n", "\n\n", "x", "\u2028", "\ufeff", "event: a", "{}", "é"]
)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("data: a\n\ndata: b\n\n", ["a", "b"]),
        ("data:a\r\n\r\ndata:b\r\rdata: c\n\n", ["a", "b", "c"]),
        ("data: a\ndata: b\n\n", ["a\nb"]),
        ("data:\n\ndata\n\ndata: a\n\n", ["a"]),
        (": hello\n\nevent: ping\nid: 1\nretry: 5\n\ndata: a\n\n", ["a"]),
        ("\ufeffdata: a\n\n", ["a"]),
        ("data: a\u2028b\u0085c\x0bd\n\n", ["a\u2028b\u0085c\x0bd"]),
        ("data:  two spaces\n\n", [" two spaces"]),
        ("data: the last one without its blank line", ["the last one without its blank line"]),
        ("datax: a\n\n data: b\n\nDATA: c\n\n", []),
        ("", []),
    ],
)
def test_events_are_decoded_by_the_standard(stream: str, expected: list[str]) -> None:
    assert list(events([stream])) == expected
    assert list(events(stream)) == expected


@given(st.lists(PIECES), st.data())
def test_chunks_of_any_size_give_the_same_events(pieces: list[str], data: st.DataObject) -> None:
    stream = "".join(pieces)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    chunks = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert list(events(chunks)) == list(events([stream]))


@pytest.mark.parametrize("unit", ["x", "\n", "\r", "\r\n", "data:", "data: x\n", "data: x\n\n", ":", "data:\n"])
def test_a_mebibyte_takes_linear_time(unit: str) -> None:
    def seconds(size: int, chunk: int) -> float:
        stream = (unit * (size // len(unit) + 1))[:size]
        chunks = [stream[at : at + chunk] for at in range(0, size, chunk)]
        started = time.process_time()
        for _ in events(chunks):
            pass
        return time.process_time() - started

    small, large = max(seconds(1 << 16, 512), 0.002), seconds(1 << 20, 512)
    assert large < 20 * small + 0.2
    assert large < 2
