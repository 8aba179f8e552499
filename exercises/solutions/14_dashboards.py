# %% [markdown]
# # 14 · Dashboards: averages, currencies, dates
#
# Three questions on the marts that ClickHouse serves. Fill in each `____`, run the cell, and read what `check` says. `hint("14.1")` helps, and helps more the second time; `solution("14.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, solution

# %% [markdown]
# ## 14.1 The average of the month
#
# `marts.sales_dashboard_daily` has a row per day and currency, with `order_count`, `gross_amount` and `average_order_amount`. A tile shall show the average order of each currency over the whole time. Write the expression after `SELECT currency,` in `… FROM marts.sales_dashboard_daily GROUP BY currency` (ClickHouse's SQL).

# %%
# BEGIN SOLUTION
# | average = "____"
average = "sum(gross_amount) / sum(order_count)"
# END SOLUTION
check("14.1", average)

# %% [markdown]
# ## 14.2 One figure
#
# The board wants net sales as **one figure, in US dollars**. `check` adds orders in a currency for which there is no rate: their `net_amount_usd` is null. Write two expressions over the rows of the mart: the figure, and the number of **orders** that it leaves out, which is to be printed beside it.

# %%
# BEGIN SOLUTION
# | figure = {"usd": "____", "left_out": "____"}
figure = {"usd": "sum(net_amount_usd)", "left_out": "sumIf(order_count, net_amount_usd IS NULL)"}
# END SOLUTION
check("14.2", figure)

# %% [markdown]
# ## 14.3 Stale since when?
#
# A dashboard and a query on the lake give two numbers. The dashboard's copy names the snapshot that it was made from. Write `stale_since(commits, served)`: `commits` is the history of the table, oldest first, as `(snapshot id, committed at, operation)`; the operation is `append`, `overwrite` or `delete`, or `replace` for a compaction. Return the moment since when the dashboard shows something else than the table holds, or `None` while it does not.


# %%
# BEGIN SOLUTION
# | def stale_since(commits, served):
# |     return ____
def stale_since(commits, served):
    ids = [snapshot for snapshot, _, _ in commits]
    for _, committed_at, operation in commits[ids.index(served) + 1 :]:
        if operation != "replace":
            return committed_at
    return None


# END SOLUTION
check("14.3", stale_since)

# %%
progress()
