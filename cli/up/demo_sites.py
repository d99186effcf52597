"""Demo sites of the local cloud.

The site checks request them unless BASE_URLS names other sites.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from cli.up.service_ports import FIXED, ServicePorts
from functions.sites.auth import CREDENTIALS
from local.demo import site
from local.demo.site import DemoSite
from local.deploy import settings_of
from shared.aws.cloud import Cloud
from shared.job.setting import BASE_URLS


@contextmanager
def sites(ports: ServicePorts = FIXED) -> Iterator[DemoSite | None]:
    """Run the sites while the block lasts; None if BASE_URLS is set.

    Raises SettingError for an invalid BASE_URLS.
    """
    if BASE_URLS.read():
        yield None
        return
    try:
        demo = site.start(ports.site, ports.broken_site)
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
