"""Send one e-mail through the configured SMTP server."""

from __future__ import annotations

import html
import re
import smtplib
import ssl
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate

from incidentwire.settings import Settings
from services.api.subscriptions.retry_schedule import Failure

SMTP_TIMEOUT_S = 20.0
MAX_ADDRESS_CHARS = 254  # RFC 5321
# ASCII only: few servers take SMTPUTF8, and the email package refuses the rest.
_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_DOMAIN_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
ENCODED_WORD = "=?"  # begins an encoded word (RFC 2047)
NOT_CONFIGURED = "No mail server is configured. Set INCIDENTWIRE_SMTP_HOST."


class MailNotConfigured(Exception):
    """No SMTP server is configured."""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A message to one address. `message_id` is stable over retries."""

    to: str
    subject: str
    text: str
    html: str
    message_id: str
    unsubscribe_url: str = ""


def is_address(text: str) -> bool:
    """Return whether the text is one plain ASCII address without display name."""
    local, _, domain = text.rpartition("@")
    if len(text) > MAX_ADDRESS_CHARS or not _LOCAL_PART.fullmatch(local):
        return False
    if ENCODED_WORD in local or not all(local.split(".")):
        return False
    labels = domain.split(".")
    return len(labels) > 1 and all(map(_DOMAIN_LABEL.fullmatch, labels))


def header_text(text: str) -> str:
    """Return text of strangers on one line, safe as the value of a header.

    The email package decodes encoded words in a value and writes the line breaks that
    they hide: `=?utf-8?q?=0aBcc:_a?=` would become a header of its own.
    """
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.replace(ENCODED_WORD, "= ?").split())[:200]


def as_html(text: str) -> str:
    """Return plain text as HTML, line breaks kept."""
    return html.escape(text).replace("\n", "<br>")


def compose(mail: Mail, sender: str) -> EmailMessage:
    """Return the message: plain text and HTML, with one-click unsubscription (RFC 8058)."""
    message = EmailMessage()
    message["From"] = Address(display_name="Incidentwire", addr_spec=sender)
    message["To"] = Address(addr_spec=mail.to)
    message["Subject"] = header_text(mail.subject)
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = f"<{mail.message_id}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    if mail.unsubscribe_url:
        message["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    return message


def send(settings: Settings, mail: Mail) -> Failure | None:
    """Send the mail; return why it failed, or None."""
    if not settings.smtp_host:
        return Failure(reason="mail_not_configured", detail=NOT_CONFIGURED)
    try:
        with _connect(settings) as server:
            server.send_message(compose(mail, settings.mail_from))
    except smtplib.SMTPRecipientsRefused as error:
        code, reply = next(iter(error.recipients.values()))
        return Failure(
            reason="recipient_refused",
            detail=_reply(code, reply),
            permanent=code >= 500,
        )
    except smtplib.SMTPResponseException as error:
        detail = _reply(error.smtp_code, error.smtp_error)
        return Failure(reason="smtp_refused", detail=detail)
    except (smtplib.SMTPException, OSError) as error:
        return Failure(reason="smtp_unreachable", detail=type(error).__name__)
    return None


def _connect(settings: Settings) -> smtplib.SMTP:
    host = settings.smtp_host
    port = settings.smtp_port
    if settings.smtp_security == "tls":
        context = ssl.create_default_context()
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, port, timeout=SMTP_TIMEOUT_S, context=context
        )
    else:
        server = smtplib.SMTP(host, port, timeout=SMTP_TIMEOUT_S)
        if settings.smtp_security == "starttls":
            server.starttls(context=ssl.create_default_context())
    if settings.smtp_user:
        server.login(settings.smtp_user, settings.smtp_password)
    return server


def _reply(code: int, reply: bytes | str) -> str:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    plain = "".join(c if c.isprintable() else " " for c in text)
    return f"{code} {plain}"[:300]
