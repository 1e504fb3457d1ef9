"""Two parts of a compound are near each other exactly where SQLite's index says so."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing

from services.api.text.compounds import LONGEST, NEAR, divisions, is_near


def test_a_compound_is_divided_where_two_characters_are_left_on_both_sides() -> None:
    assert divisions("人脸识别") == [("人脸", "识别")]
    assert divisions("摄像头偷拍") == [("摄像", "头偷拍"), ("摄像头", "偷拍")]
    assert divisions("區塊鏈") == []
    assert divisions("DDoS攻击") == [("ddos", "攻击")]
    assert divisions("face-swap") == []
    assert divisions("泄" * (LONGEST + 1)) == []


def test_near_means_the_same_to_the_index_and_to_the_evaluator() -> None:
    chance = random.Random(1)
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE t USING fts5 (x, content = '')")
        texts = [
            chance.choices("abcdefghij", k=chance.randint(2, 60)) for _ in range(200)
        ]
        for n, text in enumerate(texts):
            db.execute("INSERT INTO t (rowid, x) VALUES (?, ?)", (n, " ".join(text)))
        for first, second in (["a"], ["b"]), (["a", "b"], ["c"]), (["a"], ["b", "c"]):
            asked = f'NEAR("{" ".join(first)}" "{" ".join(second)}", {NEAR})'
            found = {
                n
                for (n,) in db.execute("SELECT rowid FROM t WHERE t MATCH ?", (asked,))
            }
            assert found == {
                n for n, text in enumerate(texts) if is_near(first, second, text)
            }
            assert found
