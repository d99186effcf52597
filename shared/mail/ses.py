"""SES through its API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.aws.cloud import not_performed
from shared.mail.message import DeliveryUnknown, Mail, MailRefused
from shared.mail.mime import ascii_recipient, render, sender_address
from shared.mail.reply import classify_ses
from shared.mail.seven_bit import ascii_headers

if TYPE_CHECKING:
    from shared.aws.cloud import Cloud


class Ses:
    """SES as a relay. It accepts addresses in ASCII only.

    repeats: raise MailRefused for a message without an answer.
    """

    def __init__(self, cloud: Cloud, sender: str, repeats: bool = False) -> None:
        self.cloud = cloud
        self.sender = sender
        self.repeats = repeats

    def send(self, mail: Mail, key: str) -> str:
        to = [str(ascii_recipient(one)) for one in mail.to]
        message = render(mail, key, self.cloud.clock.now(), self.sender)
        return self._transmit(str(message["From"]), to, message.as_bytes())

    def forward(self, message: bytes, to: str) -> str:
        _, sender = sender_address(self.sender)
        return self._transmit(str(sender), [str(ascii_recipient(to))], ascii_headers(message))

    def _transmit(self, sender: str, to: list[str], body: bytes) -> str:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self.cloud.mail.send_email(
                FromEmailAddress=sender,
                Destination={"ToAddresses": to},
                Content={"Raw": {"Data": body}},
            )
        except (BotoCoreError, ClientError) as error:
            if not not_performed(error):
                unknown = DeliveryUnknown(f"SES: {type(error).__name__}: {error}")
                raise (unknown.repeated() if self.repeats else unknown) from error
            about = getattr(error, "response", {}).get("Error", {})
            refusal = classify_ses(about.get("Code", ""), about.get("Message", ""))
            raise MailRefused(
                f"SES: {error}", refusal.kind, affects_all=refusal.affects_all, wait=refusal.wait
            ) from error
        return answer["MessageId"]

    def close(self) -> None:
        """No connection is held open."""
