"""Mails are stored locally and can be read; the local services run while they are needed."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from smtplib import SMTP

import pytest
from dns.resolver import Resolver

from cli.commands import mail
from cli.main import main
from cli.up import local_services
from cli.up.service_ports import ServicePorts
from local.services.smtp_server import SmtpServer
from local.services.webhook_receiver import WebhookReceiver
from shared.mail.route import route


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpServer]:
    monkeypatch.setenv("NIGHTSHIFT_LOCAL", str(tmp_path))
    with SmtpServer(tmp_path / "mail") as box:
        yield box


def send(box: SmtpServer, to: str, subject: str, text: str = "Follow https://in.example/?token=abc") -> None:
    with SMTP("127.0.0.1", box.port) as server:
        said = f"From: Porter <porter@in.example>\r\nTo: {to}\r\nSubject: {subject}\r\n\r\n{text}\r\n"
        server.sendmail("porter@in.example", [to], said.encode())


def test_mails_are_listed_newest_first_and_by_whom_they_are_to(
    box: SmtpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        send(box, "ada@home.example", f"No {number}")
    send(box, "bob@home.example", "For Bob")
    assert main(["mail", "--to", "Ada@home.example", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert sorted(each["subject"] for each in shown) == ["No 0", "No 1", "No 2"]
    assert [each["id"] for each in shown] == sorted((each["id"] for each in shown), reverse=True)
    assert shown[0]["to"] == ["ada@home.example"]
    assert main(["mail"]) == 0
    assert "bob@home.example  For Bob" in capsys.readouterr().out


def test_one_is_shown_with_its_links_and_without_what_a_terminal_obeys(
    box: SmtpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    send(box, "ada@home.example", "Hi\x1b]0;evil\x07", "Follow https://in.example/?token=abc\x1b[2J\r\n\r\nBye")
    main(["mail", "--json"])
    [shown] = json.loads(capsys.readouterr().out)
    assert main(["mail", "show", shown["id"][:15]]) == 0
    told = capsys.readouterr().out
    assert "From: Porter <porter@in.example>" in told
    assert "https://in.example/?token=abc" in told
    assert "\x1b" not in told


def test_an_unknown_mail_is_an_error(box: SmtpServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mail"]) == 0
    assert main(["mail", "show", "../../etc/passwd"]) == 2
    assert main(["mail", "show"]) == 2
    assert "there is no mail" in capsys.readouterr().err


def test_the_eldest_go_beyond_a_number(box: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.services.smtp_server.MAX_MAILS", 2)
    for number in range(4):
        send(box, "ada@home.example", f"No {number}")
    assert len(list(box.folder.glob("*.eml"))) == 2
    assert mail._folder() == box.folder


def test_the_settings_of_local_jobs_lead_to_the_neighbours(tmp_path: Path) -> None:
    with local_services.start(tmp_path, ServicePorts()) as services:
        settings = services.settings
        way = route(settings["MAIL_RELAY"])
        with SMTP(way.host, way.port) as server:
            assert server.noop()[0] == 250
        (tmp_path / "zone.json").write_text(json.dumps({"shop.example MX": ["10 mx.in.example."]}))
        host, _, port = settings["DNS_SERVERS"].partition(":")
        resolver = Resolver(configure=False)
        resolver.nameservers, resolver.port = [host], int(port)
        assert str(resolver.resolve("shop.example", "MX", search=False)[0].exchange) == "mx.in.example."
        assert settings["WEBHOOK_LOOPBACK"] == "true"


def test_a_receiver_writes_down_what_it_is_sent_and_fails_where_it_is_told_to(tmp_path: Path) -> None:
    with WebhookReceiver(tmp_path / "webhooks.jsonl") as receiver:
        for path in ("/hook", "/fail"):
            request = urllib.request.Request(f"{receiver.url}{path}", b'{"a": 1}', {"webhook-id": "m"}, method="POST")
            try:
                urllib.request.urlopen(request, timeout=5).close()
            except urllib.error.HTTPError as error:
                error.close()
    lines = [json.loads(line) for line in (tmp_path / "webhooks.jsonl").read_text().splitlines()]
    assert [(line["path"], line["status"], line["body"]) for line in lines] == [
        ("/hook", 204, '{"a": 1}'),
        ("/fail", 503, '{"a": 1}'),
    ]
    assert lines[0]["headers"]["webhook-id"] == "m"
