"""Dashboards as code: the bundle of YAML that Superset imports, and a client that imports, asks and looks."""
