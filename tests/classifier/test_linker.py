"""The linker: two papers on one happening come together, people are obeyed, and nothing is decided twice."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from incidentwire.documents import StoredDocument
from incidentwire.events import (
    FeedRemoved,
    IncidentItemLinked,
    IncidentOpened,
    ItemClassified,
    ItemCorrected,
    ItemFetched,
    ItemReclassifyRequested,
    ItemWithdrawn,
    LinkReason,
)
from incidentwire.incidents import decisions as decisions
from incidentwire.labels import MentionRef
from incidentwire.log.event_log import AppendRequest, EventLog
from services.classifier.jobs import work
from services.classifier.linker import Linker, follow
from services.classifier.linking.fingerprint_key import fingerprint_key
from services.classifier.linking.merge_rule import LinkIndex, decode, fingerprint
from services.classifier.linking.shared_spans import (
    MAX_SPANS,
    SharedSpans,
    informative_spans,
)
from tests.harness import LEAK, PLAIN, Harness
from tests.lost_tail import cut

TITLE = "Clinic chain left records of 61,000 patients open to anyone"
OTHER_PAPER = """Anyone could read the records of 61,000 patients of the Oakmere clinic chain until this week. A
security researcher found names, dates of birth and telephone numbers on an open server, and the data protection
authority has opened an inquiry into the data breach at Oakmere.

Oakmere said that it was sorry, and that the exposed personal data had been taken offline within a day."""
FIRST_PAPER = LEAK.replace(
    "A chain of clinics", "The Oakmere chain of clinics"
).replace("The company", "Oakmere")
ELSEWHERE = """A ransomware gang has posted the personal data of 4,000 pupils of the Brindle school district, among them
medical notes and home addresses. The superintendent of Brindle said that the data was stolen in October, and that
families would be told this week. The gang had asked for two million dollars, which the district did not pay."""


def submit_three(harness: Harness) -> list[str]:
    """Submit and classify two papers on one breach, and one on another."""
    ids = [
        harness.submit(title=TITLE, text=FIRST_PAPER, published="2026-03-11"),
        harness.submit(
            title="Oakmere patient records stood open on the web",
            text=OTHER_PAPER,
            published="2026-03-12",
        ),
        harness.submit(
            title="Gang posts medical notes of Brindle pupils",
            text=ELSEWHERE,
            published="2026-03-12",
        ),
    ]
    harness.work()
    return ids


@pytest.fixture
def three(harness: Harness) -> list[str]:
    """Two papers on one breach, and one on another."""
    ids = submit_three(harness)
    assert all("data_leak" in harness.item(i).labels for i in ids)
    return ids


def linked(log: EventLog) -> Linker:
    return settled(Linker(log))


def home(linker: Linker, item: str) -> str | None:
    return linker.state.where(f"{item}#m0")


def test_two_papers_on_one_breach_become_one_incident(
    harness: Harness, three: list[str]
) -> None:
    linker = linked(harness.log)
    assert home(linker, three[0]) == home(linker, three[1]) != home(linker, three[2])
    types = [e.type for e in harness.log.read() if e.type.startswith("incident.")]
    assert types.count("incident.opened") == 2
    assert types.count("incident.item_linked") == 3


APP = """The face swap app Fennel drew anger at the weekend. Fennel swaps a user's face into scenes of old films, and its
terms gave the makers every picture for ever. Users asked who else sees their faces, and the messenger Loopline blocked
the deepfake clips that were made with Fennel. The technology ministry of Arland summoned the makers of Fennel, who
changed the terms on Tuesday. Nobody can tell yet whether the deepfakes of Fennel fool a bank."""
FEATURE_PARAGRAPHS = """In Arland the year was one of cameras, and people have begun to argue with them.

A teacher in Tolm sued the Lakeside wildlife park in November for collecting the fingerprints and the facial data of its
season ticket holders without their consent. The court in Tolm will hear the lawsuit in spring.

In September the app Fennel swapped anybody's face into scenes of films. Its deepfake clips were everywhere until the
ministry summoned the makers of Fennel, who had to change the terms under the privacy law: users own their pictures.

From December on, shops in Port Senn are banned by the city council from using facial recognition on their customers. The
ordinance is the first of its kind, says councillor Ilse Brandt, who wrote it.

