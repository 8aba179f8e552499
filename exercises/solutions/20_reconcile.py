# %% [markdown]
# # 20 · Reconcile: equations that can fail
#
# Four questions on the ledger. Fill in each `____`, run the cell, and read what `check` says. `hint("20.1")` helps, and helps more the second time; `solution("20.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, drop_scratch, hint, progress, query, solution
from lakehouse.lesson.questions.sheet_20 import two_tables

# %% [markdown]
# ## 20.1 Which equation finds which fault
#
# `core.orders` is compared with `staging.stg_shopify_orders` by three equations: `"rows"` (as many on both sides), `"keys"` (no order id on one side alone), `"money"` (equal sums, each currency by itself). Say for each fault which of them notice it: an order was **dropped**; an order was **doubled**; an order got an **other currency**; one unit **moved** from an order to another one of the same currency. An empty set says that nothing notices.

# %%
# BEGIN SOLUTION
# | finds = {"dropped": ____, "doubled": ____, "other currency": ____, "moved": ____}
finds = {
    "dropped": {"rows", "keys", "money"},
    "doubled": {"rows", "money"},
    "other currency": {"money"},
    "moved": set(),
}
# END SOLUTION
check("20.1", finds)

# %% [markdown]
# ## 20.2 Acknowledged, and in no sender's table
#
# A colleague adds up the raw tables of the three senders and compares with the messages that the API has acknowledged. The raw tables have fewer, and the colleague says: *lost*. Write the query that counts the messages that were acknowledged, are stored, and are read by **no** step of staging.

# %%
# BEGIN SOLUTION
# | never_read = "SELECT count(*) FROM ____"
never_read = "SELECT count(*) FROM raw.ingestion_quarantine"
# END SOLUTION
check("20.2", never_read)

# %% [markdown]
# ## 20.3 Equal counts, different sums
#
# Here are two small tables of your own: `staging_orders`, and `core_orders`, which was made from it by a faulty step. They have the same orders, and the ledger complains about the money of one currency. Find **all** orders whose amount is wrong.

# %%
tables = two_tables()
query(
    f"""SELECT currency, count(s.order_id) AS in_staging, count(c.order_id) AS in_core,
               sum(s.total_amount) AS staging, sum(c.total_amount) AS core
        FROM {tables}.staging_orders AS s FULL JOIN {tables}.core_orders AS c USING (order_id, currency)
        GROUP BY currency ORDER BY currency"""
)

# %%
# BEGIN SOLUTION
# | orders = query(
# |     f"""SELECT order_id FROM {tables}.staging_orders AS s JOIN {tables}.core_orders AS c USING (order_id)
# |         WHERE ____"""
# | )
orders = query(
    f"""SELECT order_id FROM {tables}.staging_orders AS s JOIN {tables}.core_orders AS c USING (order_id)
        WHERE s.total_amount <> c.total_amount"""
)
# END SOLUTION
check("20.3", {"tables": tables, "orders": orders})

# %% [markdown]
# ## 20.4 A ledger that cannot fail
#
# A colleague proposes: *`lost = len(sent) - len(stored)`, and the ledger balances when `len(sent) == len(stored) + lost`.* It has been green for a year. Write one that can fail: `balances(sent, stored)` gets two lists of rows `(id, currency, amount)` and says whether the same rows are on both sides, each as often, in whatever order.


# %%
# BEGIN SOLUTION
# | def balances(sent, stored):
# |     return ____
def balances(sent, stored):
    return sorted(sent) == sorted(stored)


# END SOLUTION
check("20.4", balances)

# %%
drop_scratch(tables)
progress()
