"""`lakehouse privacy`: find a person, erase them from every layer, prove it on what is stored."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.table import Table

from lakehouse.commands._services import wide_console
from lakehouse.errors import LakehouseError

if TYPE_CHECKING:
    from lakehouse.privacy.person import Person
    from lakehouse.privacy.topics import Log

app = typer.Typer(no_args_is_help=True, help="Erase a person from every layer, and prove it on what is stored.")
console = wide_console()
EMAIL = typer.Option(None, "--email", help="an email of the person")
ENTITY = typer.Option(None, "--entity", help="the person's entity id, as `lakehouse er person` shows it")


def _person(email: str | None, entity: str | None) -> Person:
    from lakehouse.privacy.person import find_person

    if (email is None) == (entity is None):
        raise typer.BadParameter("name the person by either --email or --entity")
    with console.status("looking for the person"):
        return find_person(email, entity)


def _show(person: Person) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("what")
    table.add_column("how many", justify="right")
    for kind, ids in person.ids.items():
        table.add_row(f"{kind} {'' if kind in ('orders', 'charges') else 'records'}", f"{len(ids):,}")
    for name, places in person.places.items():
        table.add_row(f"rows of {name}", f"{len(places):,}")
    table.add_row("values that are this person's alone", f"{len(person.own):,}")
    table.add_row("values that others have too, which stay there", f"{len(person.shared):,}")
    console.print(table)


class StillThere(LakehouseError):
    """A value of the person was found after the erasure; the message says in which objects."""


class NotLanded(LakehouseError):
    """The topics' head cannot go: raw has not all of it."""


def _search(person: Person, title: str) -> list[str]:
    """Where values of the person are, shown and given back."""
    from lakehouse.privacy.stored import search_clickhouse, search_objects
    from lakehouse.privacy.topics import search

    with console.status("reading every stored object and every message"):
        found, published, logged = search_objects(person.own), search_clickhouse(person.own), search(person.own)
    console.print(
        f"{title}: {found.objects:,} objects read; rows of data that hold a value: {found.times('data'):,}, bounds in"
        f" manifests: {found.times('manifest'):,}, elsewhere: {found.times('metadata') + found.times('other'):,};"
        f" rows in ClickHouse: {sum(published.values()):,}, messages in topics: {sum(logged.values()):,}",
        highlight=False,
    )
    return [*(one.path for one in found.found), *published, *(f"the topic {topic}" for topic in logged)]


@app.command()
def find(
    email: str = EMAIL,
    entity: str = ENTITY,
    search: bool = typer.Option(False, "--search", help="also in every stored object"),
) -> None:
    """What is stored of a person; nothing is changed."""
    person = _person(email, entity)
    _show(person)
    if search:
        _search(person, "stored")


@app.command()
def erase(
    email: str = EMAIL,
    entity: str = ENTITY,
    reason: str = typer.Option("asked for by the person", "--reason", help="stands in metadata.erasures"),
    yes: bool = typer.Option(False, "--yes", help="do it; without this it is only shown"),
    topics: bool = typer.Option(
        True,
        "--topics/--keep-topics",
        help="also delete the topics' messages up to the person's last one, everybody's before it too: raw has theirs",
    ),
    search: bool = typer.Option(True, "--search/--no-search", help="read every stored object before and after"),
) -> None:
    """Erase a person from raw to the marts, with all snapshots that hold them. It cannot be undone.

    Time travel of all tables of people ends. Orders and payments of the person go, too. Sums are made anew by the
    pipeline's run at the end. Topics forget up to the person's last message, at once for whoever reads them; the
    broker's files are gone by the day that is shown and booked. A second time does nothing.
    """
    from lakehouse.privacy import erasure
    from lakehouse.privacy.topics import forget

    person = _person(email, entity)
    _show(person)
    if not person.entities and not person.raw_rows:
        console.print("nothing is stored of this person")
        return
    if not yes:
        console.print("shown only; [bold]--yes[/] does it")
        return
    logs = _logs(person) if topics else []
    if search:
        _search(person, "before")
    # before the rows by which the person is found: a repeat after a crash would not know of the messages
    gone_by = forget(logs)
    subject, who = email or entity or "", getpass.getuser()
    with console.status("") as status:
        done = erasure.erase(
            person, subject, requested_by=who, reason=reason,
            report=lambda table, rows: status.update(f"{table}: {rows:,} rows"),
        )  # fmt: skip
    console.print(f"{sum(done.rows.values()):,} rows of {len(done.rows)} tables, {done.files:,} files deleted")
    if gone_by is not None:
        messages = _messages(logs)
        erasure.book_topics(done, subject, messages, gone_by, requested_by=who, reason=reason)
        console.print(
            f"{sum(messages.values()):,} messages of {len(messages)} topics can be read no more; the broker's files"
            f" hold nothing of them from {gone_by:%Y-%m-%d} on",
            highlight=False,
        )
    _make_anew()
    left = _search(person, "after") if search else []
    console.print(f"erasure [bold]{done.erasure_id}[/], receipt [bold]{done.receipt}[/]: keep it, it is stored nowhere")
    if left:
        raise StillThere(
            f"still stored in {', '.join(left[:5])}{' …' if len(left) > 5 else ''}",
            "a run of the pipeline was at work, or a writer has left young files: erase again when none runs, and"
            " after a day",
        )


def _make_anew() -> None:
    """The steps that hold sums or copies: they read what is left."""
    from lakehouse.commands.pipeline import new_run_id
    from lakehouse.pipeline import run_pipeline

    with console.status("the pipeline makes sums anew"):
        changed = [result.table for result in run_pipeline(new_run_id("erasure")) if result.changed]
    console.print(f"made anew: {', '.join(changed) or 'nothing'}", highlight=False)


def _logs(person: Person) -> list[Log]:
    """The person's messages in the topics. Raises `NotLanded` when raw has not all that stands before them."""
    from lakehouse.privacy.books import topic_of
    from lakehouse.privacy.topics import missing_in_raw, remaining

    logs = remaining(
        {topic_of(name): [(one.partition, one.offset) for one in of] for name, of in person.places.items()}
    )
    missing = missing_in_raw(logs)
    if missing:
        (topic, partition), count = next(iter(missing.items()))
        raise NotLanded(
            f"{topic}/{partition} holds {count:,} messages before the person's last one that are not in raw",
            "run `lakehouse streaming wait` and erase then, or erase with --keep-topics",
        )
    return logs


def _messages(logs: list[Log]) -> dict[str, int]:
    held: dict[str, int] = {}
    for log in logs:
        held[log.topic] = held.get(log.topic, 0) + log.held
    return held