Old people in the hills say that they do not mind. Others walk to the next valley for their bread."""
FEATURE = "\n\n".join(
    " ".join(paragraph.split()) for paragraph in FEATURE_PARAGRAPHS.split("\n\n")
)
FEATURE += " Some take their dogs along, and come home late." * 20


def test_what_a_feature_looks_back_at_joins_the_report_of_then(
    harness: Harness,
) -> None:
    report = harness.submit(
        title="Face app Fennel under fire", text=APP, published="2026-09-03"
    )
    feature = harness.submit(
        title="The year of the cameras", text=FEATURE, published="2026-12-06"
    )
    harness.work()
    linker = linked(harness.log)
    mentions = harness.item(feature).classified
    assert mentions is not None
    outcome = {
        FEATURE[m.start : m.end]: linker.state.where(f"{feature}#{m.id}")
        for m in mentions.mentions
    }
    assert len(outcome) == len(set(outcome.values())) == 3
    assert [
        text for text, incident in outcome.items() if incident == home(linker, report)
    ] == [text for text in outcome if "Fennel" in text]


def test_an_item_without_label_belongs_to_no_incident(harness: Harness) -> None:
    item = harness.submit(title="Benches return to the river park", text=PLAIN)
    harness.work()
    linker = linked(harness.log)
    assert home(linker, item) is None
    assert harness.log.last() == 3


def test_refolding_decides_nothing_anew(harness: Harness, three: list[str]) -> None:
    first = linked(harness.log)
    last = harness.log.last()
    again = linked(harness.log)
    assert harness.log.last() == last
    assert again.state == first.state
    assert again.known.versions == first.known.versions


def test_two_linkers_started_by_mistake_open_nothing_twice(
    harness: Harness, three: list[str]
) -> None:
    one = Linker(harness.log)
    other = Linker(harness.log)
    one.catch_up()
    other.catch_up()  # both know the items, neither the other's answers
    one.settle_all()
    other.settle_all()
    one.catch_up()
    opened = [
        e.event.item for e in harness.log.read() if isinstance(e.event, IncidentOpened)
    ]
    assert len(opened) == len(set(opened)) == 2
    assert one.state == other.state
    placed = [k for i in one.state.active() for k in one.state.members(i.id)]
    assert sorted(placed) == sorted(f"{i}#m0" for i in three)


def test_a_withdrawn_item_leaves_and_an_empty_incident_is_closed_with_a_reason(
    harness: Harness, three: list[str]
) -> None:
    linker = linked(harness.log)
    lonely = home(linker, three[2])
    harness.log.append(three[2], ItemWithdrawn(who="admin"))
    linker = linked(harness.log)
    assert home(linker, three[2]) is None
    assert lonely is not None
    assert (linker.state.get(lonely).status, linker.state.get(lonely).auto_closed) == (
        "dismissed",
        True,
    )


def test_a_correction_reaches_the_incident(harness: Harness, three: list[str]) -> None:
    linker = linked(harness.log)
    incident = home(linker, three[0])
    for item in three[:2]:
        before = harness.item(item)
        harness.log.append(
            item, ItemCorrected(who="ann", labels=(), labels_before=before.labels)
        )
    linker = linked(harness.log)
    assert home(linker, three[0]) is None
    assert incident is not None
    assert linker.state.get(incident).status == "dismissed"


def test_a_mention_that_people_moved_out_is_not_put_back(
    harness: Harness, three: list[str]
) -> None:
    linker = linked(harness.log)
    away = home(linker, three[2])
    key = f"{three[1]}#m0"
    assert away is not None
    facts = decisions.move(linker.state, key, away, who="ann")
    harness.log.append_many([AppendRequest(events=facts)])
    harness.log.append(three[1], ItemReclassifyRequested(who="release"))
    work(harness.context, [three[1]])
    linker = linked(harness.log)
    assert home(linker, three[1]) == away


def test_a_person_who_was_faster_makes_the_linker_decide_again(
    harness: Harness, three: list[str]
) -> None:
    linker = linked(harness.log)
    incident = home(linker, three[0])
    assert incident is not None
    late = harness.submit(
        title="More on the Oakmere breach",
        text=OTHER_PAPER + " More of it.",
        published="2026-03-13",
    )
    harness.work()
    linker.catch_up()
    harness.log.append_many(
        [
            AppendRequest(
                events=decisions.rename(
                    linker.state, incident, "The Oakmere breach", "ann"
                )
            )
        ]
    )
    linker.settle_all()
    assert home(linker, late) == incident
    assert linker.state.get(incident).title == "The Oakmere breach"


def test_what_links_hold_no_word_of_the_page(
    harness: Harness, three: list[str]
) -> None:
    linked(harness.log)
    stored = " ".join(
        e.data for e in harness.log.read() if e.type.startswith("incident.")
    )
    assert "Oakmere" not in stored
    assert '"shared"' in stored


# -- reasons: which words made a link ----------------------------------------------------------------------------------

CHINESE_LEAK = """记者获悉,应用《云诊助手》的数据库未设密码,约四万名患者的姓名和就诊记录外泄,个人信息在论坛上被出售。
北川市网信办已约谈运营方奥斯特尔公司,要求限期整改并告知患者。"""
CHINESE_TALKS = """因《云诊助手》数据库未设密码,四万名患者就诊记录外泄,个人信息被出售,北川市网信办约谈了奥斯特尔公司。
奥斯特尔公司称已关闭服务器,将逐一告知患者,并配合网信办的调查。"""


def with_reasons(harness: Harness, key: bytes | None = None) -> Linker:
    """Return a linker as production has it, with the harness's key or another one."""
    if key is None:
        return settled(Linker.of(harness.settings))
    return settled(
        Linker(harness.log, shared_spans=SharedSpans(archive=harness.archive, key=key))
    )


