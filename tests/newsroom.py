"""Incidents for tests: items whose mentions are placed as the linker would, and people who command over HTTP."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient

from incidentwire import events as e
from incidentwire.documents import StoredDocument
from incidentwire.incidents.decisions import NO_REASON, assign, reconcile
from incidentwire.incidents.state import IncidentsState
from incidentwire.labels import Label, MentionId, MentionRef
from incidentwire.web.keys import Keys
from tests.harness import Harness

LEAK: Label = "data_leak"
FAKE: Label = "deepfake"
LAW: Label = "regulation"


class Newsroom:
    """A harness with a log of items and incidents, a projector at hand and a client who may curate."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.log = harness.log
        self.projector = harness.projector()
        self.client: FlaskClient = harness.api_client()
        self.ids: dict[str, str] = {}  # incidents, as a test calls them
        self.key = Keys(harness.connection).create("ann", ["read", "curate"])
        self.client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.key}"

    def state(self) -> IncidentsState:
        state = IncidentsState()
        for entry in self.log.read():
            state.apply(entry.subject, entry.event)
        return state

    def add(
        self,
        name: str,
        *mentions: tuple[Label, ...],
        into: str | None = None,
        title: str = "",
        text: str = "",
        **about: Any,
    ) -> str:
        """Return an item with a mention per tuple of labels, each in an incident of its own unless `into` names one; returns
        the incident of the first. Mentions divide the text evenly. `quoted` is the evidence, else four characters."""
        text = text or f"Text of {name}, which tells of something that happened."
        document = StoredDocument(
            title=title or f"Title of {name}", text=text, site=about.pop("site", None)
        )
        digest = self.harness.archive.put(name, document.to_bytes())
        labels = tuple(dict.fromkeys(label for labels in mentions for label in labels))
        size = len(text) // max(1, len(mentions))
        refs = tuple(
            MentionRef(
                id=f"m{n}",
                start=n * size,
                end=(n + 1) * size,
                labels=labels,
                fingerprint="",
            )
            for n, labels in enumerate(mentions)
        )
        url = about.pop("url", f"https://news.example.org/{name}")
        score = about.pop("score", 0.9)
        why = e.LinkReason(**about.pop("why", {}))
        quoted = about.pop("quoted", text[:4])
        begin = text.index(quoted)
        span = (begin, begin + len(quoted))
        self.log.append(
            name,
            e.ItemSubmitted(url=url, via="test"),
            e.ItemFetched(
                document_digest=digest,
                text_digest=document.text_digest,
                words=9,
                final_url=url,
                **about,
            ),
            e.ItemClassified(
                text_digest=document.text_digest,
                model="model-1",
                labels=labels,
                scores=dict.fromkeys(labels, score),
                evidence={label: (span,) for label in labels},
                mentions=refs,
            ),
        )
        self.link(name, into, why)
        return self.state().where(f"{name}#m0") or ""

    def link(
        self, name: str, into: str | None = None, why: e.LinkReason = NO_REASON
    ) -> None:
        """Append what the linker would after news of an item."""
        while True:
            state = self.state()
            facts, homeless = reconcile(state, name)
            if not facts and homeless:
                facts = assign(state, *MentionId.parse(homeless[0]), into, why=why)
            if not facts:
                return
            for subject, event in facts:
                self.log.append(subject, event)

    def grow(self) -> None:
        self.projector.catch_up()

    def get(self, path: str, status: int = 200) -> Any:
        answer = self.client.get(f"/v1/incidents{path}")
        assert answer.status_code == status, answer.text
        return answer.get_json()

    def list(self, query: str = "") -> list[str]:
        return [incident["id"] for incident in self.get(f"?{query}")["incidents"]]

    def command(
        self, incident: str, verb: str, status: int = 200, /, **body: Any
    ) -> Any:
        """Return a command of ann's, at the version that is current unless one is given."""
        body.setdefault("version", self.version(incident))
        answer = self.client.post(f"/v1/incidents/{incident}/{verb}", json=body)
        assert answer.status_code == status, answer.text
        self.grow()
        return answer.get_json()

    def version(self, incident: str) -> int:
        state = self.state()
        return state.get(incident).version if incident in state.by_id else 0
