"""The workshop guide says of each lesson what the lesson says of itself, and leaves none out."""

from __future__ import annotations

import re

from lakehouse.lesson import book, footprint
from lakehouse.runner import PROJECT_ROOT

GUIDE = (PROJECT_ROOT / "docs" / "workshop.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d\d) [^|]+\| (\d+) \|", GUIDE, re.MULTILINE)


def test_minutes_are_those_of_the_lessons() -> None:
    real = {lesson.number: lesson.minutes for lesson in book.lessons()}
    wrong = {(number, int(minutes)) for number, minutes in ROWS if real.get(number, int(minutes)) != int(minutes)}
    assert not wrong, f"the lessons say {real}"


def test_the_two_days_hold_every_lesson_once() -> None:
    two_days = re.findall(r"^\| (\d\d) ", GUIDE.split("## Two days")[1].split("## Before the day")[0], re.MULTILINE)
    assert two_days == sorted(set(two_days))
    assert {lesson.number for lesson in book.lessons()} <= set(two_days)


def test_half_a_day_is_as_long_as_it_says() -> None:
    table = GUIDE.split("## Half a day")[1].split("## Two days")[0]
    minutes = sum(int(found) for found in re.findall(r"^\| [^|]+\| (\d+) \|", table, re.MULTILINE))
    sheets = 15
    hours, rest = map(int, re.search(r"(\d) hours (\d+) minutes", table).groups())  # type: ignore[union-attr]
    assert minutes + sheets == hours * 60 + rest


def test_the_routes_that_are_measured_are_those_of_the_guide() -> None:
    half = re.findall(r"^\| (\d\d) ", GUIDE.split("## Half a day")[1].split("## Two days")[0], re.MULTILINE)
    assert {"half a day": tuple(half), "two days": tuple(one.number for one in book.lessons())} == footprint.ROUTES
