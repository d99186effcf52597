"""Cases of S3: calls, and what the last of them gives.

The statements are those of the API reference and of the user guide's "Conditional requests".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from tests.conformance.service_backends import Answer, Call

NO_KEY = {"error": "NoSuchKey", "status": 404}
FAILED = {"error": "PreconditionFailed", "status": 412}
MANY = 1003


def etag(content: bytes) -> str:
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


@dataclass(frozen=True)
class Case:
    fact: str
    calls: tuple[Call, ...]
    gives: Answer


def put(key: str, body: bytes = b"x", **request: Any) -> Call:
    return "PutObject", {"Key": key, "Body": body, **request}


def get(key: str = "k") -> Call:
    return "GetObject", {"Key": key}


def listed(**request: Any) -> Call:
    return "ListObjectsV2", request


def next_page(**request: Any) -> Call:
    """The list from where the answer before has ended."""
    return "ListObjectsV2", lambda answers: {**request, "ContinuationToken": answers[-1]["NextContinuationToken"]}


def written(*keys: str) -> tuple[Call, ...]:
    """Put keys after a page, and list from where it has ended."""
    token = len(FOLDERS)
    following: Call = "ListObjectsV2", lambda answers: {"ContinuationToken": answers[token]["NextContinuationToken"]}
    return (*map(put, keys), following)


def page(*keys: str, more: bool = False, prefixes: tuple[str, ...] = ()) -> Answer:
    return {"keys": list(keys), "prefixes": list(prefixes), "more": more, "count": len(keys) + len(prefixes)}


def shown(operation: str, answer: Answer) -> Answer:
    """The part of an answer on which all must agree."""
    match operation:
        case "GetObject":
            kept = {name: answer[name] for name in ("ETag", "ContentLength", "Metadata")}
            return {**kept, "Body": answer["Body"].read()}
        case "HeadObject":
            return {name: answer[name] for name in ("ETag", "ContentLength", "ContentType", "Metadata")}
        case "ListObjectsV2":
            return {
                "keys": [each["Key"] for each in answer.get("Contents", [])],
                "prefixes": [each["Prefix"] for each in answer.get("CommonPrefixes", [])],
                "more": answer["IsTruncated"],
                "count": answer["KeyCount"],
            }
        case "DeleteObjects":
            return {name: sorted(each["Key"] for each in answer.get(name, [])) for name in ("Deleted", "Errors")}
        case "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload":
            return {}
        case "ListMultipartUploads":
            return {"uploads": len(answer.get("Uploads", []))}
    return {"ETag": answer["ETag"]} if "ETag" in answer else {}


def stored(content: bytes, **metadata: str) -> Answer:
    return {"ETag": etag(content), "ContentLength": len(content), "Metadata": metadata, "Body": content}


def head(content: bytes, kind: str, **metadata: str) -> Answer:
    return {"ETag": etag(content), "ContentLength": len(content), "ContentType": kind, "Metadata": metadata}


def uploaded(number: int, content: bytes) -> Call:
    return "UploadPart", lambda answers: {
        "Key": "k",
        "UploadId": answers[0]["UploadId"],
        "PartNumber": number,
        "Body": content,
    }


def completed(*positions: int, **request: Any) -> Call:
    """Complete the upload of the first call with the parts of those calls."""
    return "CompleteMultipartUpload", lambda answers: {
        "Key": "k",
        "UploadId": answers[0]["UploadId"],
        "MultipartUpload": {"Parts": [{"PartNumber": number, "ETag": answers[number]["ETag"]} for number in positions]},
        **request,
    }


BEGUN: Call = ("CreateMultipartUpload", {"Key": "k"})
LARGE = b"x" * 5 * 1024 * 1024
MANY_KEYS = tuple(put(f"{number:04d}") for number in range(MANY))
FOLDERS = tuple(put(key) for key in ("a", "b/1", "b/2", "c/1", "d"))

CASES = [
    Case("a put answers the quoted MD5 as ETag", (put("k", b"one"),), {"ETag": etag(b"one")}),
    Case("an object is read as it was written", (put("k", b"one"), get()), stored(b"one")),
    Case(
        "content type and metadata are stored",
        (put("k", b"{}", ContentType="application/json", Metadata={"run": "r1"}), ("HeadObject", {"Key": "k"})),
        head(b"{}", "application/json", run="r1"),
    ),
    Case("an empty object exists", (put("k", b""), get()), stored(b"")),
    Case(
        "a put replaces body, type and metadata",
        (put("k", b"1", Metadata={"a": "b"}), put("k", b"2"), get()),
        stored(b"2"),
    ),
    Case("a missing object is NoSuchKey", (get(),), NO_KEY),
    Case(
        "the head of a missing object has no body, so its code is 404",
        (("HeadObject", {"Key": "k"}),),
        {"error": "404", "status": 404},
    ),
    Case(
        "an object without a type is binary",
        (put("k", b"one"), ("HeadObject", {"Key": "k"})),
        head(b"one", "binary/octet-stream"),
    ),
    Case("IfNoneMatch creates a missing object", (put("k", IfNoneMatch="*"), get()), stored(b"x")),
    Case("IfNoneMatch refuses an existing object", (put("k"), put("k", b"2", IfNoneMatch="*")), FAILED),
    Case("a refused put changes nothing", (put("k", b"1"), put("k", b"2", IfNoneMatch="*"), get()), stored(b"1")),
    Case(
        "IfNoneMatch creates a deleted object",
        (put("k"), ("DeleteObject", {"Key": "k"}), put("k", IfNoneMatch="*")),
        {"ETag": etag(b"x")},
    ),
    Case(
        "IfMatch replaces the expected object",
        (put("k", b"1"), put("k", b"2", IfMatch=etag(b"1")), get()),
        stored(b"2"),
    ),
    Case("IfMatch refuses another object", (put("k", b"1"), put("k", b"2", IfMatch=etag(b"0"))), FAILED),
    Case("IfMatch refuses a missing object as NoSuchKey", (put("k", b"2", IfMatch=etag(b"0")),), NO_KEY),
    Case(
        "equal content has an equal ETag, so IfMatch holds",
        (put("k", b"1"), put("k", b"1"), put("k", b"2", IfMatch=etag(b"1")), get()),
        stored(b"2"),
    ),
    Case("a delete of a missing object succeeds", (("DeleteObject", {"Key": "k"}),), {}),
    Case("a deleted object is missing", (put("k"), ("DeleteObject", {"Key": "k"}), get()), NO_KEY),
    Case(
        "a delete of many answers missing objects as deleted",
        (put("k"), ("DeleteObjects", {"Delete": {"Objects": [{"Key": "k"}, {"Key": "m"}]}})),
        {"Deleted": ["k", "m"], "Errors": []},
    ),
    Case(
        "a quiet delete of many answers errors alone",
        (put("k"), ("DeleteObjects", {"Delete": {"Objects": [{"Key": "k"}], "Quiet": True}})),
        {"Deleted": [], "Errors": []},
    ),
    Case(
        "a delete takes at most 1,000 keys",
        (("DeleteObjects", {"Delete": {"Objects": [{"Key": f"k{number}"} for number in range(1001)]}}),),
        {"error": "MalformedXML", "status": 400},
    ),
    Case("an empty list has no contents", (listed(),), page()),
    Case(
        "a list is in the order of UTF-8 bytes",
        (*(put(key) for key in ("b", "a", "Z", "é", "a/b")), listed()),
        page("Z", "a", "a/b", "b", "é"),
    ),
    Case("a list has the keys of a prefix", (*FOLDERS, listed(Prefix="b/")), page("b/1", "b/2")),
    Case("a prefix need not end at a slash", (*FOLDERS, listed(Prefix="b")), page("b/1", "b/2")),
    Case("StartAfter begins after a key", (*FOLDERS, listed(StartAfter="b/1")), page("b/2", "c/1", "d")),
    Case("StartAfter need not exist", (*FOLDERS, listed(StartAfter="b/0")), page("b/1", "b/2", "c/1", "d")),
    Case(
        "a delimiter groups keys into prefixes",
        (*FOLDERS, listed(Delimiter="/")),
        page("a", "d", prefixes=("b/", "c/")),
    ),
    Case("a page ends after MaxKeys", (*FOLDERS, listed(MaxKeys=2)), page("a", "b/1", more=True)),
    Case(
        "the next page begins where the page has ended",
        (*FOLDERS, listed(MaxKeys=2), next_page(MaxKeys=2)),
        page("b/2", "c/1", more=True),
    ),
    Case("the last page is not truncated", (*FOLDERS, listed(MaxKeys=3), next_page(MaxKeys=2)), page("c/1", "d")),
    Case(
        "a full page with nothing behind it is the last",
        (*FOLDERS, listed(MaxKeys=5)),
        page("a", "b/1", "b/2", "c/1", "d"),
    ),
    Case(
        "a prefix counts as one key of a page",
        (*FOLDERS, listed(Delimiter="/", MaxKeys=2)),
        page("a", more=True, prefixes=("b/",)),
    ),
    Case(
        "the page after a prefix does not repeat it",
        (*FOLDERS, listed(Delimiter="/", MaxKeys=2), next_page(Delimiter="/", MaxKeys=2)),
        page("d", prefixes=("c/",)),
    ),
    Case("MaxKeys 0 lists nothing", (*FOLDERS, listed(MaxKeys=0)), page()),
    Case(
        "a key that is written behind the page is on the next page",
        (*FOLDERS, listed(MaxKeys=2), *written("b/0", "b/3")),
        page("b/2", "b/3", "c/1", "d"),
    ),
    Case(
        "a page has 1,000 keys by default",
        (*MANY_KEYS, listed(), next_page()),
        page(*(f"{number:04d}" for number in range(1000, MANY))),
    ),
    Case(
        "a page has at most 1,000 keys",
        (*MANY_KEYS, listed(MaxKeys=5000)),
        page(*(f"{number:04d}" for number in range(1000)), more=True),
    ),
    Case(
        "parts become one object",
        (BEGUN, uploaded(1, LARGE), uploaded(2, b"end"), completed(1, 2), ("ListMultipartUploads", {})),
        {"uploads": 0},
    ),
    Case("an upload that is not complete is no object", (BEGUN, uploaded(1, b"1"), get()), NO_KEY),
    Case(
        "a part but the last has at least 5 MiB",
        (BEGUN, uploaded(1, b"1"), uploaded(2, b"2"), completed(1, 2)),
        {"error": "EntityTooSmall", "status": 400},
    ),
    Case(
        "an upload is completed with IfNoneMatch",
        (BEGUN, uploaded(1, b"1"), put("k"), completed(1, IfNoneMatch="*")),
        FAILED,
    ),
    Case(
        "parts of an unknown upload are refused",
        (("UploadPart", {"Key": "k", "UploadId": "none", "PartNumber": 1, "Body": b"1"}),),
        {"error": "NoSuchUpload", "status": 404},
    ),
    Case(
        "an aborted upload is gone",
        (
            BEGUN,
            ("AbortMultipartUpload", lambda answers: {"Key": "k", "UploadId": answers[0]["UploadId"]}),
            ("ListMultipartUploads", {}),
        ),
        {"uploads": 0},
    ),
]
