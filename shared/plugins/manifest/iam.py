"""Grants of the job's role for the file permissions of a manifest.

The outermost restriction.

The `*` of a glob stops at a slash, that of IAM does not: the role allows at least what the manifest allows, and more
for a glob with a `*` in the middle. It denies only what IAM can express exactly; the broker enforces the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from shared.aws import permissions
from shared.aws.permissions import Grant
from shared.plugins.host.s3_workspace import PREFIX
from shared.plugins.manifest.permissions import WRITE, Permissions


def grants_of(permitted: Permissions) -> tuple[Grant, ...]:
    patterns = [pattern for glob in permitted.fs_allow for pattern in widened(glob)]
    grants: list[Grant] = []
    for pattern in dict.fromkeys(patterns):
        grants.append(permissions.read_objects(PREFIX + pattern))
        if permitted.fs_mode == WRITE:
            grants += [permissions.write_objects(PREFIX + pattern), permissions.delete_objects(PREFIX + pattern)]
    # Listing is allowed below each folder that may be read.
    folders = [glob.removesuffix("/**") for glob in permitted.fs_allow if glob.endswith("/**")]
    grants += [permissions.list_objects(f"{PREFIX}{folder}/*") for folder in folders if not set(folder) & set("*?")]
    denied = [pattern for glob in permitted.fs_deny for pattern in exact(glob)]
    grants += [permissions.deny_objects(PREFIX + pattern) for pattern in dict.fromkeys(denied)]
    return tuple(grants)


def widened(glob: str) -> Iterator[str]:
    """IAM patterns that match everything that the glob matches."""
    if glob.startswith("**/"):
        for rest in widened(glob.removeprefix("**/")):
            yield from (rest, f"*/{rest}")
    elif "/**/" in glob:
        before, _, after = glob.partition("/**/")
        for rest in widened(after):
            yield from (f"{before}/{rest}", f"{before}/*/{rest}")
    else:
        yield glob.replace("**", "*")


def exact(glob: str) -> Iterator[str]:
    """IAM patterns that together match exactly what the glob matches.

    None if that is impossible.
    """
    parts = glob.split("/")
    if parts[0] == "**" and len(parts) == 2 and parts[1].startswith("*") and not set(parts[1][1:]) & set("*?"):
        yield parts[1]
    elif not any(set(part) & set("*?") for part in parts if part != "**"):
        yield from widened(glob)
