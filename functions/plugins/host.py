"""Jobs of all plugins; see docs/howto/plugin.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.job import Job
from shared.job.validation import DeclarationError


def jobs() -> Iterable[type[Job]]:
    # Imported lazily: the registry imports this module for jobs of other groups too.
    from shared.plugins.manifest import discovery

    found = discovery.discover()
    if not found.plugins:
        return []
    from shared.plugins import job

    return job.discover(found.plugins, __name__).classes


def broken() -> Mapping[str, DeclarationError]:
    """Errors of plugins by manifest; their jobs are missing."""
    from shared.plugins.manifest import discovery

    found = discovery.discover()
    if not found.plugins:
        return found.errors
    from shared.plugins import job

    return {**found.errors, **job.discover(found.plugins, __name__).errors}
