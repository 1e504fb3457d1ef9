"""A newsroom with its pages on a real port, and a real browser: one of each for all files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page

from incidentwire import events as e
from incidentwire.documents import StoredDocument
from incidentwire.web.sessions import COOKIE, SessionStore
from incidentwire.web.users import Users
from tests.eventually import eventually
from tests.harness import Harness
from tests.newsroom import FAKE, LAW, LEAK, Newsroom
from tests.store import Store, free_port, running_store

PASSWORD = "correct horse battery"

LEFT_OPEN = "A chain of clinics left the records of 61,000 patients on an open server, a security researcher said on Wednesday."
FINED = "The regulator fined the chain of clinics 2.4 million over the exposed records of 61,000 patients."
CLINIC = f"""{LEFT_OPEN} The exposed records held names, dates of birth and telephone numbers.

The company closed the server within a day. The data protection authority has opened an inquiry."""
FINE = f"""{FINED} The company said that it would not appeal."""
VOICE = """A cloned voice of the mayor asked voters to stay at home. The recording was synthetic, the city said, and spread in a messenger group before it was removed."""
CHINESE = """记者获悉，某连锁诊所约六万名患者的个人信息发生泄露，涉及姓名、出生日期和电话号码。监管部门已经介入调查，并要求企业通知受影响的人。"""
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)> \u202e=cmd|' /C calc'!A0"


@dataclass
class Site:
    """The running pages: a newsroom, its address, and the ids that tests name."""

    room: Newsroom
    base: str
    ids: dict[str, str]

    @property
    def harness(self) -> Harness:
        return self.room.harness


@pytest.fixture(scope="package")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Start a newsroom with api-web, projector and ingest as processes.

    It has a store of its own: tests of this folder that need an empty one clear theirs.
    """
    with running_store(tmp_path_factory.mktemp("pages_store")) as store:
        yield from _pages(store, tmp_path_factory.mktemp("pages"))


def _pages(store: Store, folder: Path) -> Iterator[Site]:
    connection = store.connect()
    ingest_port = free_port()
    with Harness(
        connection,
        store.url,
        folder,
        ingest_url=f"http://127.0.0.1:{ingest_port}",
        heartbeat_s=1.0,
    ) as harness:
        room = Newsroom(harness)
        ids = fill(room)
        for role in ("reader", "submitter", "curator", "admin"):
            Users(connection).add(role, PASSWORD, role)
        harness.run_projector()
        harness.run("services.ingest.web", "--port", str(ingest_port))
        harness.run_web()
        last = harness.log.last()
        eventually(
            lambda: harness.get("/v1/stats")[1].get("position", 0) >= last,
            "the read model has everything",
        )
        yield Site(room=room, base=f"http://127.0.0.1:{harness.port}", ids=ids)
    connection.close()


def fill(room: Newsroom) -> dict[str, str]:
    """Append items and incidents in two languages, one of them hostile."""
    ids = {}
    ids["clinic"] = room.add(
        "i_clinic",
        (LEAK,),
        title="Clinic chain exposed records of 61,000 patients",
        text=CLINIC,
        quoted=LEFT_OPEN,
        published="2026-10-07",
        language="en",
        site="Daily Example",
    )
    room.add(
        "i_fine",
        (LAW,),
        into=ids["clinic"],
        text=FINE,
        quoted=FINED,
        published="2026-11-12",
        title="Clinic chain fined over exposed records",
        language="en",
        url="https://law.example.net/fine",
        why={"nearest": "i_clinic#m0", "retold": True, "days": 36},
    )
    ids["voice"] = room.add(
        "i_voice",
        (FAKE,),
        title="Cloned voice of the mayor told voters to stay home",
        text=VOICE,
        published="2026-11-20",
        language="en",
        url="https://city.example.com/voice",
    )
    ids["chinese"] = room.add(
        "i_zh",
        (LEAK,),
        title="六万名患者信息泄露 监管部门介入调查",
        text=CHINESE,
        published="2026-10-09",
        language="zh",
        url="https://news.example.cn/zh",
    )
    ids["twin"] = room.add(
        "i_twin",
        (LEAK,),
        title="Patients' data of clinics lay open, researcher says",
        text=CLINIC.replace("61,000", "about 61,000"),
        published="2026-10-08",
        language="en",
        url="https://other.example.org/clinics",
    )
    ids["hostile"] = room.add(
        "i_hostile",
        (FAKE,),
        title=HOSTILE,
        text=HOSTILE * 3,
        published="2026-11-21",
        url='https://evil.example.org/"><script>alert(2)</script>',
        language="en",
    )
    for number in range(12):
        doubt(room.harness, f"i_doubt{number:02}", number)
    return ids


