"""Whether a report tells how an earlier incident ended: a fine, settlement or trial."""

from __future__ import annotations

import re

LEAD_CHARS = 300  # of the text: news says first what happened
_OUTCOME = re.compile(
    r"\b(?:fine[sd]?|penalt(?:y|ies)|settle(?:s|d|ments?)?|court|judges?|verdict"
    r"|sentenced?|convicted|guilty|trial|rul(?:es|ed|ing)|lawsuits?|sue[sd]?"
    r"|prosecutors|damages|ordered|orders|must pay|to pay|class action)\b"
    r"|罚款|处罚|被罚|判决|判令|判处|宣判"
    r"|判赔|被判|法院|开庭|和解|终审|一审"
    r"|责令|起诉|赔偿|获刑|公诉",
    re.IGNORECASE,
)


def reports_outcome(title: str, text: str) -> bool:
    """Return whether the title or the first sentences name a legal outcome."""
    return bool(_OUTCOME.search(f"{title}\n{text[:LEAD_CHARS]}"))
