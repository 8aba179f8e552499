"""ClickHouse without a server package: its engine as a library (chDB), behind ClickHouse's own HTTP interface."""
