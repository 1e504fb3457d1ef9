"""Command: the figures of the installed model on what people decided."""

from __future__ import annotations

import click

from cli import output
from cli.context import current_settings
from cli.progress import bar
from incidentwire.archive import Archive
from incidentwire.labels import LABELS
from incidentwire.log.event_log import EventLog
from incidentwire.store import connect
from services.classifier import evaluation
from services.classifier.labelling.classifier import Classifier


def _column(name: str) -> output.Columns:
    return {name: lambda row: row[name]}


COLUMNS: output.Columns = {
    key: column
    for name in ("group", "name", "items", "exact", "macro_f1", *LABELS)
    for key, column in _column(name).items()
}


@click.command()
@output.json_option
def evaluate(as_json: bool) -> None:
    """Compare the installed model with the labels that people corrected.

    Rows are for all items, and by month of publication, source and language. People
    correct what is wrong, so the figures are lower than those of all items.
    """
    settings = current_settings()
    log = EventLog(connect(settings.redis_url))
    archive = Archive(settings.archive)
    with bar("evaluating") as advance:
        rows = evaluation.evaluate(log, archive, Classifier.load(), advance)
    if not rows:
        click.echo(
            "No corrected items. Correct labels first: incidentwire items correct"
        )
        return
    output.write(rows, COLUMNS, as_json=as_json)
