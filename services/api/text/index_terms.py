"""What is indexed of a text, and what a query asks of the index. Pure.

SQLite's unicode61 tokenizer takes a run of Chinese for one word, and its trigram
tokenizer finds no word of two characters, which most Chinese words are. So runs of
ideographs and kana are indexed as overlapping pairs: 人脸识别 becomes 人脸 脸识 识别 别, and
a search for a run is a search for the phrase of its pairs. Stems are a column of their
own, so that phrases and prefixes still see the words as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from incidentwire.stem import stem
from services.api.text.compounds import NEAR, RUN, divisions, is_near
from services.api.text.folding import fold_characters

ENGLISH = re.compile(r"[a-z]{3,}")
COLUMNS = "{title text}"


def indexed(text: str) -> str:
    """Return the tokens of a text, separated by spaces."""
    return " ".join(index_tokens(text))


def index_tokens(text: str) -> list[str]:
    """Return the tokens of a text: words folded, runs of ideographs as pairs.

    The last character of a run is a token too, so that it can be found by itself.
    """
    folded = fold_characters(text)
    if not folded.isascii():
        folded = RUN.sub(lambda run: f" {' '.join(_pairs(run[0]))} ", folded)
    return folded.split()


def stems(words: Iterable[str]) -> str:
    """Return the stems of English words that differ from the words, each once."""
    english = {w for w in set(words) if len(w) > 2 and w.isascii() and w.isalpha()}
    return " ".join(sorted(set(map(stem, english)) - english))


def expression(
    text: str, *, is_prefix: bool = False, is_quoted: bool = False
) -> str | None:
    """Return the FTS5 expression of a word or phrase; None if it has no token.

    A single English word also matches its other forms, a Chinese compound its parts near
    each other, unless it is quoted. What a user types never reaches FTS5 as syntax:
    tokens are letters and digits, in quotes.
    """
    tokens = query_tokens(text)
    if not tokens:
        return None
    phrase = _quoted(tokens)
    if is_prefix or is_open(tokens):
        return f"{COLUMNS} : {phrase} *"
    if len(tokens) == 1 and ENGLISH.fullmatch(tokens[0]):
        root = stem(tokens[0])
        return f'({COLUMNS} : ({phrase} OR "{root}") OR stems : "{root}")'
    near = [] if is_quoted else _parts(text)
    divided = [f"NEAR({_quoted(a)} {_quoted(b)}, {NEAR})" for a, b in near]
    if not divided:
        return f"{COLUMNS} : {phrase}"
    return f"{COLUMNS} : ({' OR '.join([phrase, *divided])})"


def is_divided_in(text: str, field: str) -> bool:
    """Return whether a title or text, as `indexed` returns it, has a word in two parts.

    The same answer as `expression` gives in the index, but for the undivided phrase.
    """
    near = _parts(text)
    if not near:
        return False
    tokens = field.split()
    return any(is_near(first, second, tokens) for first, second in near)


def _parts(text: str) -> list[tuple[list[str], list[str]]]:
    """Return the tokens of the parts of a compound, for each way to divide it."""
    return [(query_tokens(a), query_tokens(b)) for a, b in divisions(text)]


def _quoted(tokens: list[str]) -> str:
    return '"' + " ".join(tokens) + '"'


def query_tokens(text: str) -> list[str]:
    """Return the tokens that a query for this text looks for, in sequence."""
    tokens = index_tokens(text)
    if len(tokens) > 1 and is_open(tokens) and _is_pair_ending(*tokens[-2:]):
        tokens.pop()  # the run may continue in the text
    return tokens


def is_open(tokens: list[str]) -> bool:
    """Return whether the last token is a single ideograph, which begins a pair."""
    return len(tokens[-1]) == 1 and RUN.fullmatch(tokens[-1]) is not None


def _is_pair_ending(pair: str, last: str) -> bool:
    return RUN.fullmatch(pair) is not None and pair.endswith(last)


def _pairs(run: str) -> list[str]:
    return [*(run[i : i + 2] for i in range(len(run) - 1)), run[-1]]
