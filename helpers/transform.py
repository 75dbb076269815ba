"""Step 02: run the Glue job that cleans a dataset's raw objects, and read what it reports.

The job's script and compiled contract are what the stack provisioned; they are renewed here only where this checkout
holds others. What the job did is read from the report that it wrote, never guessed from its log.
"""

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from helpers.config import ROOT, StepConfig
from helpers.contract import compile_contract, load_contract
from helpers.contract_rules import find_query_mistakes
from helpers.errors import ContractError, QualityGateError, StepError, WorkbenchError
from helpers.objects import S3Object, differs, list_objects, put_hashed, read_json
from helpers.progress import ProgressLine
from helpers.record import step_entry
from helpers.session import Session, open_session
from helpers.transform_report import TransformResult

if TYPE_CHECKING:
    from mypy_boto3_glue import GlueClient
    from mypy_boto3_glue.type_defs import JobRunTypeDef

_ACTIVE = ("STARTING", "RUNNING", "STOPPING", "WAITING")
_START_TRIES = 4
TRIGGERED = "trigger-"  # how the tokens of runs start that lambdas/on_upload.py begins


@step_entry
def renew_code(cfg: StepConfig) -> pd.DataFrame:
    """Put the job's script and the dataset's contract where the job reads them, where they differ; return the list.

    A run in progress is waited for: it must not find another contract halfway.

    Raises:
        ContractError: a mistake in the contract, also in the SQL of its rules, with file and line.
    """
    session = open_session(cfg.profile)
    s3, bucket = session.client("s3"), session.outputs.curated_bucket
    promised = load_contract(cfg.dataset)
    if mistakes := find_query_mistakes(promised):
        raise ContractError(mistakes[0])
    contract = json.dumps(compile_contract(promised), sort_keys=True, indent=1).encode()
    wanted = {f"_code/{path.name}": path.read_bytes() for path in sorted((ROOT / "glue").glob("[!_]*.py"))}
    wanted[f"_contracts/{cfg.dataset}.json"] = contract
    stale = {key: body for key, body in wanted.items() if differs(s3, bucket, key, body)}
    if stale:
        _wait_until_idle(session)
        for key, body in stale.items():
            put_hashed(s3, bucket, key, body)
    rows = [["job.py and its modules", "how rows are cleaned"], [f"{cfg.dataset}.json", "what a clean row is"]]
    return pd.DataFrame(rows, columns=["the job reads", "which says"])


@step_entry
def run_job(cfg: StepConfig) -> TransformResult:
    """Run the Glue job over all raw objects of the dataset and return its report.

    A run that an upload began by itself, and that has all of these objects, is followed instead of starting another,
    unless everything is to be read anew (`cfg.full`).

    Raises:
        StepError: nothing was ingested, or the job failed; the message names its log.
        QualityGateError: a gate refused the data; nothing was published.
        ContractError: a rule of the contract cannot be evaluated.
    """
    started = time.monotonic()
    session = open_session(cfg.profile)
    raw = session.outputs.raw_bucket
    listed = list_objects(session.client("s3"), raw, f"{cfg.dataset}/")
    if not listed:
        raise StepError(f"s3://{raw}/{cfg.dataset}/ holds nothing: run 01_ingest for {cfg.dataset} first")
    if (
        not cfg.full
        and (triggered := _find_triggered(session, cfg, listed))
        and (result := _take_over(session, cfg, triggered, listed, started))
    ):
        return result
    with ProgressLine(f"job {session.outputs.job}") as progress:
        token, run_id = _start(session, cfg, progress)
        run = _follow(session, run_id, progress)
    return _read_result(session, cfg, run, token, started)


@step_entry
def read_job_run(cfg: StepConfig, run_id: str) -> TransformResult:
    """Return what one run of the job, which has ended, reports.

    Raises:
        StepError, QualityGateError: as `run_job` does.
    """
    session = open_session(cfg.profile)
    glue: GlueClient = session.client("glue")
    run = glue.get_job_run(JobName=session.outputs.job, RunId=run_id)["JobRun"]
    return _read_result(session, cfg, run, run["Arguments"]["--RUN_TOKEN"], time.monotonic())


def _find_triggered(session: Session, cfg: StepConfig, listed: list[S3Object]) -> "JobRunTypeDef | None":
    """Return the newest run that an upload began after all raw objects, the code and the contract were there."""
    s3, bucket = session.client("s3"), session.outputs.curated_bucket
    code = [*list_objects(s3, bucket, "_code/"), *list_objects(s3, bucket, f"_contracts/{cfg.dataset}.json")]
    there = max(found.modified for found in [*listed, *code])
    for run in _list_runs(session):
        arguments = run.get("Arguments", {})
        ours = arguments.get("--DATASET") == cfg.dataset and arguments.get("--RUN_TOKEN", "").startswith(TRIGGERED)
        if ours and run["StartedOn"].timestamp() > there and run["JobRunState"] in (*_ACTIVE, "SUCCEEDED"):
            return run
    return None


