# %% [markdown]
# # 13 · Orchestration: what may be repeated, and what must be
#
# Four questions; the first, second and fourth are judged on the running stack. Fill in each `____`, run the cell, and read what `check` says. `hint("13.1")` helps, and helps more the second time; `solution("13.1")` shows one answer.

# %%
from pyiceberg.expressions import EqualTo

from lakehouse.engines.airflow import Airflow
from lakehouse.lesson import ____, check, hint, progress, query, solution
from lakehouse.lesson.questions.sheet_13 import reported_days

# %% [markdown]
# ## 13.1 A write that survives its retry
#
# The task died after its commit, and Airflow tries again. Write `load(table, rows, day)`: `table` is an Iceberg table of orders (pyiceberg), `rows` all orders of `day` as they are now. The table holds other days, too. Whatever happened before, afterwards it must hold exactly these rows of that day.


# %%
# BEGIN SOLUTION
# | def load(table, rows, day):
# |     return ____
def load(table, rows, day):
    table.overwrite(rows, EqualTo("order_date", day))


# END SOLUTION
check("13.1", load)

# %% [markdown]
# ## 13.2 What to clear
#
# Last night's run of `lakehouse_pipeline` is green from end to end, and this morning somebody finds that the code of `core.customers` was wrong. It is mended now. Which tasks of that run must run again? Name all of them and no other; `graph` gives for each task the tasks right after it.

# %%
graph = Airflow().downstream("lakehouse_pipeline")
# BEGIN SOLUTION
# | to_clear = {"customers", ____}
to_clear, new = set(), {"customers"}
while new:
    to_clear |= new
    new = {follower for task in new for follower in graph[task]} - to_clear
# END SOLUTION
check("13.2", to_clear)

# %% [markdown]
# ## 13.3 Whose clock
#
# A run closes the day of its logical date. Write `day_of(run)`, the day to work on. `run` is what a task knows: `logical_date` and `started_at` (both `datetime` in UTC) and `try_number`.


# %%
# BEGIN SOLUTION
# | def day_of(run):
# |     return ____
def day_of(run):
    return run["logical_date"].date()


# END SOLUTION
check("13.3", day_of)

# %% [markdown]
# ## 13.4 What to backfill
#
# `reported_days()` is a report of orders a day as it stood one morning. Compare it with `core.orders` (`order_date`; deleted orders are counted, too), and name the days to run again: all that need it, and no other.

# %%
report = reported_days()
# BEGIN SOLUTION
# | to_backfill = [____]
now = query("SELECT order_date AS day, count(*) AS orders FROM core.orders WHERE order_date IS NOT NULL GROUP BY 1")
both = now.merge(report, on="day", how="left", suffixes=("", "_reported"))
to_backfill = list(both.loc[both["orders"] != both["orders_reported"], "day"])
# END SOLUTION
check("13.4", to_backfill)

# %%
progress()
