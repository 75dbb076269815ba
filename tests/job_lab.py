"""A lake with the job over it, for tests: upload raw files, run glue/job.py, read what it published."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
from services_s3 import S3Stack, s3_stack

from helpers.contract import compile_contract, load_contract
from local_aws.glue import spark

ROOT = Path(__file__).resolve().parent.parent
RAW, CURATED = "lab-raw", "lab-curated"


@dataclass(frozen=True)
class JobLab:
    """An S3 front over a lake of two buckets, and what a job run needs to start."""

    stack: S3Stack
    work: Path
    worker: "list[subprocess.Popen[str]]" = field(default_factory=list)
    catalog: str = "http://127.0.0.1:9"  # nobody listens there

    @property
    def s3(self) -> Any:
        """A client with the job's key."""
        return self.stack.client("glue")

    def put_contract(self, dataset: str, compiled: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Put a dataset's compiled contract where the job looks; return it."""
        content = dict(compiled or compile_contract(load_contract(dataset)))
        body = json.dumps(content).encode()
        self.s3.put_object(Bucket=CURATED, Key=f"_contracts/{content['dataset']}.json", Body=body)
        return content

    def upload(
        self, dataset: str, name: str, body: bytes, day: str = "2024-01-31", supersedes: Sequence[str] = ()
    ) -> str:
        """Put one raw object under a key as step 01 makes it; return the key."""
        key = f"{dataset}/ingest_date={day}/{hashlib.sha256(body).hexdigest()[:12]}-{name}"
        metadata = {"supersedes": " ".join(map(quote, supersedes))} if supersedes else {}
        self.s3.put_object(Bucket=RAW, Key=key, Body=body, Metadata=metadata)
        return key

    def reject(self, key: str, rejected: bool = True) -> None:
        """Take a raw object out of its dataset as `workbench reject` does, or back in."""
        mark = f"{key.partition('/')[0]}/_rejected/_{hashlib.sha256(key.encode()).hexdigest()[:24]}.json"
        body = json.dumps({"key": key, "reason": "a test says so", "rejected": rejected}).encode()
        self.s3.put_object(Bucket=RAW, Key=mark, Body=body)

    def upload_folder(self, dataset: str, folder: Path) -> dict[str, str]:
        """Put every file of a folder; return key -> file name."""
        return {self.upload(dataset, path.name, path.read_bytes()): path.name for path in sorted(folder.iterdir())}

    def arguments(self, dataset: str, token: str) -> list[str]:
        """Return the job's arguments as Glue passes them."""
        named = {"JOB_NAME": "lab", "DATASET": dataset, "RUN_TOKEN": token, "DATABASE": "lab"}
        named |= {"RAW_BUCKET": RAW, "CURATED_BUCKET": CURATED}
        return [part for name, value in named.items() for part in (f"--{name}", value)]

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return a job process's environment: Spark over the lake, boto3 at the front."""
        conf = self.work / "conf"
        if not conf.is_dir():
            options = spark.choose_jvm_options(0)
            properties = spark.spark_properties(self.stack.lake, self.work, options, {})
            properties["spark.driver.extraJavaOptions"] = " ".join(options.flags[1:])  # the heap is a property
            spark.write_configuration(self.work, properties)
        key = self.stack.key("glue")
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.work),
            "JAVA_HOME": str(spark.java_home()),
            "SPARK_CONF_DIR": str(conf),
            "SPARK_LOCAL_DIRS": str(self.work / "local"),
            "PYTHONPATH": str(ROOT / "glue"),
            "PYSPARK_PYTHON": sys.executable,
            "AWS_ENDPOINT_URL_S3": self.stack.endpoint,
            "AWS_ENDPOINT_URL_GLUE": self.catalog,
            "AWS_MAX_ATTEMPTS": "1",  # of the catalog's client; where there is no catalog, nobody waits for one
            "AWS_ACCESS_KEY_ID": key["access_key_id"],
            "AWS_SECRET_ACCESS_KEY": key["secret_access_key"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **(extra or {}),
        }

    def run_process(self, dataset: str, token: str, **extra: str) -> "subprocess.CompletedProcess[str]":
        """Run the job as a process of its own, as Glue would; `extra` goes into its environment."""
        command = [sys.executable, str(ROOT / "glue" / "job.py"), *self.arguments(dataset, token)]
        return subprocess.run(
            command, env=self.environment(extra), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300
        )

    def run(self, dataset: str, token: str, *more: str) -> str:
        """Run the job in a process that keeps its Spark; return its error in one line, "" where it succeeded."""
        if not self.worker:
            command = [sys.executable, str(ROOT / "tests" / "job_worker.py")]
            log = open(self.work / "worker.log", "w")
            with log:
                pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log}
                self.worker.append(subprocess.Popen(command, env=self.environment(), text=True, **pipes))
        worker = self.worker[0]
        assert worker.stdin and worker.stdout
        worker.stdin.write(json.dumps(["job.py", *self.arguments(dataset, token), *more]) + "\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
        assert answer, (self.work / "worker.log").read_text()[-3000:]
        return str(json.loads(answer))

    def read_json(self, key: str) -> dict[str, Any]:
        """Read a JSON object from the curated bucket."""
        content: dict[str, Any] = json.loads(self.s3.get_object(Bucket=CURATED, Key=key)["Body"].read())
        return content

    def report(self, dataset: str, token: str) -> dict[str, Any]:
        """Return a run's report."""
        return self.read_json(f"_reports/{dataset}/{token}.json")

    def keys(self, prefix: str) -> list[str]:
        """List keys of the curated bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=CURATED, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", [])]

    def empty(self) -> "JobLab":
        """Delete every object of both buckets, for tests that share the lake; return the lab."""
        admin = self.stack.client("admin")
        for bucket in (RAW, CURATED):
            for page in admin.get_paginator("list_objects_v2").paginate(Bucket=bucket):
                if found := [{"Key": entry["Key"]} for entry in page.get("Contents", [])]:
                    admin.delete_objects(Bucket=bucket, Delete={"Objects": found})
        return self

    def query(self, sql: str, table: str) -> list[tuple[Any, ...]]:
        """Query a published table, `{table}` in the SQL, with DuckDB."""
        files = f"read_parquet('{self.stack.lake}/{CURATED}/data/{table}/**/*.parquet', hive_partitioning=true)"
        with duckdb.connect() as connection:
            return connection.execute(sql.replace("{table}", files)).fetchall()


@contextlib.contextmanager
def job_lab(folder: Path) -> Iterator[JobLab]:
    """Start the S3 servers over a new lake with the two buckets."""
    work = folder / "work"
    (work / "tmp").mkdir(parents=True)
    with s3_stack(folder / "home") as stack:
        for bucket in (RAW, CURATED):
            stack.client("admin").create_bucket(Bucket=bucket)
        lab = JobLab(stack, work)
        try:
            yield lab
        finally:
            for worker in lab.worker:
                worker.communicate(timeout=60)
