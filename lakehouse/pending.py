"""Which steps of the pipeline have something to do: those whose sources have changed, and all that come after them.

Airflow asks before a run, so that a task with nothing to read is skipped before its notebook is started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

from lakehouse import incremental, metadata
from lakehouse.pipeline import STEPS, Step


@dataclass(frozen=True)
class Work:
    """A step and why it has something to do; without `changed`, `after` and `asked` it has nothing."""

    step: str
    changed: tuple[str, ...] = ()
    """Sources whose rows are not the ones that it has read."""
    after: tuple[str, ...] = ()
    """Steps that write its sources and have something to do themselves."""
    asked: str = ""
    """A service that it asks each time, whatever its sources say."""

    @property
    def pending(self) -> bool:
        return bool(self.changed or self.after or self.asked)

    @property
    def reason(self) -> str:
        """In words, for a log or a table; empty where there is nothing to do."""
        said = [f"new in {', '.join(self.changed)}"] if self.changed else []
        said += [f"after {', '.join(self.after)}"] if self.after else []
        return "; ".join([*said, *([f"asks {self.asked}"] if self.asked else [])])


def before(steps: Sequence[Step] = STEPS) -> dict[str, tuple[str, ...]]:
    """Each step, and the steps that write the tables it reads."""
    writer = {table: step.name for step in steps for table in (step.name, *step.also)}
    return {
        step.name: tuple(dict.fromkeys(writer[source] for source in step.sources if source in writer)) for step in steps
    }


def plan(changed: Mapping[str, Sequence[str]], steps: Sequence[Step] = STEPS) -> list[Work]:
    """What each step has to do, from its sources that have changed (step → sources). Steps are in the order they run.

    A step after one that has work counts as having work: what that one will write is not known yet.
    """
    earlier, found = before(steps), dict[str, Work]()
    for step in steps:
        after = tuple(name for name in earlier[step.name] if found[name].pending)
        found[step.name] = Work(step.name, tuple(changed.get(step.name, ())), after, step.asked)
    return list(found.values())


def work() -> list[Work]:
    """What each step of the pipeline has to do now, by the catalog's snapshots and the steps' watermarks."""
    known = metadata.all_watermarks()
    watched = [step for step in STEPS if not step.asked]
    now = incremental.snapshots({source for step in watched for source in step.sources})
    changed = {step.name: incremental.changed(known.get(step.name, {}), _current(step, now)) for step in watched}
    return plan(changed)


def _current(step: Step, now: Mapping[str, int | None]) -> Mapping[str, int | None]:
    """A step's sources as they are now. A module that reads more than tables says itself what of that counts."""
    own = {source: now[source] for source in step.sources}
    more = getattr(import_module(step.module), "beside_tables", None)
    return {**own, **more()} if more else own