def _take_over(
    session: Session, cfg: StepConfig, run: "JobRunTypeDef", listed: list[S3Object], started: float
) -> TransformResult | None:
    """Follow a run that another began, which goes on where the wait is interrupted; None where it is not enough.

    Raises:
        QualityGateError: it was refused by a gate, as one of ours would be.
    """
    with ProgressLine(f"job {session.outputs.job}, begun by an upload") as progress:
        run = _follow(session, run["Id"], progress, ours=False)
    try:
        result = _read_result(session, cfg, run, run["Arguments"]["--RUN_TOKEN"], started)
    except StepError:
        return None
    if not result.has(listed):
        return None
    print(f"an upload had begun job run {run['Id'][:11]}… already: it was followed, and no other was started")
    return replace(result, adopted=True)


def _read_result(
    session: Session, cfg: StepConfig, run: "JobRunTypeDef", token: str, started: float
) -> TransformResult:
    """Return what a run reports. Raises where it did not succeed."""
    if run["JobRunState"] != "SUCCEEDED":
        raise _name_job_failure(session, run)
    bucket, key = session.outputs.curated_bucket, f"_reports/{cfg.dataset}/{token}.json"
    report = read_json(session.client("s3"), bucket, key)
    uri = f"s3://{bucket}/{key}"
    if report is None:
        raise StepError(f"job run {run['Id']} succeeded without {uri}: see {session.job_log(run['Id'])}")
    raw = session.outputs.raw_bucket
    return TransformResult(cfg.dataset, run["Id"], token, uri, raw, report, time.monotonic() - started)


def _start(session: Session, cfg: StepConfig, progress: ProgressLine) -> tuple[str, str]:
    """Start one run and return its token and id; a run that this run id has under way is taken over.

    A lost answer to StartJobRun would make the SDK start a second run, so the client does not retry: the run is
    looked up by its token instead, and started again only where there is none.
    """
    glue: GlueClient = session.boto3_session.client("glue", config=Config(retries={"total_max_attempts": 1}))
    ours = {run["Arguments"].get("--RUN_TOKEN", ""): run for run in reversed(_list_runs(session)) if "Arguments" in run}
    family = {token: run for token, run in ours.items() if token == cfg.run_id or token.startswith(f"{cfg.run_id}.")}
    for token, run in family.items():
        if run["JobRunState"] in _ACTIVE:
            return token, run["Id"]
    token = f"{cfg.run_id}.{len(family) + 1}" if family else cfg.run_id
    arguments = {"--DATASET": cfg.dataset, "--RUN_TOKEN": token} | ({"--FULL": "true"} if cfg.full else {})
    tries = 0
    while True:
        try:
            return token, glue.start_job_run(JobName=session.outputs.job, Arguments=arguments)["JobRunId"]
        except ClientError as error:
            busy = error.response["Error"]["Code"] == "ConcurrentRunsExceededException"
            if not busy and error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                raise
            tries += not busy
            if tries >= _START_TRIES:
                raise
        except BotoCoreError:
            tries += 1
            if tries >= _START_TRIES:
                raise
        for run in _list_runs(session):
            if run.get("Arguments", {}).get("--RUN_TOKEN") == token:
                return token, run["Id"]
        _wait_until_idle(session, progress)


def _list_runs(session: Session) -> list["JobRunTypeDef"]:
    """Return the job's runs, the newest first."""
    glue: GlueClient = session.client("glue")
    pages = glue.get_paginator("get_job_runs").paginate(JobName=session.outputs.job)
    return [run for page in pages for run in page["JobRuns"]]


def _wait_until_idle(session: Session, progress: ProgressLine | None = None) -> None:
    """Wait for the runs in progress, whoever started them."""
    while active := [run for run in _list_runs(session) if run["JobRunState"] in _ACTIVE]:
        if progress:
            progress.say(f"waiting for run {active[0]['Id']} of another")
        time.sleep(session.poll_seconds * 4)


def _follow(session: Session, run_id: str, progress: ProgressLine, ours: bool = True) -> "JobRunTypeDef":
    """Wait for the end of a run and return it; stop it, if it is ours, where the wait is interrupted."""
    glue: GlueClient = session.client("glue")
    name = session.outputs.job
    try:
        while True:
            run = glue.get_job_run(JobName=name, RunId=run_id)["JobRun"]
            progress.say(run["JobRunState"])
            if run["JobRunState"] not in _ACTIVE:
                return run
            time.sleep(session.poll_seconds * 2)
    except KeyboardInterrupt:
        if ours:
            glue.batch_stop_job_run(JobName=name, JobRunIds=[run_id])
        raise


def _name_job_failure(session: Session, run: "JobRunTypeDef") -> WorkbenchError:
    """Return the error of a run that did not succeed, told by the name of its type, which the job puts first."""
    message = run.get("ErrorMessage", "no message")
    log = session.job_log(run["Id"])
    if message.startswith("QualityGateError"):
        gate = message.partition(":")[2].strip() or "a quality gate refused the data"
        return QualityGateError(f"{gate}; nothing was published; log: {log}")
    if message.startswith("RuleError:"):
        return ContractError(f"{message.partition(':')[2].strip()}; nothing was published; log: {log}")
    return StepError(f"job run {run['Id']} ended {run['JobRunState']}: {message}; log: {log}")
