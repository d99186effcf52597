"""The demo sites of the local cloud: what its site checks look at where BASE_URLS names no other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from functions.sites.auth import CREDENTIALS
from local.cloud import settings_of
from local.demo import site
from local.demo.site import DemoSite
from shared.aws.cloud import Cloud
from shared.job.settings import BASE_URLS

# The same every time, where it is free: so that what is deployed need not change.
PORT = 7778


@contextmanager
def sites(port: int = PORT) -> Iterator[DemoSite | None]:
    """Running while the block lasts; None where the user names sites. Raises SettingError for a bad BASE_URLS."""
    if BASE_URLS.read():
        yield None
        return
    try:
        demo = site.start(port)
    except OSError:
        demo = site.start()
    try:
        yield demo
    finally:
        demo.stop()


def settings(demo: DemoSite | None) -> dict[str, str]:
    """The user's settings of jobs, and those that let the jobs work on the demo sites."""
    shown = {"SAMPLE_CRASH_ENABLE": "true"}
    if demo:
        shown |= {
            BASE_URLS.name: json.dumps(demo.base_urls),
            "WEB_EVAL_EXEC_ENABLE": "true",
            "WEB_EVAL_EXEC_HOSTS": ",".join(demo.hosts),
        }
    # Where the state is kept is nothing that a template depends on.
    return shown | {name: value for name, value in settings_of(os.environ).items() if name != "NIGHTSHIFT_LOCAL"}


def hand_over_credentials(demo: DemoSite, cloud: Cloud) -> None:
    """What the sign-in check signs in with; a new password at each start."""
    secret = cloud.names.secret(CREDENTIALS)
    cloud.secrets.put_secret_value(SecretId=secret, SecretString=demo.credentials)
