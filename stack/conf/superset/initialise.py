"""Make Superset's metadata database ready: schema, roles, and the one user who may sign in. Safe to repeat.

One process, where Superset's own commands (`db upgrade`, `fab create-admin`, `init`) are three that each load
everything anew. It runs with Superset's Python; needed besides what superset_config.py needs: SUPERSET_ADMIN_USER and
SUPERSET_ADMIN_PASSWORD.
"""

from __future__ import annotations

import os

from flask_migrate import upgrade
from superset.app import create_app


def main() -> None:
    with create_app().app_context():
        upgrade()
        from superset import appbuilder, db, security_manager

        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        name, password = os.environ["SUPERSET_ADMIN_USER"], os.environ["SUPERSET_ADMIN_PASSWORD"]
        user = security_manager.find_user(name)
        if user:
            security_manager.reset_password(user.id, password)
        else:
            role = security_manager.find_role("Admin")
            security_manager.add_user(name, "Lakehouse", "Admin", f"{name}@localhost", role, password)
        db.session.commit()


if __name__ == "__main__":
    main()
