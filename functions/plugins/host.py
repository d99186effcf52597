"""Every job of every plugin, each a job of its own; see docs/howto/plugin.md."""

from __future__ import annotations

from collections.abc import Iterable

from shared.job import Job


def jobs() -> Iterable[type[Job]]:
    # A job of another group must not pay for it.
    from shared.plugins.manifest import discovery

    found = discovery.plugins()
    if not found:
        return []
    from shared.plugins import job

    return job.of(found, __name__)
