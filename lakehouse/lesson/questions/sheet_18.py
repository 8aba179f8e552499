"""Sheet 18, schema change: what a table takes in place, renaming, reading numbers from texts, what to forget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lakehouse import metadata
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, require_type
from lakehouse.lesson.scratch import drop_scratch, scratch
from lakehouse.lesson.steps import QueryFailed, query
from lakehouse.tables import Column, Table

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

YES, NO = "in place", "new column"


@contextmanager
def _orders(topic: str) -> Iterator[IcebergTable]:
    """A table of a few real orders in a namespace of the judge's own."""
    namespace = scratch(topic)
    contract = Table(f"{namespace}.orders", "one row per order", ("order_id",), (
        Column("order_id", "long", "the order", required=True), Column("line_items", "int", "lines of the order"),
        Column("order_number", "long", "the number a customer sees"), Column("shop", "string", "where it was made"),
        Column("amount", "decimal(9,2)", "what it costs"),
    ))  # fmt: skip
    found = query(
        """SELECT order_id, coalesce(line_item_count, 0) AS line_items, order_number,
                  coalesce(shipping_country, 'none') AS shop, CAST(10 AS DECIMAL(9,2)) AS amount
           FROM staging.stg_shopify_orders WHERE order_number IS NOT NULL ORDER BY order_id LIMIT 20"""
    )
    try:
        metadata.append(contract, found.to_dict("records"))  # type: ignore[arg-type]
        yield metadata.load(contract)
    finally:
        drop_scratch(namespace)


def _widen_lines(update: Any) -> None:
    from pyiceberg.types import LongType

    update.update_column("line_items", LongType())


def _number_to_text(update: Any) -> None:
    from pyiceberg.types import StringType

    update.update_column("order_number", StringType())


def _rename(update: Any) -> None:
    update.rename_column("shop", "store")


def _more_digits(update: Any) -> None:
    from pyiceberg.types import DecimalType

    update.update_column("amount", DecimalType(18, 2))


def _narrow_number(update: Any) -> None:
    from pyiceberg.types import IntegerType

    update.update_column("order_number", IntegerType())


CHANGES: dict[str, Callable[[Any], None]] = {
    "int to long": _widen_lines,
    "long to string": _number_to_text,
    "rename": _rename,
    "decimal(9,2) to decimal(18,2)": _more_digits,
    "long to int": _narrow_number,
}


class InPlace(Question):
    """A dictionary of changes, each `in place` or `new column`."""

    id = "18.1"
    hints = (
        "Ask of each: do the bytes that are stored already still mean the same, read with the new type?",
        "A wider type holds every value of the narrower one, in old files too; the other way round it may not.",
        "Two of the five need a new column: the text, and the number that would become narrower.",
    )
    why = (
        "Right, and each was tried on a table just now. Iceberg takes what leaves stored bytes true, and refuses the"
        " rest; so no reader of an old file can ever be wrong about it. What it refuses is a new column, filled from"
        " raw."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, dict, "a dictionary")
        if missing := sorted(set(CHANGES) - set(answer)):
            raise Wrong(f"nothing is said of: {', '.join(missing)}")
        tried = self._tried()
        for change, (right, said) in tried.items():
            if answer[change] not in (YES, NO):
                raise Wrong(f"{change}: say {YES!r} or {NO!r}")
            if answer[change] == right:
                continue
            if right == NO:
                raise Wrong(f"{change}: the table refuses it: {said}")
            raise Wrong(f"{change}: the table takes it in place, and no value is lost by it")

    @staticmethod
    def _tried() -> dict[str, tuple[str, str]]:
        from pyiceberg.exceptions import ValidationError

        found = {}
        with _orders("18_types") as table:
            for name, change in CHANGES.items():
                try:
                    with table.update_schema() as update:
                        change(update)
                except ValidationError as error:
                    found[name] = (NO, str(error))
                else:
                    found[name] = (YES, "")
        return found

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: dict.fromkeys(CHANGES, YES), "long to string: the table refuses it")
        yield WrongAnswer(lambda: dict.fromkeys(CHANGES, NO), "int to long: the table takes it in place")
        yield WrongAnswer(
            lambda: {**dict.fromkeys(CHANGES, YES), "long to string": NO}, "long to int: the table refuses it"
        )
        yield WrongAnswer(lambda: {"rename": YES}, "nothing is said of")


class Rename(Question):
    """A function of an Iceberg table: its column `shop` is to be called `store`."""

    id = "18.2"
    hints = (
        "A column is its id. Which operations keep the id, and which make a new one?",
        "`with table.update_schema() as update:` gives an object that can rename.",
        '`update.rename_column("shop", "store")`.',
    )
    why = (
        "Right: one entry of metadata, the same id, every value in its place, and no file touched. Dropping and adding"
        " gives the same picture in a schema browser and loses the history of the column."
    )

    def judge(self, answer: Any) -> None:
        with _orders("18_rename") as table:
            before = table.scan().to_arrow()
            identity = table.schema().find_field("shop").field_id
            files = {task.file.file_path for task in table.scan().plan_files()}
            self.call(answer, table)
            table.refresh()
            names = table.schema().column_names
            if "store" not in names:
                raise Wrong(f"the table has no column store; its columns are {', '.join(names)}")
            if "shop" in names:
                raise Wrong("the table has both now, shop and store: readers of the old name see no new values")
            found = table.scan().to_arrow()
            kept = found.num_rows - found["store"].null_count
            if kept < before.num_rows:
                raise Wrong(f"store has {kept} values where shop had {before.num_rows}: it is another column")
            if table.schema().find_field("store").field_id != identity:
                raise Wrong("the values are there and the column is another one: files were rewritten for a name")
            if {task.file.file_path for task in table.scan().plan_files()} != files:
                raise Wrong("files were rewritten for a name")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: _drop_and_add, "it is another column")
        yield WrongAnswer(lambda: _add_only, "the table has both now")
        yield WrongAnswer(lambda: _copy, "files were rewritten for a name")
        yield WrongAnswer(lambda: lambda table: table.name(), "has no column store")


