"""Names in a passage, by English capitals and Chinese marks.

Not exact, but enough to tell one incident from another.
"""

from __future__ import annotations

import re

# The capital stands first and looks behind itself: a search for a class is fast.
_CAPITALISED = re.compile(
    r"[A-Z](?<![.!?。\n\"“‘'(] .)(?<!^.)(?<!\w.)[\w'’&-]*(?:\s+(?:of\s+|the\s+)?[A-Z][\w'’&-]*){0,3}"
)
_OPENING = re.compile(
    r"(?:^|[.!?。\"“‘(]\s*+|\n[^\S\n]*+)([A-Z][\w&-]+(?:\s+[A-Z][\w&-]+)+)"
)
_LATIN = re.compile(r"[A-Z][A-Za-z0-9&-]{2,}")
_QUOTED = re.compile("[《“「]([^》”」\n]{2,12})[》”」]")
_HAN_BODY = re.compile(
    "[\u4e00-\u9fff]{2,6}(?:公司|集团|银行|法院|大学|医院|网信办|平台|科技|酒店|动物园|小区|物业|超市|学校|中学|小学|大厦|景区)"
)
_HAN = re.compile("[\u4e00-\u9fff]")
# Too common to distinguish two incidents: countries, offices, the subject itself.
COMMON = frozenset(
    "ai fr us u.s uk eu usa un europe european america american americans china chinese british britain german germany"
    " french france russia russian india indian japan japanese monday tuesday wednesday thursday friday saturday sunday"
    " january february march april may june july august september october november december gdpr ceo court parliament"
    " congress senate commission ministry government internet twitter facebook google youtube mr mrs ms dr president"
    " minister the this it last in at on one week app deepfake deepfakes"
    " 人工智能 公司 科技公司 互联网公司 相关公司".split()
)


def names(passage: str) -> frozenset[str]:
    """Lower-case names of organisations, products, people and places; titles of works and quoted words in Chinese."""
    found = {*_CAPITALISED.findall(passage), *_OPENING.findall(passage)}
    if _HAN.search(passage):
        found |= {
            *_QUOTED.findall(passage),
            *_HAN_BODY.findall(passage),
            *_LATIN.findall(passage),
        }
    plain = {_plain(name) for name in found}
    return frozenset(name for name in plain if len(name) > 1 and name not in COMMON)


def _plain(name: str) -> str:
    name = re.sub(r"['’]s?\b", "", name).strip(" -&").lower()
    return name.removeprefix("the ")
