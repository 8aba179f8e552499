"""How the services start: `native` (processes under supervisord), configuration templates in `conf`."""
