"""All servers of the proof, and the settings that name them."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from functions.accounts import _dns, _link
from functions.assessments import _llm
from functions.assessments._rubric import RUBRIC
from functions.sites.auth import CREDENTIALS
from functions.webhooks.webhook_retry import LOOPBACK
from local.demo import site
from local.services.dns_server import DnsServer
from proof.outside.mail_server import CountingMailServer
from proof.outside.received import ReceivedEffects
from proof.outside.web_server import CountingWebServer
from shared.aws import attributes
from shared.job import settings
from shared.job.definition import Job
from shared.mail import route
from shared.tables import DOMAINS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proof.world.world import World

MODEL = "gpt-proof"
# An answer that a model may give to the rubric: the highest score for each criterion.
SCORED = {"scores": [{"criterion": each.name, "score": 5, "reason": "right"} for each in RUBRIC], "summary": "good"}


class OutsideServers:
    """`with OutsideServers() as outside:` runs them on free ports."""

    def __init__(self) -> None:
        self.received = ReceivedEffects()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.mail = self._open.enter_context(CountingMailServer(self.received))
        self.web = self._open.enter_context(CountingWebServer(self.received))
        self.web.answer = json.dumps(SCORED)
        self.names = self._open.enter_context(DnsServer())
        self.sites = site.start()
        self._open.callback(self.sites.stop)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def settings(self, jobs: Iterable[Job]) -> dict[str, str]:
        """Environment of the functions: every job is on, and finds these servers."""
        return {
            "NIGHTSHIFT_STAGE": "proof",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            # Powertools' caches make sessions, which need some.
            "AWS_ACCESS_KEY_ID": "proof",
            "AWS_SECRET_ACCESS_KEY": "proof",
            **{f"{job.env}_ENABLE": "true" for job in jobs},
            route.RELAY.name: f"smtp+plain://127.0.0.1:{self.mail.port}",
            route.SENDER.name: "Nightshift <nightshift@in.example>",
            _dns.SERVERS.name: self.names.address,
            LOOPBACK.name: "true",
            _link.LINK.name: "https://files.example/{ticket}",
            _llm.PROVIDER.name: _llm.OPENAI,
            _llm.MODEL.name: MODEL,
            _llm.URL.name: "https://models.example/v1",
            settings.BASE_URLS.name: json.dumps(self.sites.base_urls),
            "WEB_EVAL_EXEC_HOSTS": ",".join(self.sites.hosts),
        }

    def publish_challenges(self, world: World) -> None:
        """Publish the DNS records that the sample domains must have."""
        for row in map(attributes.plain, world.dynamodb.shared_rows(DOMAINS.name)):
            self.names.put(f"{_dns.LABEL}.{row['sk']}", "TXT", f'"{row["challenge"]}"')

    def store_secrets(self, world: World) -> None:
        """Store the credentials of the sites and the model's key."""
        world.secrets.secrets[world.names.secret(CREDENTIALS)] = self.sites.credentials
        world.secrets.parameters[f"/{world.names.secret(_llm.KEY)}"] = "open sesame"