def settled(linker: Linker) -> Linker:
    linker.catch_up()
    linker.settle_all()
    return linker


def why(log: EventLog, item: str) -> LinkReason:
    """Return what the link of an item's first mention gives as its reason."""
    links = [
        entry.event
        for entry in log.read()
        if isinstance(entry.event, IncidentItemLinked)
    ]
    return next(link.why for link in links if link.item == item)


def quoted(harness: Harness, item: str) -> list[str]:
    """Return the spans of an item's reason, as its kept text has them."""
    fetched = harness.item(item).fetched
    assert fetched is not None
    text = StoredDocument.from_bytes(
        harness.archive.get(item, fetched.document_digest)
    ).text
    return [text[start:end] for start, end in why(harness.log, item).spans]


def test_the_offsets_of_a_link_quote_what_both_papers_say_and_names_come_first(
    harness: Harness, three: list[str]
) -> None:
    with_reasons(harness)
    outcome = why(harness.log, three[1])
    assert outcome.nearest == f"{three[0]}#m0"
    assert 0 < len(outcome.spans) <= MAX_SPANS
    result = quoted(harness, three[1])
    assert result[0].startswith("Oakmere")
    assert "61,000 patients" in result
    assert all(
        all(word.lower() in (TITLE + FIRST_PAPER).lower() for word in span.split())
        for span in result
    )
    assert len(set(result)) == len(result)
    assert outcome.score is not None
    assert outcome.shared is not None
    for opened in (three[0], three[2]):
        reason = why(harness.log, opened)
        assert (reason.nearest, reason.spans) == (None, ())


def test_chinese_offsets_quote_whole_names(harness: Harness) -> None:
    first = harness.submit(
        title="云诊助手泄露四万患者资料", text=CHINESE_LEAK, published="2026-03-11"
    )
    harness.work()
    second = harness.submit(
        title="北川市网信办约谈奥斯特尔公司", text=CHINESE_TALKS, published="2026-03-12"
    )
    harness.work()
    linker = with_reasons(harness)
    assert home(linker, first) == home(linker, second) is not None
    result = quoted(harness, second)
    assert "云诊助手" in result
    assert any("北川市网信办" in span for span in result)
    assert any("奥斯特尔公司" in span for span in result)


def test_of_names_the_rare_one_comes_first() -> None:
    index = LinkIndex()
    common = "Harbourline"
    for number in range(20):
        index.add(
            f"n_{number}",
            f"i_{number}#m0",
            decode(fingerprint("", f"Talks on {common} number {number}")),
        )
    other = decode(fingerprint("", f"The firms {common} and Quillmere met inspectors"))
    text = f"Yesterday {common} spoke. Then inspectors met, and Quillmere did not."
    result = [
        text[start:end]
        for start, end in informative_spans(text, other, index.rarity(other), b"")
    ]
    assert result == ["Quillmere", common, "inspectors met"]


def test_the_nearest_mention_is_named_also_where_its_incident_was_merged() -> None:
    index = LinkIndex()
    report = decode(fingerprint("", OTHER_PAPER))
    index.add("n_one", "i_other#m0", decode(fingerprint("", ELSEWHERE)))
    index.add("n_two", "i_near#m0", decode(fingerprint("", FIRST_PAPER)))
    assert index.nearest(report, "n_one", ["i_other#m0"]) == "i_other#m0"
    index.merge("n_two", "n_one")
    assert index.nearest(report, "n_one", ["i_other#m0", "i_near#m0"]) == "i_near#m0"
    assert index.nearest(report, "n_two", ["i_near#m0"]) == "i_near#m0"
    assert (
        index.nearest(report, "n_one", ["i_other#m0"]) is None
    )  # the nearest one is not among those asked for
    assert index.nearest(report, "n_unknown", ["i_near#m0"]) is None


