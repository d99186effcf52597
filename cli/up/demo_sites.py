"""Demo sites of the local cloud.

The site checks request them unless BASE_URLS names other sites.
"""

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
from shared.job.setting import BASE_URLS

# A fixed port, if it is free: with another, the templates would change and be deployed again.
PORT = 7778


@contextmanager
def sites(port: int = PORT) -> Iterator[DemoSite | None]:
    """Run the sites while the block lasts; None if BASE_URLS is set.

    Raises SettingError for an invalid BASE_URLS.
    """
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
    """The user's settings of jobs, and those for the demo sites."""
    shown = {"SAMPLE_CRASH_ENABLE": "true"}
    if demo:
        shown |= {
            BASE_URLS.name: json.dumps(demo.base_urls),
            "WEB_EVAL_EXEC_ENABLE": "true",
            "WEB_EVAL_EXEC_HOSTS": ",".join(demo.hosts),
        }
    # Templates do not depend on the folder of the state.
    return shown | {name: value for name, value in settings_of(os.environ).items() if name != "NIGHTSHIFT_LOCAL"}


def store_credentials(demo: DemoSite, cloud: Cloud) -> None:
    """Store the credentials of the sign-in check.

    The password is new at each start.
    """
    secret = cloud.names.secret(CREDENTIALS)
    cloud.secrets.put_secret_value(SecretId=secret, SecretString=demo.credentials)
