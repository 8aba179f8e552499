"""Sheet 21, growing out: a key that spreads and keeps together, the settings of a move, a saving on paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lakehouse.lesson.costs import Measured, Prices, monthly
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, require_type
from lakehouse.lesson.steps import QueryFailed, query
from lakehouse.settings import ENV_PREFIX, Settings

ORDERS, PARTITIONS = "raw.shopify_orders", 8
MOST = 2.0
"""The largest partition may have so many times the mean."""


class FairKey(Question):
    """SQL text: the columns or expressions that rows are spread by."""

    id = "21.1"
    hints = (
        "Two wishes: many different values, and one value for all rows that the window needs together.",
        "The window is per order. So whatever you spread by must be the same for all events of an order.",
        "The order's own id has many values and is the same for all its events: `id`.",
    )
    why = (
        "Right. The key of the window is the one that keeps an order's events together, and it has values enough to"
        " spread. Salt is for sums, which can be summed again; the latest of an order cannot be put together from"
        " parts that each took their own latest, unless somebody takes the latest once more."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a text")
        place = f"pmod(hash({answer}), {PARTITIONS})"
        try:
            found = query(
                f"""WITH placed AS (SELECT id, {place} AS place FROM {ORDERS} WHERE id IS NOT NULL)
                    SELECT (SELECT max(n) FROM (SELECT count(*) AS n FROM placed GROUP BY place)) AS largest,
                           (SELECT count(*) FROM placed) AS total,
                           (SELECT count(*) FROM (SELECT id FROM placed GROUP BY id
                                                  HAVING count(DISTINCT place) > 1)) AS torn"""
            ).iloc[0]
        except QueryFailed as error:
            raise Wrong(f"Spark refuses it: {error.message.strip().splitlines()[0][:200]}") from error
        if found["torn"]:
            raise Wrong(f"the events of {found['torn']:,} orders are in several partitions: each would find a latest")
        if found["largest"] > MOST * found["total"] / PARTITIONS:
            share = found["largest"] / found["total"]
            raise Wrong(f"one of {PARTITIONS} partitions gets {share:.0%} of the rows: all others wait for it")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "_source", "of the rows: all others wait for it")
        yield WrongAnswer(lambda: "_webhook_topic", "are in several partitions")
        yield WrongAnswer(lambda: "id, _kafka_offset % 8", "are in several partitions")
        yield WrongAnswer(lambda: "order id", "Spark refuses it")
        yield WrongAnswer(lambda: 8, "a text is asked for")


MOVE = frozenset({"s3_endpoint", "s3_region", "s3_access_key", "s3_secret_key", "warehouse"})
DEPENDS = frozenset({"s3_path_style", "ca_file"})
"""Needed or not, as the managed store is: neither their presence nor their absence is wrong."""


class SettingsOfAMove(Question):
    """A collection of names of settings."""

    id = "21.2"
    hints = (
        "What does a client have to know to read an object: where, in which region, as whom, and in which bucket?",
        "`lakehouse settings s3` lists candidates. Those of ports and of the filer's lock belong to the service that"
        " runs here.",
        "Five: endpoint, region, the two keys, and the warehouse, which names the bucket.",
    )
    why = (
        "Right: where, which region, as whom, which bucket. The ports and the signing key are of the process that you"
        " no longer run. The tables do not move by this: their metadata holds the places of files, so the files are"
        " copied under the same names, or the tables are written anew. Two more may be needed, as the store is:"
        " `s3_path_style=false` where the bucket is part of the host's name, and `ca_file` where its own authority"
        " signed its certificate. Then `lakehouse settings --check` asks it, before anything else does."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, (set, frozenset, list, tuple), "a collection of names")
        said = {str(name).removeprefix(ENV_PREFIX).lower() for name in answer}
        if unknown := sorted(said - set(Settings.model_fields)):
            raise Wrong(f"there is no setting {', '.join(unknown)}")
        if more := sorted(said - MOVE - DEPENDS):
            reason = "is of the service that runs here" if more[0].startswith("s3_") else "is of another service"
            raise Wrong(f"{more[0]} {reason}, and a client of the managed store never asks for it")
        lacking = MOVE - said
        if lacking & {"s3_access_key", "s3_secret_key"}:
            raise Wrong("the managed store does not know the keys that this stack has made for itself")
        if "warehouse" in lacking:
            raise Wrong("new tables would be put into a bucket that does not exist there")
        if lacking:
            raise Wrong(f"a client would still go to the old {sorted(lacking)[0].removeprefix('s3_')}")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: ["s3_endpoint"], "does not know the keys")
        yield WrongAnswer(lambda: sorted(MOVE - {"warehouse"}), "bucket that does not exist")
        yield WrongAnswer(lambda: [*MOVE, "s3_port"], "is of the service that runs here")
        yield WrongAnswer(lambda: [*MOVE, "trino_url"], "is of another service")
        yield WrongAnswer(lambda: [*MOVE, "kafka_security_protocol"], "is of another service")
        yield WrongAnswer(lambda: ["LAKEHOUSE_BUCKET"], "there is no setting bucket")


MEASURED = Measured(bytes_per_webhook=2_500.0, core_seconds_per_million=400.0, objects_per_commit=4.0)
PRICES = Prices(gb_month=0.023, core_hour=0.05, thousand_puts=0.005)
SHOP: dict[str, Any] = {"webhooks_a_day": 200_000, "months_kept": 24, "commit_seconds": 5.0, "tables": 8}
AGE_SECONDS = 300.0
CHANGES: dict[str, dict[str, Any]] = {
    "keep half as long": {"months_kept": 12},
    "commit every minute": {"commit_seconds": 60.0},
    "commit every ten minutes": {"commit_seconds": 600.0},
    "half the tables": {"tables": 4},
}


def bill(**changes: Any) -> float:
    """US dollars a month of a shop of 200,000 webhooks a day, with some of its numbers changed."""
    return sum(monthly(MEASURED, PRICES, **{**SHOP, **changes}).values())


class Saving(Question):
    """The name of a change."""

    id = "21.3"
    hints = (
        "See which of the three lines of the bill is the largest, and whether it follows the volume or the clock.",
        "`bill(commit_seconds=60.0)` is the bill after that change. Then look at what readers ask: data no older than"
        " five minutes.",
        "Of the changes after which data is at most five minutes old, the one with the smallest bill.",
    )
    why = (
        "Right. At this volume most of the bill is commits, which follow the clock. The largest line says where to"
        " look, and the promise to the readers says how far to go. At a hundred times the volume the same question has"
        " another answer, so it is asked again."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, str, "a text")
        if answer not in CHANGES:
            raise Wrong(f"choose one of: {', '.join(CHANGES)}")
        change = CHANGES[answer]
        if change.get("commit_seconds", SHOP["commit_seconds"]) > AGE_SECONDS:
            raise Wrong("the readers' data would be up to ten minutes old, and they were promised five")
        allowed = {name: bill(**c) for name, c in CHANGES.items() if c.get("commit_seconds", 0) <= AGE_SECONDS}
        if bill(**change) > min(allowed.values()):
            saved = 1 - bill(**change) / bill()
            raise Wrong(f"that saves {saved:.1%} of the bill; another change within the promise saves more")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: "keep half as long", "of the bill; another change")
        yield WrongAnswer(lambda: "half the tables", "of the bill; another change")
        yield WrongAnswer(lambda: "commit every ten minutes", "they were promised five")
        yield WrongAnswer(lambda: "buy less", "choose one of")


QUESTIONS: tuple[Question, ...] = (FairKey(), SettingsOfAMove(), Saving())
