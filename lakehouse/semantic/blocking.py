"""Which records are worth comparing. A rule makes a key of a record; records with equal keys are candidates.

Pairs are made inside blocks only, and a block over `MAX_BLOCK` makes none: there are at most MAX_BLOCK / 2 pairs per
record and rule, so the work grows with the records and not with their square.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations
from typing import NamedTuple

from lakehouse.semantic.normalize import GMAIL_DOMAINS, is_generic_email
from lakehouse.semantic.records import Key, Record

MAX_BLOCK = 40
"""Records. A mailbox or a name+postcode that more records share tells nothing about a single person."""

COMMON_DOMAINS = GMAIL_DOMAINS.union(
    {"yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "live.com", "aol.com", "gmx.de", "gmx.net", "web.de"},
    {"mail.com", "proton.me", "protonmail.com", "example.com", "example.org", "example.net"},
)


class BlockingRow(NamedTuple):
    """A row of semantic.blocking_index."""

    blocking_key: str
    blocking_type: str
    source: str
    source_id: str
    created_at: datetime | None


def _join(*parts: str | None) -> str | None:
    return None if any(not part for part in parts) else "|".join(str(part) for part in parts)


def _mail(record: Record) -> tuple[str, str] | None:
    if record.email_n is None or is_generic_email(record.email_n):
        return None
    local, _, domain = record.email_n.partition("@")
    return local, domain


def _email_local(record: Record) -> str | None:
    mail = _mail(record)
    letters = "".join(c for c in mail[0] if c.isalnum()) if mail else ""
    return letters if len(letters) >= 5 else None


def _initial_family(record: Record) -> str | None:
    return _join(record.given_key[:1] if record.given_key else None, record.family_n)


def _name_prefix_domain(record: Record) -> str | None:
    """At a company's own domain, colleagues are few: three letters of the family name find a person again."""
    mail = _mail(record)
    if mail is None or mail[1] in COMMON_DOMAINS:
        return None
    return _join(record.family_n[:3] if record.family_n else None, mail[1])


RULES: dict[str, Callable[[Record], str | None]] = {
    "email_exact": lambda r: r.email_n,
    "phone_exact": lambda r: r.phone_n,
    "email_local": _email_local,
    "name_postcode": lambda r: _join(r.family_n[:4] if r.family_n else None, r.zip_n),
    "name_city": lambda r: _join(r.given_key, r.family_n, r.city_n),
    "name_full": lambda r: _join(r.given_key, r.family_n),
    "name_prefix_domain": _name_prefix_domain,
    "phone_area_name": lambda r: _join(r.phone_n[:-4] if r.phone_n else None, _initial_family(r)),
    "street_given": lambda r: _join(r.given_key, r.street_n),
}
"""blocking_type → key of a record, None where the rule does not apply. Editable: a line is a pass."""


def index(records: Iterable[Record]) -> list[BlockingRow]:
    """Every key of every record, sorted; deleted and merged records have theirs too, for their past still counts."""
    return sorted(
        (
            BlockingRow(key, kind, record.source, record.source_id, record.created_at)
            for record in records
            for kind, rule in RULES.items()
            if (key := rule(record)) is not None
        ),
        key=lambda row: row[:4],
    )


@dataclass
class Candidates:
    """Pairs of records to be scored (smaller key first), and what each pass made."""

    pairs: list[tuple[Key, Key]]
    per_pass: Counter[str] = field(default_factory=Counter)
    new_per_pass: Counter[str] = field(default_factory=Counter)
    largest_block: dict[str, int] = field(default_factory=dict)
    dropped_blocks: Counter[str] = field(default_factory=Counter)
    dropped_records: Counter[str] = field(default_factory=Counter)


def _blocks(rows: Iterable[BlockingRow]) -> Iterator[tuple[str, list[Key]]]:
    members: dict[tuple[str, str], set[Key]] = defaultdict(set)
    for row in rows:
        members[row.blocking_type, row.blocking_key].add((row.source, row.source_id))
    # rules in their own order, so that "new" pairs of a pass are those that no earlier pass found
    order = {kind: position for position, kind in enumerate(RULES)}
    for kind, key in sorted(members, key=lambda block: (order.get(block[0], len(order)), block)):
        yield kind, sorted(members[kind, key])


def candidates(rows: Iterable[BlockingRow], max_block: int = MAX_BLOCK) -> Candidates:
    """All pairs of all blocks up to the cap, each once, in a fixed order."""
    found: dict[tuple[Key, Key], None] = {}
    result = Candidates([])
    for kind, keys in _blocks(rows):
        result.largest_block[kind] = max(result.largest_block.get(kind, 0), len(keys))
        if len(keys) > max_block:
            result.dropped_blocks[kind] += 1
            result.dropped_records[kind] += len(keys)
            continue
        for pair in combinations(keys, 2):
            result.per_pass[kind] += 1
            if pair not in found:
                result.new_per_pass[kind] += 1
                found[pair] = None
    result.pairs = sorted(found)
    return result
