"""Shape of `env`."""

from __future__ import annotations

from cli.shapes.jobs import DescribedSetting


class ListedSetting(DescribedSetting):
    """A setting and the jobs that read it."""

    #: Names of the jobs; empty for settings of the deployment and of workers.
    jobs: list[str]
    #: Whether it leads to a service outside, which the local cloud replaces.
    external: bool
