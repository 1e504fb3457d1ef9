"""Reads training rows: JSONL with id, lang, genre, title, text, labels. What is not such a row is an error."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from incidentwire.labels import LABELS

CORPUS_FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True, kw_only=True)
class CorpusRow:
    """One labelled example; `labels` is a subset of LABELS, empty for none."""

    id: str
    lang: str
    genre: str
    title: str
    text: str
    labels: tuple[str, ...]


def read_rows(files: Iterable[Path]) -> list[CorpusRow]:
    """Rows of all files, in order. Raises ValueError that names file and line for a bad row or a repeated id."""
    rows: list[CorpusRow] = []
    seen: set[str] = set()
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    row = _row(line, f"{file.name}:{number}")
                    if row.id in seen:
                        raise ValueError(
                            f"{file.name}:{number}: id {row.id} was there before"
                        )
                    seen.add(row.id)
                    rows.append(row)
    return rows


def corpus_files(folder: Path = CORPUS_FOLDER) -> list[Path]:
    """Return the files of the project's own corpus, ordered by name."""
    return sorted(folder.glob("*.jsonl"))


def _row(line: str, where: str) -> CorpusRow:
    try:
        fields = json.loads(line)
        labels = tuple(label for label in LABELS if label in fields["labels"])
        unknown = set(fields["labels"]) - set(LABELS) - {"none"}
        row = CorpusRow(
            id=str(fields["id"]),
            lang=str(fields["lang"]),
            genre=str(fields.get("genre", "")),
            title=str(fields.get("title") or ""),
            text=str(fields.get("text") or ""),
            labels=labels,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{where}: not a training row ({error})") from error
    if unknown or not (row.title or row.text):
        raise ValueError(
            f"{where}: unknown labels {sorted(unknown)}"
            if unknown
            else f"{where}: no title and no text"
        )
    return row
