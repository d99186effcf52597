"""Jobs of all plugins; see docs/howto/plugin.md."""

from __future__ import annotations

from collections.abc import Iterable

from shared.job import Job


def jobs() -> Iterable[type[Job]]:
    # Imported lazily: the registry imports this module for jobs of other groups too.
    from shared.plugins.manifest import discovery

    plugins = discovery.plugins()
    if not plugins:
        return []
    from shared.plugins import job

    return job.of(plugins, __name__)
