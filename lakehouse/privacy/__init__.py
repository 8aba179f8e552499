"""Erasure of a person from every layer, and the proof on the bytes that are stored."""

from lakehouse.privacy.erasure import Erased, erase
from lakehouse.privacy.person import Ambiguous, Person, Scope, find_person
from lakehouse.privacy.stored import Found, Searched, search_clickhouse, search_objects

__all__ = [
    "Ambiguous",
    "Erased",
    "Found",
    "Person",
    "Scope",
    "Searched",
    "erase",
    "find_person",
    "search_clickhouse",
    "search_objects",
]
