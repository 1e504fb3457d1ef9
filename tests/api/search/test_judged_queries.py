"""The judged queries of the benchmark are complete and name reports that exist."""

from __future__ import annotations

from benchmarks.bench_search_quality import judged_queries, reports


def test_the_judged_queries_are_complete() -> None:
    queries = judged_queries()
    chinese = [judged for judged in queries if judged.lang == "zh"]
    assert len({judged.query for judged in queries}) == len(queries) == 60
    assert len(chinese) == 30
    assert sum(judged.is_pair for judged in queries) == 10


def test_every_judgement_names_reports_that_exist() -> None:
    known = {report["id"] for report in reports()}
    assert len(known) == len(reports())
    for judged in judged_queries():
        assert 1 <= len(judged.relevant) <= 15, judged.query
        assert judged.relevant <= known, judged.query
