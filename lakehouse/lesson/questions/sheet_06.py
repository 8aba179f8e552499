"""Sheet 06, incremental loading: what a clock loses, reading by snapshot, repeats, order of the parts, expiry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from lakehouse import incremental
from lakehouse.incremental import Commit
from lakehouse.lesson.question import Question, Wrong, WrongAnswer, one_number, require_type
from lakehouse.lesson.questions import late_commits, practice
from lakehouse.lesson.questions.late_commits import BEGIN, JUDGE

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

# -- 06.1 ---------------------------------------------------------------------------------------------------------


class LostRows(Question):
    """A number: the rows that the reader of the race never reads."""

    id = "06.1"
    hints = (
        "Go from read to read: what can be seen, and what is the newest stamp that was seen?",
        "After the read at 6 s the watermark is 4. B is stamped 3 and can be seen from 8 s on: will it ever be read?",
        "Lost is what is stamped at or before the watermark of a read and committed after that read: two batches.",
    )
    why = (
        "Right: B and F. Slowness alone loses nothing, nor does a read that falls in between: E waits through one and"
        " is read by the next. A row is lost when something with a newer stamp was seen before it."
    )

    def judge(self, answer: Any) -> None:
        found, lost = one_number(answer), late_commits.lost()
        if found == late_commits.rows(lost):
            return
        between = [b.name for b in late_commits.RACE if any(b.stamped < at < b.committed for at in late_commits.READS)]
        if found == late_commits.rows(between):
            raise Wrong(
                f"{found} are the rows of {', '.join(between)}, stamped before a read and committed after it; but when"
                " E could be seen at last, the watermark was still older than its stamp"
            )
        if found < late_commits.rows(lost):
            raise Wrong(f"more than {found} rows are lost: the race was run, and a later read loses some, too")
        raise Wrong(f"{found} are too many: the race was run, and some of them were read")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: 0, "more than 0 rows are lost")
        yield WrongAnswer(lambda: late_commits.rows("B"), "a later read loses some, too")
        yield WrongAnswer(lambda: late_commits.rows("BEF"), "the watermark was still older")
        yield WrongAnswer(lambda: sum(batch.rows for batch in late_commits.RACE), "are too many")


# -- 06.2 ---------------------------------------------------------------------------------------------------------


def by_clock(overlap: timedelta = timedelta()) -> Callable[[str, Any], tuple[list[int], Any]]:
    """The reader that is to be repaired; with an overlap, its usual patch."""

    def read_new(name: str, mark: datetime | None) -> tuple[list[int], datetime]:
        since = mark or BEGIN
        found = practice.load(name).scan(row_filter=f"loaded_at > '{(since - overlap).isoformat()}'")
        rows = found.to_arrow()
        return rows["order_id"].to_pylist(), max([since, *rows["loaded_at"].to_pylist()])

    return read_new


class ReadNew(Question):
    """A function of a table and a mark (None at first) that gives the ids of the new rows, and the new mark."""

    id = "06.2"
    hints = (
        "Which order do commits have, whatever the stamps of their rows?",
        "Let the mark be a snapshot's id. `incremental.history(table)` gives the commits and the current snapshot.",
        "`window = incremental.plan_window(table, commits, current, mark)`, then `incremental.read_window(spark,"
        " window)`; the new mark is `window.end`.",
    )
    why = (
        "Right: what was committed later is later, whatever its stamp. And the window has an end that was fixed before"
        " anything was read, so what comes in meanwhile belongs to the next one."
    )

    def judge(self, answer: Any) -> None:
        got, late = Counter[int](), set[int]()
        mark: Any = None
        newest = 0
        # seconds of the stamps of the batches that are committed before each read
        history = ((1, 2), (9,), (4,), (), (10, 5, 11))
        numbers = iter(range(0, 1000, 5))
        with practice.place(JUDGE) as namespace:
            current = practice.table(f"{namespace}.arrivals", practice.ARRIVALS)
            for stamps in history:
                batches = [(stamp, range(at := next(numbers), at + 5)) for stamp in stamps]
                late.update(order_id for stamp, ids in batches for order_id in ids if stamp < newest)
                newest = max([newest, *stamps])
                if batches:
                    rows = [practice.arrivals(ids, BEGIN + timedelta(seconds=stamp)) for stamp, ids in batches]
                    practice.append(current, *rows)
                result = self.call(answer, f"{namespace}.arrivals", mark)
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise Wrong("two things are asked for: the ids of the new rows, and the new mark")
                got.update(int(order_id) for order_id in result[0])
                mark = result[1]
            written = set(current.refresh().scan().to_arrow()["order_id"].to_pylist())
        lost, again = written - got.keys(), sum(count - 1 for count in got.values())
        if lost:
            how = "they were stamped early and committed late" if lost <= late else "more than one snapshot had come"
            raise Wrong(f"of {len(written)} rows {len(lost)} were never read: {how}")
        if again:
            raise Wrong(f"all {len(written)} rows were read, and {again} times one that was read before")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def everything(name: str, mark: Any) -> tuple[list[int], None]:
            return by_clock()(name, None)[0], None

        def newest_only(name: str, mark: Any) -> tuple[list[int], int]:
            current = practice.load(name)
            last = current.current_snapshot()
            if last.snapshot_id == mark:
                return [], mark
            new = current.incremental_append_scan(from_snapshot_id_exclusive=last.parent_snapshot_id)
            return new.to_arrow()["order_id"].to_pylist(), last.snapshot_id

        yield WrongAnswer(by_clock, "committed late")
        yield WrongAnswer(lambda: by_clock(timedelta(minutes=10)), "that was read before")
        yield WrongAnswer(lambda: everything, "that was read before")
        yield WrongAnswer(lambda: newest_only, "more than one snapshot had come")


# -- 06.3 ---------------------------------------------------------------------------------------------------------


def _committed(snapshots: Sequence[Any], batch: str) -> bool:
    return any(s.summary is not None and s.summary.additional_properties.get("batch-id") == batch for s in snapshots)


class AppendOnce(Question):
    """A function of a table of pyiceberg, rows, and a batch's id: appends the rows, unless that batch was appended."""

    id = "06.3"
    hints = (
        "Where can a batch's id be kept so that it is committed together with the rows, or not at all?",
        "`table.append(rows, snapshot_properties={…})` writes into the snapshot's summary.",
        "Before it, look through `table.refresh().snapshots()`: has a `summary.additional_properties` this id?",
    )
    why = (
        "Right: rows and id are one commit, so there is no moment in which one is there without the other. It holds as"
        " long as the snapshot is kept: expire later than the longest time in which a batch may be repeated."
    )

    def judge(self, answer: Any) -> None:
        rows = practice.orders().slice(0, 10)
        with practice.place(JUDGE) as namespace:
            current = practice.table(f"{namespace}.orders")

            def count() -> int:
                return int(practice.load(f"{namespace}.orders").scan().count())

            for batch in ("monday", "tuesday"):
                before = count()
                self.call(answer, current.refresh(), rows, batch)
                if count() == before:
                    raise Wrong(
                        f"the batch {batch!r} was not written: it has rows like another batch, but is a new one"
                    )
            if count() != 20:
                raise Wrong(f"two batches of 10 rows give {count()} rows")
            self.call(answer, current.refresh(), rows, "tuesday")
            if count() != 20:
                raise Wrong(f"the batch 'tuesday' was given twice, and its rows are there {count() // 10 - 1} times")
            # as a process does that loaded the table long ago
            self.call(answer, practice.load(f"{namespace}.orders"), rows, "monday")
            if count() != 20:
                raise Wrong("the batch 'monday' was repeated after 'tuesday' had been written, and is there twice")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def always(table: IcebergTable, rows: Any, batch: str) -> None:
            table.append(rows, snapshot_properties={"batch-id": batch})

        def by_content(table: IcebergTable, rows: Any, batch: str) -> None:
            if not table.scan().to_arrow().num_rows:
                table.append(rows)

        def newest_only(table: IcebergTable, rows: Any, batch: str) -> None:
            if not _committed(table.snapshots()[-1:], batch):
                table.append(rows, snapshot_properties={"batch-id": batch})

        yield WrongAnswer(lambda: always, "given twice")
        yield WrongAnswer(lambda: by_content, "but is a new one")
        yield WrongAnswer(lambda: newest_only, "repeated after 'tuesday'")