def test_of_a_round_up_only_the_mentions_own_stretch_is_quoted(
    harness: Harness, three: list[str]
) -> None:
    linked(harness.log)
    text = f"{ELSEWHERE}\n\n{OTHER_PAPER}"
    document = StoredDocument(title="The week", text=text)
    key = fingerprint_key(harness.settings, harness.connection)
    cut = len(ELSEWHERE) + 2
    refs = tuple(
        MentionRef(
            id=name,
            start=start,
            end=end,
            labels=("data_leak",),
            fingerprint=fingerprint(
                "",
                text[start:end],
                "2026-03-12",
                key=key,
            ),
        )
        for name, start, end in (("m0", 0, cut), ("m1", cut, len(text)))
    )
    digest = harness.archive.put("i_week", document.to_bytes())
    harness.log.append(
        "i_week",
        ItemFetched(
            document_digest=digest,
            text_digest=document.text_digest,
            words=9,
            final_url="https://a.example/",
        ),
        ItemClassified(
            text_digest=document.text_digest,
            model="test",
            scores={},
            labels=("data_leak",),
            evidence={},
            mentions=refs,
        ),
    )
    linker = with_reasons(harness)
    outcome = {
        link.mention: link.why
        for link in (entry.event for entry in harness.log.read())
        if isinstance(link, IncidentItemLinked) and link.item == "i_week"
    }
    assert linker.state.where("i_week#m1") == home(linker, three[0])
    assert outcome["m0"].nearest == f"{three[2]}#m0"
    assert outcome["m0"].spans
    assert all(end <= cut for _, end in outcome["m0"].spans)
    assert outcome["m1"].spans
    assert all(cut <= start < end <= len(text) for start, end in outcome["m1"].spans)


@pytest.mark.parametrize(
    "lost", ["deleted", "damaged", "revised", "other key", "no reasons"]
)
def test_a_text_that_cannot_be_read_has_no_spans_and_is_linked_all_the_same(
    harness: Harness, three: list[str], lost: str, caplog: pytest.LogCaptureFixture
) -> None:
    fetched = harness.item(three[1]).fetched
    assert fetched is not None
    stored = (
        Path(harness.archive.root)
        / three[1][2:4]
        / three[1]
        / f"{fetched.document_digest}.zst"
    )
    if lost == "deleted":
        harness.archive.delete(three[1])
    elif lost == "damaged":
        stored.write_bytes(b"no zstd at all")
    elif lost == "revised":  # after the text that was judged came another
        other = StoredDocument(title="Other", text=OTHER_PAPER + " Corrected since.")
        digest = harness.archive.put(three[1], other.to_bytes())
        harness.log.append(
            three[1],
            ItemFetched(
                document_digest=digest,
                text_digest=other.text_digest,
                words=9,
                final_url="https://a.example/",
            ),
        )
    if lost == "no reasons":
        linker = linked(harness.log)
    elif lost == "other key":
        linker = with_reasons(harness, b"wrong")
    else:
        linker = with_reasons(harness)
    assert home(linker, three[0]) == home(linker, three[1]) is not None
    outcome = why(harness.log, three[1])
    assert outcome.spans == ()
    # What was deleted is no fault.
    assert ("text unreadable" in caplog.text) == (lost == "damaged")
    assert outcome.nearest == f"{three[0]}#m0"


def test_an_item_that_is_withdrawn_leaves_offsets_and_no_word(
    harness: Harness, three: list[str]
) -> None:
    with_reasons(harness)
    harness.log.append(three[1], ItemWithdrawn(who="admin"))
    harness.archive.delete(three[1])
    with_reasons(harness)
    stored = " ".join(
        e.data for e in harness.log.read() if e.type.startswith("incident.")
    )
    assert '"spans":[[' in stored
    assert not any(word in stored for word in ("Oakmere", "patients", "61,000"))


def test_the_same_items_make_the_same_incidents_with_reasons_and_without(
    harness: Harness, three: list[str]
) -> None:
    plain = Linker(harness.log)
    outcome = with_reasons(harness)
    plain.catch_up()
    facts = [
        (e.subject, e.type)
        for e in harness.log.read()
        if e.type.startswith("incident.")
    ]
    assert plain.state == outcome.state
    for key in harness.connection.scan_iter("iw:*"):
        if key != b"iw:keys":
            harness.connection.delete(key)
    again = submit_three(harness)
    assert again == three
    linked(harness.log)
    assert [
        (e.subject, e.type)
        for e in harness.log.read()
        if e.type.startswith("incident.")
    ] == facts


def test_a_linker_starts_again_if_the_log_lost_what_it_had_folded(
    harness: Harness, three: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    linker = linked(harness.log)
    before = harness.log.last()
    cut(harness.log.connection, before - 1)
    harness.log.append("f_other", FeedRemoved(who="ann"))
    follow(linker, threading.Event())
    assert "linker starts again" in caplog.text
    again = linked(harness.log)
    assert again.state != linker.state
