from __future__ import annotations

from services.classifier.linking.cluster import cluster, in_order, whole
from services.classifier.linking.fingerprints import fingerprint

BREACH = "Records of 41,300 patients of Marwick Vale Clinics lay open on a server of Ostrel Data, inspector Brandt said."
AGAIN = "Inspector Brandt looks into Ostrel Data: its server held open records of 41,300 Marwick Vale Clinics patients."
PARK = "Tolm Lake wildlife park was sued over face gates. Judge Sandoval heard visitors who would rather show a card."


def test_rows_on_one_happening_share_a_cluster_named_after_its_first_row() -> None:
    rows = [
        {"id": "a", "title": "Open server", "text": BREACH},
        {"id": "b", "title": "Face gates in court", "text": PARK},
        {"id": "c", "title": "Inquiry into open server", "text": AGAIN},
    ]
    found = {row.id: row for row in cluster(rows, whole)}
    assert {name: row.cluster for name, row in found.items()} == {
        "a": "a",
        "b": "b",
        "c": "a",
    }
    assert found["a"].score == found["b"].score == 1.0
    assert 0.26 <= found["c"].score < 1.0


def test_rows_come_in_date_order_where_there_are_dates() -> None:
    rows = [
        {"id": "late", "text": AGAIN, "date": "2024-03-06"},
        {"id": "undated", "text": PARK, "date": ""},
        {"id": "early", "text": BREACH, "date": "2024-03-05"},
    ]
    assert [row["id"] for row in in_order(rows)] == ["early", "late", "undated"]
    assert [(row.id, row.cluster) for row in cluster(rows, whole)][:2] == [
        ("early", "early"),
        ("late", "early"),
    ]
    assert [row["id"] for row in in_order([{"id": 2}, {"id": 1}])] == [2, 1]


def test_a_round_up_has_a_row_per_mention_the_main_one_first() -> None:
    def two(title: str, text: str, date: str | None) -> list[str]:
        return [fingerprint("", part, date) for part in text.split("|") if part]

    rows = [
        {"id": "park", "text": PARK},
        {"id": "week", "text": f"{BREACH}|{PARK.replace('was sued', 'is sued')}"},
        {"id": "nothing", "text": ""},
    ]
    assert [(row.id, row.cluster) for row in cluster(rows, two)] == [
        ("park", "park"),
        ("week", "week"),
        ("week", "park"),
    ]


def test_an_empty_file_has_no_clusters() -> None:
    assert list(cluster([], whole)) == []
