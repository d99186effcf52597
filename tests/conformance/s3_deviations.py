"""Cases in which moto or the local engine deviate from S3, with the reason by which it is tolerated."""

from __future__ import annotations

LARGE_PAGES = "the project asks for no page of more than 1,000 keys, and for no delete of more"

DEVIATIONS: dict[str, dict[str, str]] = {
    "moto": {
        "a quiet delete of many answers errors alone": "the project reads errors alone",
        "a delete takes at most 1,000 keys": LARGE_PAGES,
        "a page has at most 1,000 keys": LARGE_PAGES,
        "parts of an unknown upload are refused": "it fails, with an exception of its own",
    },
    "engine": {
        "an object without a type is binary": "it has another name for binary data",
        "a delete takes at most 1,000 keys": LARGE_PAGES,
        "a page has at most 1,000 keys": LARGE_PAGES,
        "MaxKeys 0 lists nothing": "the project asks for no empty page",
        "a part but the last has at least 5 MiB": "tests in memory and in moto hold the size of parts",
    },
}
