"""The four labels, declared once, and the small shapes that events and services share.

`LABEL_TABLE` is the only place that lists the labels: the model file, the calibration,
the reviewing language model, colours and documentation all derive from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Label = Literal["data_leak", "consent", "deepfake", "regulation"]

Evidence = tuple[int, int]  # [start, end) in Unicode code points of the stored text


@dataclass(frozen=True, kw_only=True)
class LabelDefinition:
    """What a label means and how it is shown.

    `meaning` and `excludes` complete the sentences "The item reports …" and "This does
    not include …". `colour` is an ANSI colour name.
    """

    meaning: str
    excludes: str
    colour: str


LABEL_TABLE: Mapping[Label, LabelDefinition] = {
    "data_leak": LabelDefinition(
        meaning="personal data of people exposed, leaked, stolen, bought or sold, or seen"
        " by people with no right to it",
        excludes="leaked documents, products, films or source code; a vulnerability with"
        " no report of exposed data",
        colour="red",
    ),
    "consent": LabelDefinition(
        meaning="personal or biometric data, or a likeness, collected, scraped, shared,"
        " trained on or used without valid consent, permission or knowledge, if the text"
        " makes that an issue",
        excludes="copyright in artworks or books",
        colour="yellow",
    ),
    "deepfake": LabelDefinition(
        meaning="synthetic or face-swapped image, video or voice of people, including its"
        " detection, policy and harmless uses",
        excludes="generic AI art; chatbots",
        colour="magenta",
    ),
    "regulation": LabelDefinition(
        meaning="a law, bill, rule, standard, ban, fine, court case, formal complaint or"
        " official inquiry about personal data, biometrics, face recognition,"
        " surveillance or deepfakes",
        excludes="company policy; copyright suits; export bans",
        colour="cyan",
    ),
}
LABELS: tuple[Label, ...] = tuple(LABEL_TABLE)

# How to decide at the borders, for readers, curators and reviewing language models.
# docs/labels.md has an example on each side of every one.
BORDERS = (
    "Judge what the text states, not what it probably means.",
    "A law or case about personal data counts as regulation if the text says what it"
    " demands, did or decided; the bare name of a law or an agency does not.",
    "The arrest of people who stole or sold personal data is data_leak; it is regulation"
    " only if the charge is about personal data, biometrics, surveillance or deepfakes.",
    "Malware, scams and vulnerabilities are data_leak only if data of people was in fact"
    " taken or exposed, not if it could be; an open database is exposed.",
    "Files of a company are data_leak only if data of people is said to be among them.",
    "General worry about privacy is not consent; a practice without valid consent that"
    " someone objects to is.",
    "Collecting more than is needed, forced permissions or unclear terms are consent only"
    " if missing, forced or undisclosed agreement is said.",
    "Machine-made intimate images of a real person are deepfake, and consent if the missing"
    " agreement is said.",
    "A rule, suit or fine about missing consent is both regulation and consent; one that"
    " only orders security, storage or notice is regulation alone.",
    "Secret watching, recording or tracking that someone objects to is consent.",
    "Synthetic voices and faces of nobody are deepfake only if they stand in for a person,"
    " deceive or are discussed as deepfakes.",
    "What a company bans, changes or promises is not regulation.",
    "Cyber-security law without personal data is not regulation, and neither is law on"
    " copyright, competition, export or content that is not about the subjects above.",
    "A law, rule or official plan for AI as a whole is regulation, in doubt: it covers data,"
    " faces and voices of people among other things.",
    "That leaks, deepfakes or abuses happen often, a word in a list or the aim of a policy"
    " is no ground; an event, a practice or a rule is, however short.",
    "Fiction, satire and opinion are judged by what they talk about.",
    "A digest of several stories has the labels of all of them.",
)


def plain_name(label: str) -> str:
    """Return the name of a label in plain English."""
    return label.replace("_", " ")


Certainty = Literal["likely", "possible", "unsure"]


def certainty(
    label: str, labels: Collection[str], review: Collection[str]
) -> Certainty | None:
    """Return how sure the model is of a label, in a word; None if it is not given.

    `labels` are those given, `review` those that it asks people about.
    """
    if label in labels:
        return "possible" if label in review else "likely"
    return "unsure" if label in review else None


class MentionId(NamedTuple):
    """One mention of one item. Its text form, `<item>#<mention>`, is what events store."""

    item: str
    mention: str

    @classmethod
    def parse(cls, text: str) -> MentionId:
        """Read the text form. Raises ValueError for text without `#`."""
        item, separator, mention = text.rpartition("#")
        if not separator:
            raise ValueError(f"not a mention id: {text!r}. Use <item>#<mention>.")
        return cls(item, mention)

    def __str__(self) -> str:
        return f"{self.item}#{self.mention}"


@dataclass(frozen=True, kw_only=True)
class MentionRef:
    """The passage `[start, end)` of an item that reports one incident.

    `id` is unique within the item and survives reclassification. `fingerprint` is keyed
    ASCII of at most 600 bytes, empty for a mention without labels.
    """

    id: str
    start: int
    end: int
    labels: tuple[Label, ...] = ()
    fingerprint: str = dataclasses.field(default="", repr=False)