def doubt(harness: Harness, name: str, number: int, review: str = "consent") -> None:
    """Append an item about which the model is unsure."""
    text = f"An app for parents collected the voices of children, number {number}, and trained a model with them."
    document = StoredDocument(
        title=f"App kept recordings of children, part {number}", text=text
    )
    digest = harness.archive.put(name, document.to_bytes())
    harness.log.append(
        name,
        e.ItemSubmitted(url=f"https://apps.example.org/{number}", via="test"),
        e.ItemFetched(
            document_digest=digest,
            text_digest=document.text_digest,
            words=17,
            final_url=f"https://apps.example.org/{number}",
            language="en",
        ),
        e.ItemClassified(
            text_digest=document.text_digest,
            model="model-1",
            labels=(),
            scores={"consent": 0.34},
            evidence={},
            review=(review,),
        ),
    )


class Visitor:
    """A person at a browser. What must never happen is collected in `faults`."""

    def __init__(self, site: Site, context: BrowserContext) -> None:
        self.site = site
        self.context = context
        self.page: Page = context.new_page()
        self.faults: list[str] = []
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._on_request)
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))

    def _on_console(self, message: Any) -> None:
        is_refusal = "status of 4" in message.text  # a page that says no is no fault
        if message.type in ("error", "warning") and not is_refusal:
            self.faults.append(message.text)

    def _on_request(self, request: Any) -> None:
        if not request.url.startswith((self.site.base, "about:", "data:")):
            self.faults.append(f"request to {request.url}")

    def go(self, path: str) -> Page:
        self.page.goto(self.site.base + path)
        return self.page

    def be(self, name: str) -> None:
        """Sign in without the form, which costs seconds; one test fills it in."""
        secret = Member(self.site, name).cookies[COOKIE]
        self.context.add_cookies(
            [{"name": COOKIE, "value": secret, "url": self.site.base}]
        )


class Member(requests.Session):
    """A person who signed in, without a browser: forms carry the token."""

    def __init__(self, site: Site, name: str) -> None:
        super().__init__()
        self.site = site
        self.base = site.base
        store = SessionStore(site.harness.connection)
        user = store.users.find(name)
        assert user is not None
        issuer = f"user:{user.name}:{user.serial}"
        secret = store.start(user.name, user.scopes, issuer)
        self.cookies.set(COOKIE, secret)
        session = store.find(secret)
        assert session is not None
        self.csrf = session.csrf

    def see(self, path: str) -> str:
        answer = self.get(self.base + path, timeout=30)
        assert answer.status_code == 200, answer.text
        return answer.text

    def fill_in(self, path: str, **form: Any) -> requests.Response:
        """Post a form and follow the redirect."""
        return self.post(self.base + path, data={"csrf": self.csrf, **form}, timeout=30)


@pytest.fixture
def visit(pages: Site, browser: Browser) -> Iterator[Any]:
    """Return a function that opens a browser for somebody: visit(name, **options)."""
    opened: list[Visitor] = []

    def make(name: str | None = None, **options: Any) -> Visitor:
        context = browser.new_context(**options)
        context.set_default_timeout(15_000)
        visitor = Visitor(pages, context)
        opened.append(visitor)
        if name:
            visitor.be(name)
        return visitor

    yield make
    for visitor in opened:
        visitor.context.close()
        assert visitor.faults == []
