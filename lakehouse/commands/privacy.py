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


def _search(person: Person, title: str) -> list[str]:
    """Where values of the person are, shown and given back."""
    from lakehouse.privacy.stored import search_clickhouse, search_objects

    with console.status("reading every stored object"):
        found, published = search_objects(person.own), search_clickhouse(person.own)
    console.print(
        f"{title}: {found.objects:,} objects read; rows of data that hold a value: {found.times('data'):,}, bounds in"
        f" manifests: {found.times('manifest'):,}, elsewhere: {found.times('metadata') + found.times('other'):,};"
        f" rows in ClickHouse: {sum(published.values()):,}",
        highlight=False,
    )
    return [*(one.path for one in found.found), *published]


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
        False,
        "--topics",
        help="also delete the topics' messages up to the person's last one, everybody's before it too",
    ),
    search: bool = typer.Option(True, "--search/--no-search", help="read every stored object before and after"),
) -> None:
    """Erase a person from raw to the marts, with all snapshots that hold them. It cannot be undone.

    Time travel of all tables of people ends. Orders and payments of the person go, too. Sums are made anew by the
    pipeline's run at the end. A second time does nothing.
    """
    from lakehouse.privacy import erasure

    person = _person(email, entity)
    _show(person)
    if not person.entities and not person.raw_rows:
        console.print("nothing is stored of this person")
        return
    if not yes:
        console.print("shown only; [bold]--yes[/] does it")
        return
    if search:
        _search(person, "before")
    with console.status("") as status:
        done = erasure.erase(
            person, email or entity or "", requested_by=getpass.getuser(), reason=reason,
            report=lambda table, rows: status.update(f"{table}: {rows:,} rows"),
        )  # fmt: skip
    console.print(f"{sum(done.rows.values()):,} rows of {len(done.rows)} tables, {done.files:,} files deleted")
    _make_anew()
    left = _search(person, "after") if search else []
    _topics(person, topics)
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


def _topics(person: Person, delete: bool) -> None:
    from lakehouse.privacy.books import topic_of
    from lakehouse.privacy.topics import remaining, truncate

    places = {topic_of(name): [(one.partition, one.offset) for one in of] for name, of in person.places.items()}
    if delete:
        truncate(remaining(places))
    left = remaining(places)
    console.print(f"messages in topics: {sum(log.held for log in left):,}{_how_long(left)}", highlight=False)


def _how_long(left: list[Log]) -> str:
    if not left:
        return ""
    kept = [log.kept_ms for log in left]
    days = "for ever" if None in kept else f"for {max(ms or 0 for ms in kept) / 86_400_000:.0f} days"
    return f", which their topics keep {days}; --topics deletes them"
