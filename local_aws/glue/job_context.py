"""Keep the SparkContext of a rehearsal for the run, where the run cannot tell it from a new one.

What Spark generates and the JVM then compiles belongs to a context's class loader: with a new context all of it is
generated, loaded and compiled again. The session is the script's own in any case, with its own settings, views, tables
and functions. job_rehearsal.py executes this file by its path; it imports nothing of this project either.
"""

from typing import Any

APP_NAME = "spark.app.name"


class ContextKeeper:
    """Stands where PySpark asks the JVM for a context, and answers with the one that is kept if that would do."""

    def __init__(self) -> None:
        from pyspark import SparkContext

        self._make = SparkContext._initialize_context
        self._asked: list[str] = []
        self._kept: Any = None
        self._settings: tuple[list[str], Any] = [], None
        keeper = self

        def initialize(context: Any, settings: Any) -> Any:
            return keeper._initialize(context, settings)

        SparkContext._initialize_context = initialize  # type: ignore[method-assign, assignment]

    def note(self, spark: Any) -> None:
        """Remember how the context of a new session is set."""
        spark._jsparkSession.sharedState()  # which writes where its warehouse is into these settings
        self._settings = _read_settings(spark._jvm, spark._jsc)

    def close(self, spark: Any, rehearsed: bool) -> bool:
        """Close a session; keep its context where it was `rehearsed` to the end. Say whether it is kept."""
        context = spark.sparkContext
        java, active = context._jsc, type(context)._active_spark_context
        if not rehearsed or java is None or java.sc().isStopped() or not self._is_as_new(context, java):
            spark.stop()
            if active is not None and active._jsc is not None:  # one that the rehearsal made itself
                active.stop()
            return False
        for rows in java.getPersistentRDDs().values():
            rows.unpersist()
        java.sc().setLocalProperties(context._jvm.java.util.Properties())
        self._kept, context._jsc = java, None  # so that `stop` leaves it
        spark.stop()
        return True

    def _initialize(self, context: Any, settings: Any) -> Any:
        """Return the context that is kept, or a new one where other settings are asked for; a name may be another."""
        asked = _list_settings(context._jvm, settings)
        kept, self._kept = self._kept, None
        if kept is not None:
            type(context)._initialize_context = self._make
            if asked == self._asked:
                kept.sc().conf().set(APP_NAME, settings.get(APP_NAME))
                return kept
            kept.stop()
        self._asked = asked
        return self._make(context, settings)

    def _is_as_new(self, context: Any, java: Any) -> bool:
        """Tell whether a context has the settings that it began with, and no files, checkpoints or Python workers."""
        before, now = self._settings, _read_settings(context._jvm, java)
        workers = context._jvm.java.lang.ProcessHandle.current().children().count()
        added = [*context.listFiles, *context.listArchives, *context._python_includes]
        same = before[0] == now[0] and now[1].equals(before[1])
        return same and not workers and not added and context.getCheckpointDir() is None


def _read_settings(jvm: Any, java: Any) -> tuple[list[str], Any]:
    """Return Spark's and Hadoop's settings of a context."""
    return _list_settings(jvm, java.sc().conf()), java.hadoopConfiguration().getPropsWithPrefix("")


def _list_settings(jvm: Any, settings: Any) -> list[str]:
    """Return Spark's settings, all but the name, in an order of their own."""
    text = str(jvm.scala.runtime.ScalaRunTime.stringOf(settings.getAll()))  # in one call: Array((name,value), …)
    pairs = text.removeprefix("Array((").removesuffix("))").split("), (")
    return sorted(pair for pair in pairs if not pair.startswith(f"{APP_NAME},"))