# -- 06.4 ---------------------------------------------------------------------------------------------------------

PARTS = ("pin", "read", "write", "mark")


class _Step:
    """The step of 06.4: a source that goes on being written, a target, and a watermark that outlives a crash."""

    def __init__(self, namespace: str) -> None:
        self.source = practice.table(f"{namespace}.source", practice.ARRIVALS)
        self.target = practice.table(f"{namespace}.target", practice.ARRIVALS)
        self.mark: int | None = None
        self.numbers = iter(range(0, 1000, 5))

    def arrive(self) -> None:
        """Another writer commits five rows."""
        at = next(self.numbers)
        self.source.append(practice.arrivals(range(at, at + 5), datetime.now(UTC)))

    def run(self, order: Sequence[str], until: int | None = None, busy: bool = False) -> None:
        """Do the parts in this order, the first `until` of them; if busy, rows arrive before each part."""
        pinned: int | None = None
        rows: Any = None
        batch = ""
        for part in order[:until]:
            if busy:
                self.arrive()
            now = practice.newest(self.source)
            if part == "pin":
                pinned = now
            elif part == "read":
                end = pinned or now
                batch = f"{self.mark} {end}"
                rows = self._between(self.mark, end)
            elif part == "write" and rows is not None and not _committed(self.target.snapshots(), batch):
                self.target.append(rows, snapshot_properties={"batch-id": batch})
            elif part == "mark":
                self.mark = pinned or now

    def _between(self, start: int | None, end: int) -> Any:
        if start == end:
            return None
        scan = self.source.incremental_append_scan(from_snapshot_id_exclusive=start, to_snapshot_id_inclusive=end)
        return scan.to_arrow()

    def missing(self) -> int:
        """Rows of the source that the target has not."""
        source, target = (set(t.scan().to_arrow()["order_id"].to_pylist()) for t in (self.source, self.target))
        return len(source - target)


