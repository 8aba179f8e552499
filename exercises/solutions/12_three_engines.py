# %% [markdown]
# # 12 · Three engines: pinned, exact, read in part, measured
#
# Four questions about asking the same thing of Spark SQL, Trino and ClickHouse. Fill in each `____`, run the cell, and read what `check` says. `hint("12.1")` helps, and helps more the second time; `solution("12.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, solution

# %% [markdown]
# ## 12.1 Compared at one moment
#
# ClickHouse serves a copy of a table, and says which snapshot of it. You want to know whether the copy is right, while new rows come into the table. Write `question(table, snapshot)`: SQL for **Trino** that gives `count(*)` and `sum(amount)` of the table as the copy must have it. `check` runs it on a table to which a row came after that snapshot.


# %%
# BEGIN SOLUTION
# | def question(table, snapshot):
# |     return f"SELECT count(*), sum(amount) FROM {table} ____"
def question(table, snapshot):
    return f"SELECT count(*), sum(amount) FROM {table} FOR VERSION AS OF {snapshot}"


# END SOLUTION
check("12.1", question)

# %% [markdown]
# ## 12.2 The sum that all agree on
#
# A report says `sum(CAST(amount AS DOUBLE))`. The three engines answer with three sums that differ in the last digits, and a colleague wants to put `round(…, 2)` around it. The column `amount` is `DECIMAL(18, 2)`. Write the expression that gives the exact sum in all three; `check` runs it in each, on large amounts.

# %%
# BEGIN SOLUTION
# | total = "____"
total = "sum(amount)"
# END SOLUTION
check("12.2", total)

# %% [markdown]
# ## 12.3 Read one file, not all
#
# A table holds a row for each day from March 2025 to April 2026 and is partitioned by `month(order_date)`. A query asks for March 2026 with `CAST(order_date AS varchar) LIKE '2026-03-%'`. It gives the right rows, and Trino reads every file for it. Write the condition anew, so that the same rows come from one file.

# %%
# BEGIN SOLUTION
# | condition = "order_date ____"
condition = "order_date >= DATE '2026-03-01' AND order_date < DATE '2026-04-01'"
# END SOLUTION
check("12.3", condition)

# %% [markdown]
# ## 12.4 A benchmark
#
# A page in the wiki says: *ClickHouse is ten times as fast as Spark, so we move everything to it.* It was measured like this:
#
# - **A** Each engine was asked right after the stack had started.
# - **B** ClickHouse read its published copy; Spark read the table in the lake, to which rows had come since.
# - **C** All engines ran on one machine, one after another.
# - **D** Of three times (4.9 s, 0.6 s, 0.6 s) the page gives the mean.
# - **E** The table had 900 rows; the tables that are to be moved have a billion.
#
# Which of these make the conclusion worthless? Answer with a set of letters, such as `{"A", "B"}`.

# %%
# BEGIN SOLUTION
# | flaws = {"____"}
flaws = {"A", "B", "D", "E"}
# END SOLUTION
check("12.4", flaws)

# %%
progress()
