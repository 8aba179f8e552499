# %% [markdown]
# # 09 · Core: whose value, whose order
#
# Four questions on what core makes of the records of the running stack. Fill in each `____`, run the cell, and read what `check` says. `hint("09.1")` helps, and helps more the second time; `solution("09.1")` shows one answer.

# %%
from lakehouse.lesson import ____, check, hint, progress, query, solution
from lakehouse.lesson.questions import sheet_09

# %% [markdown]
# ## 09.1 Which mailbox survives?
#
# Of all records of a person, the first row of a window gives the email. The rule: a person's own mailbox before a desk's (`is_desk`), then one that the sender has `verified`, then the one with the latest `updated_at`. Write the `ORDER BY` of that window. Three made-up people stand among the real ones.

# %%
mailboxes = sheet_09.mailboxes()
mailboxes[mailboxes["entity_id"].duplicated(keep=False)].head(8)

# %%
# BEGIN SOLUTION
# | order_by = "____"
order_by = "is_desk, verified DESC, updated_at DESC"
# END SOLUTION
check("09.1", order_by)

# %% [markdown]
# ## 09.2 Patchwork
#
# For how many people in `core.customers` are name and email of two different **senders**? `name_from` and `email_from` name the record, as `sender:id`.

# %%
# BEGIN SOLUTION
# | people = query("SELECT count(*) FROM core.customers WHERE ____")
people = query(
    """SELECT count(*) FROM core.customers
       WHERE split_part(name_from, ':', 1) <> split_part(email_from, ':', 1)"""
)
# END SOLUTION
check("09.2", people)

# %% [markdown]
# ## 09.3 An old mailing list
#
# Marketing has kept a list of ids for a year, `mailing(entity_id)`. Meanwhile people were merged: `alias(old_entity_id, entity_id)` says where an old id leads, and ids that are not in it are what they were. Write a query that gives each **person** of the list once, with the number of their `orders(order_id, entity_id)`; people without orders, too. Columns: `entity_id`, `orders`. `sheet_09.ask(sql)` tries a query.

# %%
sheet_09.ask("SELECT * FROM mailing LEFT JOIN alias ON mailing.entity_id = old_entity_id")

# %%
# BEGIN SOLUTION
# | sql = """SELECT ____ AS entity_id, ____ AS orders
# |          FROM mailing LEFT JOIN orders USING (entity_id) GROUP BY 1"""
sql = """SELECT coalesce(alias.entity_id, mailing.entity_id) AS entity_id, count(DISTINCT order_id) AS orders
         FROM mailing LEFT JOIN alias ON mailing.entity_id = old_entity_id
         LEFT JOIN orders ON orders.entity_id = coalesce(alias.entity_id, mailing.entity_id) GROUP BY 1"""
# END SOLUTION
check("09.3", sql)

# %% [markdown]
# ## 09.4 Account for every order
#
# Finance asks how orders come to their person. Give the account of `core.orders`: all `orders`; those whose person is known `by_customer` (the order names one); those that were found `by_mailbox` (a guest's); and those that are of `nobody` so far.

# %%
# BEGIN SOLUTION
# | account = {"orders": ____, "by_customer": ____, "by_mailbox": ____, "nobody": ____}
row = query(
    """SELECT count(*) AS orders, count_if(customer_id IS NOT NULL AND entity_id IS NOT NULL) AS by_customer,
              count_if(customer_id IS NULL AND entity_id IS NOT NULL) AS by_mailbox,
              count_if(entity_id IS NULL) AS nobody FROM core.orders"""
)
account = {name: int(row[name].iloc[0]) for name in row}
# END SOLUTION
check("09.4", account)

# %%
progress()
