"""How many documents a second does one core classify, how soon is the model there, what memory does it hold?

Limits: 300 texts/s in English and 200 in Chinese at the lengths of real news, load below 2 s, a worker below 350 MB.
The texts are rows of the project's own corpus put end to end, so about twice as many carry a label as of real news: the
figures are on the slow side. Texts of 3,000 characters are measured too, as before lengths were counted.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.classifier.labelling.classifier import Classifier

CHARS = 3_000
DOCUMENTS = 300
ROUNDS = 3
# Characters: the 5th, 15th … 95th percentile of 2,565 English and 2,900 Chinese texts of
# trade press, technology and general news, 2020 to 2026.
LENGTHS = {
    "en": (590, 730, 890, 1_530, 2_250, 2_630, 3_040, 3_770, 4_490, 5_840),
    "zh": (220, 300, 450, 690, 900, 1_100, 1_350, 1_740, 2_550, 4_330),
}
LIMITS = {"en": 300, "zh": 200}  # documents/s


def documents(language: str, lengths: Sequence[int] = (CHARS,)) -> list[str]:
    """Return texts of these lengths in turn, at most DOCUMENTS."""
    from services.classifier.training.corpus import corpus_files, read_rows

    rows = [
        f"{row.title}. {row.text}"
        for row in read_rows(corpus_files())
        if row.lang == language
    ]
    joined = "\n".join(rows)
    found = []
    begin = 0
    for length in cycle(lengths):
        if begin + length >= len(joined) or len(found) == DOCUMENTS:
            return found
        found.append(joined[begin : begin + length])
        begin += length
    return found


def measure(classifier: Classifier, texts: list[str]) -> tuple[float, float]:
    """Return documents/s of one core, the best of ROUNDS, and the share with a label."""
    best = 0.0
    labelled = 0
    for _ in range(ROUNDS):
        began = time.process_time()
        labelled = sum(bool(classifier.classify("", text).labels) for text in texts)
        best = max(best, len(texts) / (time.process_time() - began))
    return best, labelled / len(texts)


def memory_mb() -> float:
    """Largest resident size so far; ru_maxrss is in KiB on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    began = time.perf_counter()
    from services.classifier.labelling.classifier import Classifier

    classifier = Classifier.load()
    seconds = time.perf_counter() - began
    print(
        f"import and load {seconds:.2f} s (limit 2 s), memory {memory_mb():.0f} MB (limit 350 MB)"
    )
    for language, lengths in LENGTHS.items():
        rate, share = measure(classifier, documents(language, lengths))
        print(
            f"{language} {rate:.0f} documents/s at the lengths of real news (limit {LIMITS[language]}),"
            f" {share:.0%} labelled, with fingerprints"
        )
        rate, share = measure(classifier, documents(language))
        print(
            f"{language} {rate:.0f} documents/s at {CHARS} characters, {share:.0%} labelled, with fingerprints"
        )
    huge = "The council met on Monday. " * 200_000
    began = time.process_time()
    classifier.classify("", huge)
    print(
        f"{len(huge) / 1e6:.1f} MB of text in {time.process_time() - began:.2f} s, memory {memory_mb():.0f} MB"
    )


if __name__ == "__main__":
    main()
