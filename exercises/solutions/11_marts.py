# %% [markdown]
# # 11 · Marts: written again, joined right, cut by the right clock
#
# Four questions on marts; what is written goes into a namespace of your own, which is dropped again. Fill in each `____`, run the cell, and read what `check` says. `hint("11.1")` helps, and helps more the second time; `solution("11.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, query, solution
from lakehouse.lesson.questions import sheet_11

# %% [markdown]
# ## 11.1 A mart that may be written again
#
# Write `refresh(mart, source)`: it gives **one** Spark SQL statement after which the Iceberg table `mart` holds exactly the rows of `source` (columns `order_date`, `currency`, `order_count`, `net_amount`; a row for each day and currency). It is run on an empty mart, then once more, and then after a day has changed in the source and another one has gone.


# %%
# BEGIN SOLUTION
# | def refresh(mart, source):
# |     return ____
def refresh(mart, source):
    return f"INSERT OVERWRITE {mart} SELECT * FROM {source}"


# END SOLUTION
check("11.1", refresh)

# %% [markdown]
# ## 11.2 A join that counts twice
#
# *What did those people order whom the payment provider or the CRM knows?* (in US dollars, `core.orders.total_amount_usd`). A colleague's query gives far too much. Mend it.

# %%
print(sheet_11.BROKEN)
query(sheet_11.BROKEN)

# %%
# BEGIN SOLUTION
# | ordered = query("SELECT sum(o.total_amount_usd) FROM core.orders o WHERE ____")
ordered = query(
    """SELECT sum(o.total_amount_usd) FROM core.orders o WHERE EXISTS (
           SELECT 1 FROM semantic.entity_index e
           WHERE e.entity_id = o.entity_id AND e.source IN ('stripe', 'hubspot'))"""
)
# END SOLUTION
check("11.2", ordered)

# %% [markdown]
# ## 11.3 Whose day?
#
# The shop is in New York and its people say: *your figures of yesterday are wrong.* The mart cuts days in UTC. Write the Spark SQL expression that gives the day of an order by the shop's clock (`America/New_York`), from `created_at`, the moment in UTC. It has to hold in winter and in summer.

# %%
# BEGIN SOLUTION
# | day = "to_date(____)"
day = "to_date(from_utc_timestamp(created_at, 'America/New_York'))"
# END SOLUTION
check("11.3", day)

# %% [markdown]
# ## 11.4 Seven days of money
#
# `sum(net_amount) OVER (…)` is to give, for each day and currency of the sales mart, what was kept on this day and the six days before it. Write the window. Not every currency has orders on every day.

# %%
# BEGIN SOLUTION
# | window = "____"
window = "PARTITION BY currency ORDER BY order_date RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW"
# END SOLUTION
check("11.4", window)

# %%
progress()
