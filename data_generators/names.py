"""How one name is written in different places: nicknames, initials, accents, slips of the keyboard."""

from __future__ import annotations

import re
import unicodedata
from random import Random

NICKNAMES = {
    "William": "Bill", "Robert": "Bob", "Richard": "Rick", "James": "Jim", "John": "Jack", "Michael": "Mike",
    "Thomas": "Tom", "Christopher": "Chris", "Matthew": "Matt", "Anthony": "Tony", "Joseph": "Joe", "Daniel": "Dan",
    "David": "Dave", "Steven": "Steve", "Stephen": "Steve", "Andrew": "Andy", "Edward": "Ted", "Benjamin": "Ben",
    "Nicholas": "Nick", "Jonathan": "Jon", "Timothy": "Tim", "Gregory": "Greg", "Kenneth": "Ken", "Jeffrey": "Jeff",
    "Elizabeth": "Liz", "Jennifer": "Jen", "Katherine": "Kate", "Catherine": "Cathy", "Margaret": "Peggy",
    "Patricia": "Pat", "Jessica": "Jess", "Rebecca": "Becky", "Samantha": "Sam", "Alexandra": "Alex",
    "Christina": "Tina", "Deborah": "Debbie", "Susan": "Sue", "Victoria": "Vicky", "Kimberly": "Kim",
    "Johannes": "Hannes", "Alexander": "Alex", "Maximilian": "Max", "Katharina": "Kathi", "Friedrich": "Fritz",
    "Joachim": "Achim", "Susanne": "Susi", "Emmanuel": "Manu", "Frédéric": "Fred", "Philippe": "Phil",
    "Mohammed": "Mohd", "Abdullah": "Abdul",
}  # fmt: skip
ARABIC_GIVEN = (
    "Ahmed", "Ali", "Hassan", "Hussain", "Mohammed", "Abdullah", "Khalid", "Yousef", "Salman", "Faisal", "Fatima",
    "Maryam", "Noor", "Layla", "Zainab", "Sara", "Aisha", "Huda", "Reem", "Dana",
)  # fmt: skip
ARABIC_FAMILY = (
    "Al Khalifa", "Al-Mutairi", "Al-Sabah", "Al-Ansari", "Al-Dosari", "Al-Enezi", "Al-Rashid", "Al-Hashimi", "Buhejji",
    "Fakhro", "Kanoo", "Al-Shammari", "Al-Ajmi", "Janahi", "Al-Qahtani",
)  # fmt: skip
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue"})


def plain(text: str) -> str:
    """Without accents: é → e, ō → o, ß → ss."""
    split = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(c for c in split if not unicodedata.combining(c))


def slug(text: str) -> str:
    """For mailboxes and domains: ASCII letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", plain(text.translate(_GERMAN)).lower())


def typo(text: str, rng: Random) -> str:
    """One slip: two letters swapped, one doubled, one left out, or one wrong."""
    if len(text) < 4:
        return text
    at = rng.randrange(1, len(text) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    if kind == 2:
        return text[:at] + text[at + 1 :]
    return text[:at] + rng.choice("aeinorst") + text[at + 1 :]


def variant(given: str, family: str, rng: Random) -> tuple[str, str]:
    """The name as one place happens to have it; more than half of them have it right."""
    draw = rng.random()
    if draw < 0.58:
        return given, family
    if draw < 0.70:
        return NICKNAMES.get(given, given), family
    if draw < 0.75:
        return f"{given[0]}.", family
    if draw < 0.83:
        return plain(given), plain(family)
    if draw < 0.87:
        return given.translate(_GERMAN), family.translate(_GERMAN)
    if draw < 0.90:
        return family, given
    if draw < 0.93:
        return given.upper(), family.upper()
    if draw < 0.96:
        return f" {given.lower()}", f"{family.lower()} "
    if draw < 0.98:
        return typo(given, rng), family
    return given, typo(family, rng)
