"""Read pages and classify texts in a sandbox: both are strangers' bytes.

The classifier is loaded before the sandbox forks, so that its child shares the model.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from typing import Any

from incidentwire.documents import StoredDocument
from incidentwire.sandbox import LimitExceeded, Sandbox, SandboxDied, SandboxLimits
from services.classifier.extraction.extract import Document
from services.classifier.fetching.result import FetchedPage, FetchFailure
from services.classifier.labelling.classifier import Classification, Classifier
from services.classifier.labelling.mentions import Mention
from services.classifier.page_reading import read

TRIES = 2  # a child that something else killed says nothing about its item
WARM_UP = (
    b"<html><head><title>Warm-up</title></head><body><article><p>%s</p></article>"
    b"</body></html>"
    % (b"A sentence as articles have them, so that there is something to read. " * 8)
)

WhileWaiting = Callable[[], None]


class TooComplex(Exception):
    """The item takes more time or memory than one item may. `limit` says of what."""

    def __init__(self, limit: str) -> None:
        super().__init__(f"analysis stopped at its limit of {limit}")
        self.limit = limit


class AnalysisCrashed(Exception):
    """The sandbox died on the item, twice."""


class Analyzer:
    """Reads and classifies, each call within the limits of a sandbox."""

    def __init__(
        self, classifier: Classifier, limits: SandboxLimits | None = None
    ) -> None:
        self.model = classifier.version
        self.sandbox = Sandbox(
            {"read": _read, "classify": partial(_classify, classifier)}, limits
        )

    def read(
        self, page: FetchedPage, while_waiting: WhileWaiting | None = None
    ) -> Document | FetchFailure:
        """Return the document of a page, or why there is none. Raises TooComplex and
        AnalysisCrashed."""
        about = {
            "url": page.url,
            "media_type": page.media_type,
            "charset": page.charset,
        }
        question = json.dumps(about).encode() + b"\n" + page.body
        answer = json.loads(self._call("read", question, while_waiting))
        if "reason" in answer:
            return FetchFailure(**answer)
        return Document(**_with_tuples(answer))

    def classify(
        self,
        document: StoredDocument,
        fingerprint_key: bytes,
        while_waiting: WhileWaiting | None = None,
    ) -> Classification:
        """Return the model's judgement of a text. Raises TooComplex and
        AnalysisCrashed."""
        about = {
            "title": document.title,
            "text": document.text,
            "language": document.language,
            "published": document.published,
            "key": fingerprint_key.hex(),
        }
        question = json.dumps(about).encode()
        answer = json.loads(self._call("classify", question, while_waiting))
        fields = _with_tuples(answer)
        mentions = tuple(Mention(**mention) for mention in fields.pop("mentions"))
        return Classification(**fields, mentions=mentions)

    def _call(
        self, name: str, question: bytes, while_waiting: WhileWaiting | None
    ) -> bytes:
        for _ in range(TRIES):
            try:
                return self.sandbox.call(name, question, while_waiting=while_waiting)
            except LimitExceeded as error:
                raise TooComplex(error.limit) from error
            except SandboxDied:
                continue
        raise AnalysisCrashed


def warm_up(classifier: Classifier) -> None:
    """Read and classify a page of no consequence, so that what libraries load at first
    use (1 s) is there before the sandbox forks."""
    page = FetchedPage(
        url="https://example.org/",
        status=200,
        media_type="text/html",
        charset=None,
        headers=b"",
        body=WARM_UP,
    )
    document = read(page)
    if isinstance(document, Document):
        classifier.classify(document.title, document.text)


# -- in the sandbox ----------------------------------------------------------------


def _read(question: bytes) -> bytes:
    about, _, body = question.partition(b"\n")
    page = FetchedPage(**json.loads(about), status=200, headers=b"", body=body)
    return json.dumps(dataclasses.asdict(read(page))).encode()


def _classify(classifier: Classifier, question: bytes) -> bytes:
    about = json.loads(question)
    judged = classifier.classify(
        about["title"],
        about["text"],
        about["language"],
        published=about["published"],
        key=bytes.fromhex(about["key"]),
    )
    return json.dumps(dataclasses.asdict(judged)).encode()


def _with_tuples(value: Any) -> Any:
    """Return JSON with its lists as tuples, as our frozen dataclasses have them."""
    if isinstance(value, list):
        return tuple(_with_tuples(part) for part in value)
    if isinstance(value, dict):
        return {name: _with_tuples(part) for name, part in value.items()}
    return value
