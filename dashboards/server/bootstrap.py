"""Bring Superset's metadata to the state that the assets describe, in one process: tables, roles, admin, assets.

    python bootstrap.py --assets FOLDER

Runs in Superset's virtualenv and imports nothing of ours. Prints `step: …` for each step; a failure is one line on
standard output, `error: …`, and the code is 2 for a mistake in the assets and 4 for anything else. Everything
that the assets change is changed in one transaction.
"""

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ADMIN = "admin"


class AssetError(Exception):
    """An asset cannot be imported; the message names file and key."""


def say(line: str, kind: str = "step") -> None:
    """Print one line at once; its beginning tells it from what Superset's migrations print."""
    print(f"{kind}: {line}", flush=True)


def migrate() -> None:
    """Make or renew Superset's own tables and roles where they are not those of this version."""
    from alembic.script import ScriptDirectory
    from flask import current_app
    from flask_migrate import upgrade
    from superset import appbuilder, db, security_manager

    migrate_extension = current_app.extensions["migrate"]
    config = migrate_extension.migrate.get_config(migrate_extension.directory)
    wanted = set(ScriptDirectory.from_config(config).get_heads())
    with db.engine.connect() as connection:
        known = db.inspect(connection).has_table("alembic_version")
        found = {row[0] for row in connection.execute("SELECT version_num FROM alembic_version")} if known else set()
    if found != wanted:
        say("making Superset's tables")
        upgrade()
    if (
        found != wanted
        or not security_manager.find_role("Admin")
        or not security_manager.find_role("Admin").permissions
    ):
        say("making Superset's roles")
        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()


def ensure_admin(password: str) -> Any:
    """Return the one account, made with this password where it is missing."""
    from superset import db, security_manager

    admin = security_manager.find_user(ADMIN)
    if not admin:
        role = security_manager.find_role("Admin")
        admin = security_manager.add_user(ADMIN, "Workbench", "", "admin@localhost.invalid", role, password)
    elif not security_manager.auth_user_db(ADMIN, password):
        security_manager.reset_password(admin.id, password)
    db.session.commit()
    return security_manager.find_user(ADMIN)


def import_assets(folder: Path, admin: Any) -> None:
    """Import every file under `folder` and delete what an earlier import made and this one lacks."""
    from marshmallow import ValidationError
    from sqlalchemy.exc import OperationalError
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.utils.core import override_user
    from superset.utils.decorators import transaction

    contents = {path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*.yaml"))}

    def change() -> None:
        ImportAssetsCommand(contents).run()
        remove_stale(contents)

    try:
        with override_user(admin):
            transaction(on_error=None)(change)()
    except OperationalError:
        raise
    except Exception as error:
        mistakes = [inner for inner in getattr(error, "_exceptions", []) if isinstance(inner, ValidationError)]
        if mistakes:
            raise AssetError(describe_mistake(mistakes[0].normalized_messages())) from error
        said = " ".join(str(error).split())[:300]
        raise AssetError(f"the assets cannot be imported: {type(error).__name__}: {said}") from error
    say(f"imported {sum(name.startswith('charts/') for name in contents)} charts")


def describe_mistake(messages: Any) -> str:
    """Return `file: key: what is wrong` for the first message of a tree of them."""
    words = []
    while isinstance(messages, dict) and messages:
        key, messages = next(iter(messages.items()))
        words.append(str(key))
    text = messages[0] if isinstance(messages, list) and messages else messages
    return ": ".join([*words, str(text).rstrip(".")])


def remove_stale(contents: Mapping[str, str]) -> None:
    """Delete managed dashboards, charts and datasets that no file describes any more."""
    import yaml
    from superset import db
    from superset.connectors.sqla.models import SqlaTable
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    for prefix, model in (("dashboards/", Dashboard), ("charts/", Slice), ("datasets/", SqlaTable)):
        wanted = {str(yaml.safe_load(text)["uuid"]) for name, text in contents.items() if name.startswith(prefix)}
        for found in db.session.query(model).filter_by(is_managed_externally=True):
            if str(found.uuid) not in wanted:
                db.session.delete(found)
        db.session.flush()


def main() -> int:
    """Do all steps and return the exit code."""
    os.umask(0o077)
    parser = argparse.ArgumentParser()
    parser.add_argument("--assets", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        from superset.app import create_app

        app = create_app()
        with app.app_context():
            migrate()
            password = (Path(os.environ["WORKBENCH_HOME"]) / "secrets" / "superset-admin").read_text()
            import_assets(arguments.assets, ensure_admin(password))
    except AssetError as error:
        say(str(error), "error")
        return 2
    except Exception as error:  # whatever it is, the caller shows one line; the traceback is in the log
        import traceback

        traceback.print_exc()
        say(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}", "error")
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
