"""Superset beside the stack: set up, served on loopback, renewed after each publication.

install.py    its own virtualenv, from dashboards/requirements.lock
database.py   its database and role in the stack's PostgreSQL; what has been published there
collect.py    the assets of the published datasets, checked before Superset sees them
server.py     the web server's process: start, stop, who and where it is
client.py     what is asked of the running Superset
control.py    start, stop and status of the whole
renew.py      after a publication
"""

from workbench.dashboards.control import Dashboards, Started, start, status, stop
from workbench.dashboards.renew import forget_history, refresh

__all__ = ["Dashboards", "Started", "forget_history", "refresh", "start", "status", "stop"]
