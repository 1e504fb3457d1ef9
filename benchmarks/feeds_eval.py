"""Do we read feeds as they mean to be read? Run the feed reader over a folder (or .tar.gz) of feeds with a manifest.

    python benchmarks/feeds_eval.py FEEDS

Each line of manifest.jsonl has `path`, `group` and `expect`: an expression over feedparser's names (feed, entries,
bozo …) that holds for a right reading. Two things are counted. *Expressions*: does the manifest's expression hold for
the parse that our reader takes its entries from? *Entries*: is each address, title, id and date that an expression
names what `read` gives for that entry? A feed "crashes" when `read` raises; the limit for that is 0, and every
well-formed RSS or Atom case should hold. Exit code 1 when either limit is missed. The expressions are evaluated as
Python: run this on a manifest that you trust.
"""

from __future__ import annotations

import ast
import collections
import datetime
import json
import re
import sys
import tarfile
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import feedparser

from services.ingest.feeds import parser
from services.ingest.feeds.model import ParsedFeed, plain_title, published_date

SERVED_AT = (
    "http://127.0.0.1:8097/"  # where the expressions suppose that the feed was fetched
)
# What a newswire has no use for, and the reader leaves as feedparser has it.
NOT_READ = ("itunes_explicit",)
FIELDS = {"title": "title", "link": "url", "id": "id", "guid": "id"}
Case = dict[str, str]


def main() -> None:
    warnings.simplefilter("ignore")  # feedparser warns of its own names
    source = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        if source.is_file():
            with tarfile.open(source) as packed:
                packed.extractall(folder, filter="data")
            source = Path(folder)
        manifest = next(source.rglob("manifest.jsonl"))
        cases = [json.loads(line) for line in manifest.read_text().splitlines()]
        raise SystemExit(report(manifest.parent, cases))


def report(folder: Path, cases: list[Case]) -> int:
    """Print the figures; 1 where a limit is missed."""
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    missed: list[str] = []
    began = time.process_time()
    for case in cases:
        for what, ok in judge(case, (folder / case["path"]).read_bytes()):
            counts[case["group"], f"{what} {'ok' if ok else 'NO'}"] += 1
            if not ok:
                missed.append(f"  {what:22} {case['path']}: {case['expect'][:110]}")
    took = time.process_time() - began
    for (group, what), count in sorted(counts.items()):
        print(f"{group:12} {what:28} {count:5}")
    print(*missed, sep="\n")
    wrong = sum(
        n
        for (group, what), n in counts.items()
        if group == "wellformed" and what.endswith("NO")
    )
    crashed = sum(
        n for (_, what), n in counts.items() if what == "read without crash NO"
    )
    print(
        f"{len(cases)} feeds in {took:.1f} s: {wrong} well-formed misread (limit 0), {crashed} crashed (limit 0)"
    )
    return 1 if wrong or crashed else 0


def judge(case: Case, body: bytes) -> list[tuple[str, bool]]:
    """Return what holds of one case: (what, whether)."""
    headers = {
        name.lower(): value.strip()
        for name, value in re.findall(
            r"^Header:[ \t]*([\w-]+):(.*)$", body.decode("latin-1"), re.MULTILINE
        )
    }
    served = bool(headers) or SERVED_AT in case["expect"]
    url = urljoin(SERVED_AT, case["path"]) if served else ""
    # The manifest is older than RFC 7231, which ended Content-Location as a base: our
    # reader ignores it. It is given as the address where an expression supposes it.
    location = urljoin(url, headers.get("content-location", ""))
    if location.startswith("http"):
        url = location
    try:
        reading = parser.read(body, url=url, headers=headers)
    except Exception:  # a crash is what is counted here
        return [("read without crash", False)]
    facts = [("read without crash", True)]
    if "bozo" in case["expect"] and "not bozo" not in case["expect"]:
        return [*facts, ("problem reported", bool(reading.problem))]
    if reading.kind == "json" or case["path"].endswith(".json"):
        return [
            *facts,
            (
                "json read",
                reading.kind == "json"
                and len(reading.entries) == 2
                and not reading.problem,
            ),
        ]
    result = parser.parse_xml(body, url, headers)
    if case["group"] == "wellformed":
        facts.append(("taken for a feed", not reading.reason))
    ok = holds(case["expect"], result, headers)
    foreign = not ok and any(name in case["expect"] for name in NOT_READ)
    facts.append(("not read: podcasts", True) if foreign else ("expression holds", ok))
    named = named_fields(case["expect"])
    if named:
        facts.append(
            ("entries as named", all(agrees(reading, result, *name) for name in named))
        )
    return facts


def holds(expect: str, result: Any, headers: dict[str, str]) -> bool:
    about = {"etag": headers.get("etag"), "modified": headers.get("last-modified")}
    about["modified_parsed"] = about["modified"]
    names: dict[str, Any] = {name: value for name, value in about.items() if value}
    names |= dict(result)
    names |= {"headers": headers, "feedparser": feedparser, "datetime": datetime}
    try:
        return bool(eval(expect or "True", names))
    except Exception:  # an expression that names what is not there does not hold
        return False


def named_fields(expect: str) -> list[tuple[int, str, str]]:
    """Return the `entries[N]['field'] == 'value'` of an expression, for the fields that we read."""
    found = []
    for node in ast.walk(ast.parse(expect or "True", mode="eval")):
        if isinstance(node, ast.Compare) and isinstance(
            node.comparators[-1], ast.Constant
        ):
            value = node.comparators[-1].value
            for side in (node.left, *node.comparators[:-1]):
                match = re.fullmatch(
                    r"entries\[(\d+)\](?:\['(\w+)'\]|\.(\w+))", ast.unparse(side)
                )
                field = match and (match[2] or match[3])
                dated = field in ("published", "updated")
                if (
                    match
                    and isinstance(value, str)
                    and (field in FIELDS or dated)
                    and set(map(type, node.ops)) == {ast.Eq}
                ):
                    found.append((int(match[1]), str(field), value))
    return found


def agrees(
    reading: ParsedFeed, result: Any, index: int, field: str, value: str
) -> bool:
    """Tell whether our entry has what the manifest names: plain titles, web links only."""
    entry = reading.entries[index]
    if field == "title":
        return entry.title in (plain_title(value, markup=True), plain_title(value))
    if field == "link":
        return entry.url == value or (
            entry.url is None and not value.lower().startswith(("http:", "https:"))
        )
    if field in ("published", "updated"):
        parsed = dict.get(result["entries"][index], f"{field}_parsed")
        expected = (
            published_date(f"{datetime.datetime(*parsed[:6]).isoformat()}Z")
            if parsed
            else None
        )
        return expected is None or bool(getattr(entry, field) == expected)
    return bool(getattr(entry, FIELDS[field]) == " ".join(value.split()))


if __name__ == "__main__":
    main()