class WhichFirst(Question):
    """The four parts of a step, in order."""

    id = "06.4"
    hints = (
        "Rows are committed between any two parts, and the process can die after any. What is lost in each case?",
        "What is read must be known before it is read: else rows that come in between are marked as read.",
        "The mark says *written up to here*: it can only be told when that is so.",
    )
    why = (
        "Right: fix the end, read up to it, write, and only then say so. A death before the mark repeats a batch, which"
        " the batch's id makes harmless; no death can lose one."
    )

    def judge(self, answer: Any) -> None:
        require_type(answer, list | tuple, "a list of the four parts")  # type: ignore[arg-type]
        if sorted(map(str, answer)) != sorted(PARTS):
            raise Wrong(f"each of {', '.join(PARTS)} is asked for once")
        order = list(answer)
        if order.index("write") < order.index("read"):
            raise Wrong("`write` comes before `read`: at that moment there is nothing to write")
        with practice.place(JUDGE) as namespace:
            step = _Step(namespace)
            step.run(order, busy=True)
            step.run(order)
            if missing := step.missing():
                raise Wrong(f"{missing} rows came in while the step ran; they were marked as read, and never written")
            for until in (2, 3):
                step.arrive()
                step.run(order, until)
                step.run(order)
                if missing := step.missing():
                    raise Wrong(
                        f"the process died after `{order[until - 1]}` and was started again: {missing} rows were never"
                        " written"
                    )

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        yield WrongAnswer(lambda: ["read", "pin", "write", "mark"], "came in while the step ran")
        yield WrongAnswer(lambda: ["read", "write", "pin", "mark"], "came in while the step ran")
        yield WrongAnswer(lambda: ["pin", "read", "mark", "write"], "died after `mark`")
        yield WrongAnswer(lambda: ["pin", "write", "read", "mark"], "nothing to write")
        yield WrongAnswer(lambda: ["read", "write"], "each of")


# -- 06.5 ---------------------------------------------------------------------------------------------------------


class Case(NamedTuple):
    """A question about a history: what was kept, the current and the last snapshot, where to go on, and in words."""

    commits: Mapping[int, Commit]
    current: int
    last: int | None
    start: int | None
    says: str


