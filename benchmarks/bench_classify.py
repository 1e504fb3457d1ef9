"""How many documents a second does one core classify, how soon is the model there, what memory does it hold?

Limits: 300 texts/s in English and 200 in Chinese at the lengths of real news, load below 2 s, a worker below 350 MB.
The texts are rows of the project's own corpus put end to end, one text in four of rows with labels: 25 % of 300 real
English texts got one, and those take longer, for their evidence and links. Texts of 3,000 characters of any rows are
measured too, as before lengths were counted; half of them and more get a label.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.classifier.labelling.classifier import Classifier
    from services.classifier.training.corpus import CorpusRow

CHARS = 3_000
DOCUMENTS = 300
LABELLED = 4
ROUNDS = 3
# Characters: the 5th, 15th … 95th percentile of 2,565 English and 2,900 Chinese texts of
# trade press, technology and general news, 2020 to 2026.
LENGTHS = {
    "en": (590, 730, 890, 1_530, 2_250, 2_630, 3_040, 3_770, 4_490, 5_840),
    "zh": (220, 300, 450, 690, 900, 1_100, 1_350, 1_740, 2_550, 4_330),
}
LIMITS = {"en": 300, "zh": 200}  # documents/s


def documents(language: str, lengths: Sequence[int] = (CHARS,)) -> list[str]:
    """Return texts of any rows of the corpus, of these lengths in turn."""
    return pieces(rows(language), lengths, DOCUMENTS)


def news(language: str) -> list[str]:
    """Return texts of the lengths of real news, one in LABELLED of rows with labels."""
    labelled = rows(language, lambda row: bool(row.labels))
    others = rows(language, lambda row: not row.labels)
    lengths = LENGTHS[language]
    found = pieces(others, lengths, DOCUMENTS - DOCUMENTS // LABELLED)
    return found + pieces(labelled, lengths, len(found) // (LABELLED - 1))


def rows(language: str, wanted: Callable[[CorpusRow], bool] = lambda row: True) -> str:
    """Return the wanted rows of the corpus, end to end."""
    from services.classifier.training.corpus import corpus_files, read_rows

    return "\n".join(
        f"{row.title}. {row.text}"
        for row in read_rows(corpus_files())
        if row.lang == language and wanted(row)
    )


def pieces(text: str, lengths: Sequence[int], most: int) -> list[str]:
    """Cut a text into at most so many pieces of these lengths in turn."""
    found: list[str] = []
    begin = 0
    for length in cycle(lengths):
        if begin + length >= len(text) or len(found) == most:
            return found
        found.append(text[begin : begin + length])
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
    for language in LENGTHS:
        rate, share = measure(classifier, news(language))
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
