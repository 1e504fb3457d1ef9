"""How many documents a second does one core classify, how soon is the model there, what memory does it hold?

Limits (issue 3): 300 documents/s at 3,000 characters, load under 1 s, a worker under 250 MB. The texts are rows of the
project's own corpus put end to end, so about as many carry a label as on no real wire: the figure is on the slow side.
"""

from __future__ import annotations

import resource
import time

CHARS = 3_000
DOCUMENTS = 300
ROUNDS = 3


def documents(language: str) -> list[str]:
    from services.classifier.training.corpus import corpus_files, read_rows

    rows = [
        f"{row.title}. {row.text}"
        for row in read_rows(corpus_files())
        if row.lang == language
    ]
    joined = "\n".join(rows)
    return [
        joined[start : start + CHARS] for start in range(0, len(joined) - CHARS, CHARS)
    ][:DOCUMENTS]


def memory_mb() -> float:
    """Largest resident size so far; ru_maxrss is in KiB on Linux."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    began = time.perf_counter()
    from services.classifier.labelling.classifier import Classifier

    classifier = Classifier.load()
    seconds = time.perf_counter() - began
    print(
        f"import and load {seconds:.2f} s (limit 1 s), memory {memory_mb():.0f} MB (limit 250 MB)"
    )
    for language in ("en", "zh"):
        texts = documents(language)
        best, labelled = 0.0, 0
        for _ in range(ROUNDS):
            began = time.process_time()
            labelled = sum(bool(classifier.classify("", text).labels) for text in texts)
            best = max(best, len(texts) / (time.process_time() - began))
        print(
            f"{language} {best:.0f} documents/s at {CHARS} characters (limit 300),"
            f" {labelled / len(texts):.0%} labelled, with fingerprints"
        )
    huge = "The council met on Monday. " * 200_000
    began = time.process_time()
    classifier.classify("", huge)
    print(
        f"{len(huge) / 1e6:.1f} MB of text in {time.process_time() - began:.2f} s, memory {memory_mb():.0f} MB"
    )


if __name__ == "__main__":
    main()