def _add_only(table: IcebergTable) -> None:
    from pyiceberg.types import StringType

    with table.update_schema() as update:
        update.add_column("store", StringType())


def _drop_and_add(table: IcebergTable) -> None:
    with table.update_schema(allow_incompatible_changes=True) as update:
        update.delete_column("shop")
    _add_only(table)


def _copy(table: IcebergTable) -> None:
    rows = table.scan().to_arrow()
    _drop_and_add(table)
    table.refresh()
    names = ["store" if name == "shop" else name for name in rows.column_names]
    table.overwrite(rows.rename_columns(names).select(table.schema().column_names).cast(table.schema().as_arrow()))


TEXTS = {"1533": 1533, "#1533": 1533, " #7 ": 7, "15A3": None, "1,533": None, "": None, "#": None, "1533-2": None,
         "99999999999999999999": None}  # fmt: skip


class NumberOfText(Question):
    """SQL text: an expression over the column `given`."""

    id = "18.3"
    hints = (
        "Decide first what *is* a number here, as a pattern; everything else is null, and raises nothing.",
        "At most one `#` in front, blanks around, digits to the end: `rlike`. The rest is a cast that cannot fail.",
        "`CASE WHEN trim(given) RLIKE '^#?[0-9]+$' THEN try_cast(replace(given, '#', '') AS BIGINT) END`",
    )
    why = (
        "Right: both forms give one number, and what is neither gives null, which can be counted and asked about. A"
        " number made from the digits of something else would be found by nobody."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a text")
        said = dict(TEXTS) | dict(self._numbers_of_raw())
        values = ", ".join(f"({place}, '{text}')" for place, text in enumerate(said))
        try:
            found = query(f"SELECT place, CAST({answer} AS STRING) AS number FROM VALUES {values} AS t(place, given)")
        except QueryFailed as error:
            raise Wrong(
                f"Spark refuses it, or fails on one of the texts: {error.message.strip().splitlines()[0][:200]}"
            ) from error
        numbers = dict(zip(found["place"], found["number"], strict=True))
        for place, (text, right) in enumerate(said.items()):
            number = None if numbers[place] is None or numbers[place] != numbers[place] else numbers[place]
            if number == (None if right is None else str(right)):
                continue
            if right is None:
                raise Wrong(f"{text!r} gives {number}: that is invented, for it is no order number")
            raise Wrong(f"{text!r} gives {number or 'null'}; it is the order number {right}")

    @staticmethod
    def _numbers_of_raw() -> Iterator[tuple[str, int]]:
        found = query("SELECT DISTINCT order_number FROM raw.shopify_orders WHERE order_number > 0 ORDER BY 1 LIMIT 50")
        for number in found["order_number"].astype(int):
            yield str(number), int(number)
            yield f"#{number}", int(number)

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "try_cast(given AS BIGINT)", "gives null; it is the order number")
        yield WrongAnswer(lambda: "try_cast(regexp_replace(given, '[^0-9]', '') AS BIGINT)", "that is invented")
        yield WrongAnswer(lambda: "CAST(replace(given, '#', '') AS BIGINT)", "fails on one of the texts")
        yield WrongAnswer(lambda: 1533, "a text is asked for")


STEPS = ("staging.stg_shopify_orders", "core.orders", "analytics.order_summary")


class WhatToForget(Question):
    """A collection of names of steps."""

    id = "18.4"
    hints = (
        "For each step ask: does it have anything new to read tonight, without your help?",
        "Staging has read all of raw. Once it has updated its rows it has a new snapshot, and who reads staging?",
        "Only the first of the chain has to be forgotten; the others get their news from it.",
    )
    why = (
        "Right. A step reads on from the snapshot that it knows, so the first one has to be told to begin again; its"
        " commit is news for the next, and so on down. Each downstream step runs because its source changed, and not"
        " because somebody thought of it."
    )

    def judge(self, answer: Any) -> None:
        if isinstance(answer, str):
            raise Wrong("a collection of names is asked for, and this is one text")
        require_type(answer, (set, frozenset, list, tuple), "a collection of names")
        said = set(answer)
        if raw := sorted(name for name in said if str(name).startswith("raw.")):
            raise Wrong(f"{raw[0]} is no step: Flink writes it, and the payloads are in it already")
        if unknown := sorted(map(str, said - set(STEPS))):
            raise Wrong(f"{unknown[0]} is not in this chain")
        if STEPS[0] not in said:
            raise Wrong("staging has read all of raw already, and would find nothing new: the old orders stay null")
        if more := sorted(said - {STEPS[0]}):
            raise Wrong(f"{', '.join(more)} would run anyway: what it reads has a new snapshot by then")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(list, "the old orders stay null")
        yield WrongAnswer(lambda: list(STEPS[1:]), "the old orders stay null")
        yield WrongAnswer(lambda: list(STEPS), "would run anyway")
        yield WrongAnswer(lambda: ["raw.shopify_orders"], "is no step")


QUESTIONS: tuple[Question, ...] = (InPlace(), Rename(), NumberOfText(), WhatToForget())
