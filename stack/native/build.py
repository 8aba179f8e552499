"""What set-up makes from what it fetched: the catalog compiled, Trino unpacked."""

from __future__ import annotations

from lakehouse.settings import HOME
from stack.native.services import catalog, trino

if __name__ == "__main__":
    catalog.build(HOME)
    trino.install(HOME)
