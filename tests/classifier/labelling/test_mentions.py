"""How many incidents one item reports, and where."""

from __future__ import annotations

import pytest

from services.classifier.labelling.classifier import (
    LIST_ITEM_SCORE,
    Classification,
    Classifier,
)
from services.classifier.labelling.passages import passages
from services.classifier.linking.fingerprints import decode

ROUND_UP = """This week in brief
1. The dating service Ambrel has confirmed a data breach: hackers stole the email addresses and passwords of 340,000 users.
2. Stradlund Cycles opens a factory in Porto and hires forty people to build folding bicycles.
3. The data protection authority of Norvania fined the gym chain Kettlehaus 1.2 million euros for scanning members' faces without consent.
4. A deepfake video of the ski champion Ilka Brandvold promoting a betting site has been watched two million times.
"""

ONE_STORY = (
    """Ambrel, a dating service, said on Monday that hackers had stolen personal data of 340,000 users.

The stolen data include email addresses, passwords and private messages, Ambrel said. The company found the breach after a tip.

Users of Ambrel reacted with anger. "I want to know who has read my messages," one of them told the Calder Post.

Ambrel has reported the leak of personal information to the data protection authority, and is writing to the users affected.
"""
    + "The service was founded in 2011 and has offices in three towns. " * 20
)

PARAGRAPHS = (
    """The data breach at the library service Bookhive exposed the names and passwords of 52,000 readers, the operator Tarn Media said. """
    + ("Readers have to choose new passwords. " * 12)
    + """

In another case the hospital group Sankt Veit leaked patient records of 9,000 people through an unsecured database run by Orrin Labs. """
    + ("The group has switched the machine off. " * 12)
    + """

Hackers also stole credit card numbers and home addresses of 71,000 customers from the shoe shop Pellworth, police in Graz said. """
    + ("The shop is closed for now. " * 12)
)
FAKE_PARAGRAPH = """
The singer Tibor Halasz found his face swapped into an advertisement for a lottery. The deepfake had been made from his
concerts, and was shown for a week.
"""


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(
        fingerprinter=lambda title, text, published, key, part: f"{len(text)}"
    )


def result(text: str, answer: Classification) -> list[tuple[tuple[str, ...], str]]:
    return [
        (mention.labels, text[mention.start : mention.end])
        for mention in answer.mentions
    ]


def test_a_round_up_has_a_mention_for_each_labelled_item(
    classifier: Classifier,
) -> None:
    answer = classifier.classify("", ROUND_UP)
    found = result(ROUND_UP, answer)
    assert [mention.id for mention in answer.mentions] == ["m0", "m1", "m2"]
    assert [
        "Ambrel" in found[0][1],
        "Kettlehaus" in found[1][1],
        "Brandvold" in found[2][1],
    ] == [True] * 3
    assert not any("Stradlund" in stretch for _, stretch in found)
    assert "data_leak" in found[0][0]
    assert {"consent", "regulation"} & set(found[1][0])
    assert "deepfake" in found[2][0]
    assert {label for labels, _ in found for label in labels} <= set(answer.labels)


def test_an_article_on_one_happening_has_one_mention(classifier: Classifier) -> None:
    answer = classifier.classify("Hackers steal data of Ambrel users", ONE_STORY)
    assert [(m.id, m.start, m.end, m.labels) for m in answer.mentions] == [
        ("m0", 0, len(ONE_STORY), answer.labels)
    ]


def test_paragraphs_on_different_victims_are_different_mentions(
    classifier: Classifier,
) -> None:
    found = result(PARAGRAPHS, classifier.classify("A bad month", PARAGRAPHS))
    assert len(found) == 3
    assert [
        "Bookhive" in found[0][1],
        "Sankt Veit" in found[1][1],
        "Pellworth" in found[2][1],
    ] == [True] * 3


def test_a_paragraph_of_a_round_up_may_carry_a_label_that_the_text_as_a_whole_does_not(
    classifier: Classifier,
) -> None:
    text = PARAGRAPHS + FAKE_PARAGRAPH
    assert classifier.classify("", text).scores["deepfake"] < LIST_ITEM_SCORE
    answer = classifier.classify("A bad month", text)
    assert [
        labels for labels, stretch in result(text, answer) if "Tibor" in stretch
    ] == [("deepfake",)]
    assert "deepfake" in answer.labels
    in_passing = FAKE_PARAGRAPH.split("The deepfake")[0]  # one sentence is not enough
    assert (
        "deepfake"
        not in classifier.classify("A bad month", PARAGRAPHS + in_passing).labels
    )


def test_a_text_without_labels_has_no_mention(classifier: Classifier) -> None:
    assert (
        classifier.classify(
            "Bread is dearer",
            "Flour prices rose by a tenth in March. Bakers blame the drought.",
        ).mentions
        == ()
    )


def test_the_fingerprint_is_of_the_mention_and_not_of_the_text(
    classifier: Classifier,
) -> None:
    answer = classifier.classify("", ROUND_UP)
    assert [mention.fingerprint for mention in answer.mentions] == [
        str(m.end - m.start) for m in answer.mentions
    ]


@pytest.mark.parametrize(
    "foot",
    [
        "© Calder Post Ltd. All rights reserved.",
        "Leave a Reply",
        "Articles You May Like",
        "版权所有 卡尔德报社",
    ],
)
def test_what_the_page_goes_on_with_is_no_part_of_the_mention(
    classifier: Classifier, foot: str
) -> None:
    title = "Hackers steal data of Ambrel users"
    answer = classifier.classify(
        title,
        f"{ONE_STORY.rstrip()}\n\n{foot}\n\nThe Calder Post is owned by Tarn Media.\n",
    )
    assert answer.mentions == classifier.classify(title, ONE_STORY.rstrip()).mentions


def test_published_and_key_reach_the_fingerprint() -> None:
    classifier = Classifier.load(
        fingerprinter=lambda title, text, published, key, part: f"{published} {key!r}"
    )
    answer = classifier.classify(
        "Hackers steal data of Ambrel users",
        ONE_STORY,
        published="2031-02-03",
        key=b"k",
    )
    assert answer.mentions[0].fingerprint == "2031-02-03 b'k'"


def test_the_fingerprint_says_whether_the_mention_is_a_part_of_a_longer_text() -> None:
    classifier = Classifier.load()
    for text, part in ((ONE_STORY, False), (ROUND_UP, True), (PARAGRAPHS, True)):
        found = classifier.classify("", text).mentions
        assert [decode(mention.fingerprint).part for mention in found] == [part] * len(
            found
        )
        assert found


def test_a_heading_goes_with_the_paragraph_after_it() -> None:
    text = "What was taken\nNames and addresses, the firm says.\n\nWho did it\nNobody knows."
    assert [(one.heading, text[slice(*one.span)]) for one in passages(text)] == [
        ("What was taken", "What was taken\nNames and addresses, the firm says."),
        ("Who did it", "Who did it\nNobody knows."),
    ]


def test_chinese_numbered_items_are_passages() -> None:
    text = (
        "本周要闻\n一、某平台泄露用户信息。\n二、新电影上映。\n三、法院判决一起换脸案。"
    )
    assert [one.item for one in passages(text)] == [False, True, True, True]