@cache
def _cases() -> tuple[Case, ...]:
    """Histories of a real table: appended to, changed, rolled back, expired. Only ids are kept of it."""
    with practice.place(JUDGE) as namespace:
        name = f"{namespace}.orders"
        current, real = practice.table(name), practice.orders()
        practice.append(current, *(practice.part(real, n / 10, (n + 1) / 10) for n in range(5)))
        ids = [s.snapshot_id for s in current.refresh().snapshots()]
        full, _ = incremental.history(name)
        cases = [
            Case(full, ids[4], ids[2], ids[2], "two appends came since"),
            Case(full, ids[4], ids[4], ids[4], "nothing came since"),
            Case(full, ids[4], None, None, "nothing was ever read"),
        ]
        _expire(current, ids[:2])
        commits, _ = incremental.history(name)
        cases.append(Case(commits, ids[4], ids[0], None, "the last snapshot that was read was expired"))
        current.refresh().manage_snapshots().rollback_to_snapshot(ids[3]).commit()
        changed = practice.change(current.refresh(), lambda row: row if row["order_id"] % 2 else None)
        practice.append(current, practice.part(real, 0.6, 0.7), practice.part(real, 0.7, 0.8))
        commits, _ = incremental.history(name)
        end = practice.newest(current.refresh())
        cases.append(Case(commits, end, ids[4], None, "the last snapshot that was read was rolled back"))
        cases.append(Case(commits, end, ids[3], None, f"snapshot {changed} rewrote rows"))
        cases.append(Case(commits, end, changed, changed, "two appends came since, after a change that was read"))
        return tuple(cases)


def _expire(current: IcebergTable, ids: Sequence[int]) -> None:
    """pyiceberg takes snapshots out of the metadata and leaves their lists where they are: they go, too."""
    gone = [s.manifest_list for s in current.snapshots() if s.snapshot_id in ids]
    current.maintenance.expire_snapshots().by_ids(list(ids)).commit()
    for path in gone:
        current.io.delete(path)


class AfterExpiry(Question):
    """A function of the kept commits, the current and the last read snapshot: after which snapshot to read on."""

    id = "06.5"
    hints = (
        "What must be known of all the snapshots between the last one read and the current one?",
        "Go back from `current` by `parent_id`. You may stop at `last`; what are the reasons to give up on the way?",
        "Give up, with None, where a snapshot is not among the commits, is neither `append` nor `replace`, or has no"
        " parent and is not `last`.",
    )
    why = (
        "Right. A way of appends from `last` to now is the only proof that its rows, and no others, are new. Without it"
        " the step reads all, which a merge by key makes slow and not wrong."
    )

    def judge(self, answer: Any) -> None:
        for case in _cases():
            found = self.call(answer, dict(case.commits), case.current, case.last)
            if found == case.start:
                continue
            if case.start is not None:
                did = "read all" if found is None else "go on elsewhere"
                raise Wrong(f"{case.says}, and you {did}: only what is new has to be read")
            raise Wrong(f"{case.says}, and you go on after snapshot {found}: that loses rows, or cannot be read")

    def wrong_answers(self) -> Iterator[WrongAnswer]:
        def no_look_between(commits: dict[int, Commit], current: int, last: int | None) -> int | None:
            at: int | None = current
            while at in commits and at != last:
                at = commits[at].parent_id
            return last if at == last else None

        yield WrongAnswer(lambda: lambda commits, current, last: None, "and you read all")
        yield WrongAnswer(lambda: lambda commits, current, last: last, "was expired, and you go on")
        yield WrongAnswer(lambda: lambda commits, current, last: last if last in commits else None, "was rolled back")
        yield WrongAnswer(lambda: no_look_between, "rewrote rows, and you go on")
        yield WrongAnswer(lambda: self._oldest_kept, "was expired, and you go on")

    @staticmethod
    def _oldest_kept(commits: dict[int, Commit], current: int, last: int | None) -> int | None:
        window = incremental.plan_window("", commits, current, last)
        if "expired" in window.reason:
            return next(iter(commits))
        return current if window.empty else window.start


QUESTIONS: tuple[Question, ...] = (LostRows(), ReadNew(), AppendOnce(), WhichFirst(), AfterExpiry())
