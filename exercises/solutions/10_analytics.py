# %% [markdown]
# # 10 · Analytics: what may be added up
#
# Three questions a manager asks, and the tables that answer them. Fill in each `____`, run the cell, and read what `check` says. `hint("10.1")` helps, and helps more the second time; `solution("10.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, contract, hint, progress, query, solution

contract("analytics.order_summary")

# %% [markdown]
# ## 10.1 One figure
#
# *How much did we keep, all in all?* One amount for all days and currencies, without what was deleted, cancelled or paid back.

# %%
# BEGIN SOLUTION
# | kept = query("SELECT ____ FROM analytics.order_summary")
kept = query("SELECT sum(net_amount_usd) FROM analytics.order_summary")
# END SOLUTION
check("10.1", kept)

# %% [markdown]
# ## 10.2 The average order
#
# *What is an order in US dollars worth on average, over the whole time?* Of the orders with currency USD that were not deleted, and from `analytics.order_summary`, which has a row for each day.

# %%
# BEGIN SOLUTION
# | average = query("SELECT ____ FROM analytics.order_summary WHERE currency = 'USD'")
average = query(
    """SELECT sum(total_amount - deleted_amount) / sum(order_count - deleted_order_count)
       FROM analytics.order_summary WHERE currency = 'USD'"""
)
# END SOLUTION
check("10.2", average)

# %% [markdown]
# ## 10.3 How many customers?
#
# *How many people have ordered?* Whoever has made an order, whatever became of it; an order whose person is not known counts for nobody.

# %%
# BEGIN SOLUTION
# | people = query("SELECT ____ FROM ____")
people = query("SELECT count(DISTINCT entity_id) FROM core.orders")
# END SOLUTION
check("10.3", people)

# %%
progress()
