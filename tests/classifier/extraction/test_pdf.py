"""PDFs, made here: whole, wrapped, locked and damaged."""

from __future__ import annotations

import io
import textwrap

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from services.classifier.extraction import pdf
from services.classifier.extraction.extract import ExtractError, extract

NOTICE = (
    "The clinic said on Tuesday that the records of about 40,731 patients had been copied from a server which had "
    "stood open since the spring. The files held names, addresses and dates of birth. A researcher found the server "
    "and told the company twice before anybody answered, according to messages that this newspaper has seen. The "
    "regulator asked for the logs of the past nine months. Consumer groups advised people to watch their accounts, "
    "to change passwords that they had used elsewhere, and to be wary of callers who already know their address."
)
URL = "https://www.lindhaven-courier.example/notices/patients.pdf"


def refusal_of(body: bytes, media_type: str) -> str | None:
    try:
        extract(body, media_type=media_type, charset=None, url=URL)
    except ExtractError as error:
        return error.reason
    return None


def pdf_of(*pages: list[str]) -> bytes:
    """Return a PDF whose pages show the given lines."""
    return pdf_drawing(
        *(
            [(50, 800 - 14 * row, line) for row, line in enumerate(lines)]
            for lines in pages
        )
    )


def pdf_drawing(*pages: list[tuple[int, int, str]]) -> bytes:
    """Return a PDF whose pages draw each (x, y, text) in turn."""
    writer = PdfWriter()
    for drawn in pages:
        page = writer.add_blank_page(width=595, height=842)
        font = DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
        shown = "\n".join(f"1 0 0 1 {x} {y} Tm ({text}) Tj" for x, y, text in drawn)
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 11 Tf\n{shown}\nET".encode("latin-1"))
        page[NameObject("/Contents")] = writer._add_object(stream)
    writer.add_metadata({"/Title": "Notice to patients", "/Author": "Ostmark Clinic"})
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_pdf_gives_title_author_and_joined_paragraphs() -> None:
    lines = [
        "On 3 March the clinic learned that pictures of its pa-",
        "tients were shown to visitors of another clinic on a",
        "screen in the waiting room for most of the morning.",
        "",
        "We are sorry. Who was concerned has been told by",
        "letter, and can call us on any day of the week.",
    ]
    found = extract(
        pdf_of(lines, ["2"]), media_type="application/pdf", charset=None, url=URL
    )
    assert (found.title, found.author, found.media_type) == (
        "Notice to patients",
        "Ostmark Clinic",
        "application/pdf",
    )
    assert (
        "pictures of its patients were shown to visitors of another clinic on a screen"
        in found.text
    )


def columns(count: int, width: int, step: int) -> list[tuple[int, int, str]]:
    """Draw NOTICE in `count` columns of `width` characters, line by line."""
    lines = textwrap.wrap(NOTICE, width)
    height = -(-len(lines) // count)
    return [
        (40 + step * column, 760 - 14 * row, lines[column * height + row])
        for row in range(height)
        for column in range(count)
        if column * height + row < len(lines)
    ]


@pytest.mark.parametrize(
    ("count", "width", "step"), [(2, 42, 280), (3, 24, 180), (2, 30, 300)]
)
def test_columns_that_are_drawn_line_by_line_are_read_one_after_the_other(
    count: int, width: int, step: int
) -> None:
    headline = [(40, 800, "A headline above all of the columns of this notice")]
    body = pdf_drawing(headline + columns(count, width, step))
    assert pdf.read(body).text == f"{headline[0][2]}\n{NOTICE}"


def test_a_table_keeps_its_rows() -> None:
    firms = "Tollgate Harbour Merrow Corbel Fenwick Ashgrove Brightwell".split()
    rows = [
        (x, 760 - 14 * row, text)
        for row, firm in enumerate(firms)
        for x, text in (
            (40, f"{firm} Clinics of the North"),
            (300, f"March {row + 1}, 2024, by letter to patients"),
        )
    ]
    text = pdf.read(pdf_drawing(rows)).text
    assert "Tollgate Clinics of the North March 1, 2024, by letter to patients" in text


def test_pdf_bytes_are_a_pdf_whatever_the_server_calls_them() -> None:
    assert (
        extract(
            pdf_of(["A short notice to all of our patients."]),
            media_type="text/html",
            charset=None,
            url=URL,
        ).media_type
        == "application/pdf"
    )


def test_a_locked_pdf_is_refused_by_name() -> None:
    writer = PdfWriter(clone_from=io.BytesIO(pdf_of(["Nobody reads this."])))
    writer.encrypt("lindhaven", algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    with pytest.raises(ExtractError) as refused:
        extract(out.getvalue(), media_type="application/pdf", charset=None, url=URL)
    assert refused.value.reason == "encrypted"


def test_a_damaged_pdf_is_unreadable_at_every_length() -> None:
    whole = pdf_of(["A short notice to all of our patients."])
    for length in range(8, len(whole) - 60, 37):
        assert refusal_of(whole[:length], "application/pdf") in (
            None,
            "unreadable",
            "empty",
        )


def test_a_pdf_whose_pages_share_one_long_stream_is_too_complex() -> None:
    writer = PdfWriter()
    stream = DecodedStreamObject()
    stream.set_data(b"n\n" * 50_000)
    shared = writer._add_object(stream)
    for _ in range(12):
        page = writer.add_blank_page(width=595, height=842)
        page[NameObject("/Contents")] = shared
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject()}
        )
    out = io.BytesIO()
    writer.write(out)
    assert refusal_of(out.getvalue(), "application/pdf") == "too_complex"
