"""lambdas/on_upload.py: which events ring, what starts a run, what goes back, what is buried."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from trigger_world import World, bridge_event, iso, load_handler, refuse, world

KEY = "student_sample/ingest_date=2026-01-01/abc-a b+ü%.csv"


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[World]:
    """A world without faults, its clock at 1000 s."""
    with world(tmp_path) as made:
        yield made


def s3_event(key: str, name: str = "ObjectCreated:Put", bucket: str = "raw") -> dict[str, Any]:
    """Return a notification as S3 itself writes it."""
    entity = {"bucket": {"name": bucket}, "object": {"key": quote_plus(key, safe="/"), "size": 5, "eTag": "e"}}
    return {"Records": [{"eventSource": "aws:s3", "eventName": name, "eventTime": iso(1000), "s3": entity}]}


def batch(*bodies: Any) -> dict[str, Any]:
    """Return a batch of SQS; what is no text becomes JSON."""
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    attributes = {"SentTimestamp": "1000000"}
    return {
        "Records": [
            {"messageId": f"m{number}", "eventSource": "aws:sqs", "body": text, "attributes": attributes}
            for number, text in enumerate(texts)
        ]
    }


def failed(answer: dict[str, Any]) -> list[str]:
    """Return the messages that go back."""
    return [entry["itemIdentifier"] for entry in answer["batchItemFailures"]]


def buried(aws: World) -> list[Any]:
    """Return bodies and reasons of the dead letters."""
    letters = aws.queues.receive("dead", 100)
    return [(letter.body, letter.attributes["Reason"]["StringValue"]) for letter in letters]


@pytest.mark.parametrize("event", [bridge_event(KEY), s3_event(KEY)], ids=["EventBridge", "S3"])
@pytest.mark.parametrize("queued", [True, False])
def test_an_upload_starts_one_run_of_its_dataset(aws: World, event: Any, queued: bool) -> None:
    """Both formats, in a batch or alone, start a run with the dataset of the key's first segment."""
    assert aws.invoke(batch(event) if queued else event) == {"batchItemFailures": []}
    [run] = aws.glue.runs
    assert run["Arguments"]["--DATASET"] == "student_sample"
    assert run["Arguments"]["--RUN_TOKEN"].startswith("trigger-")


def test_a_key_is_decoded_only_where_s3_encoded_it(aws: World) -> None:
    """A dataset's key with a plus, a space and an umlaut is read alike from both formats."""
    known = {"a b+ü"}
    assert aws.handler.read_event(s3_event("a b+ü/x.csv"), known, 0).keys() == known
    assert aws.handler.read_event(bridge_event("a b+ü/x.csv"), known, 0).keys() == known


@pytest.mark.parametrize(
    "event",
    [
        {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "raw"},
        s3_event(KEY, "ObjectRemoved:Delete"),
        bridge_event("nobody/a.csv"),
        bridge_event("a.csv"),
        bridge_event("student_sample/"),
        bridge_event("student_sample/.a.csv.swp"),
        bridge_event("student_sample/_SUCCESS"),
        bridge_event(KEY, bucket="curated"),
    ],
)
def test_what_is_no_raw_object_starts_nothing(aws: World, event: Any) -> None:
    """A test event, a deletion, a hidden name, another bucket or prefix are passed over, and do not come again."""
    assert aws.invoke(batch(event)) == {"batchItemFailures": []}
    assert not aws.glue.runs and not buried(aws)


def test_an_object_outside_the_prefixes_is_logged_with_its_key(aws: World) -> None:
    """Whoever looks for a file that did nothing finds it by name."""
    aws.invoke(batch(bridge_event("nobody/a.csv")))
    assert [(line["bucket"], line["key"]) for line in aws.log] == [("raw", "nobody/a.csv")]


def test_a_batch_is_one_run(aws: World) -> None:
    """A thousand uploads, some told twice and out of order, start one run."""
    events = [bridge_event(f"student_sample/{number % 900}.csv", at=1000 - number) for number in range(1000)]
    assert aws.invoke(batch(*events)) == {"batchItemFailures": []}
    assert len(aws.glue.runs) == 1


def test_two_datasets_take_turns(aws: World) -> None:
    """One run is under way at a time: the other dataset's messages go back, and start theirs when they come again."""
    events = batch(bridge_event(KEY), bridge_event("tennessee_star/a.csv"))
    assert failed(aws.invoke(events)) == ["m1"]
    aws.glue.runs[0]["JobRunState"] = "SUCCEEDED"
    aws.clock += 300
    assert failed(aws.invoke({"Records": events["Records"][1:]})) == []
    assert [run["Arguments"]["--DATASET"] for run in aws.glue.runs] == ["student_sample", "tennessee_star"]


def test_a_busy_job_puts_the_message_back(aws: World) -> None:
    """What came after the run under way had begun waits for the next one."""
    aws.invoke(batch(bridge_event(KEY)))
    aws.clock += 60
    later = {"Records": [{**batch(bridge_event(KEY, at=1030))["Records"][0], "messageId": "later"}]}
    assert failed(aws.invoke(later)) == ["later"]
    assert len(aws.glue.runs) == 1


def test_a_run_that_began_after_the_object_answers_its_event(aws: World) -> None:
    """A late or doubled event of an object that a run has listed already starts no second run."""
    aws.glue.start_job_run("curate", {"--DATASET": "student_sample", "--RUN_TOKEN": "a-notebook"})
    aws.clock += 60
    assert failed(aws.invoke(batch(bridge_event(KEY, at=990)))) == []
    assert len(aws.glue.runs) == 1 and aws.log[-1]["event"] == "answered already"


def test_a_failed_run_answers_nothing(aws: World) -> None:
    """An event that waited for a run which failed starts another."""
    aws.glue.start_job_run("curate", {"--DATASET": "student_sample", "--RUN_TOKEN": "a-notebook"})
    aws.glue.runs[0]["JobRunState"] = "FAILED"
    aws.invoke(batch(bridge_event(KEY, at=990)))
    assert len(aws.glue.runs) == 2


@pytest.mark.parametrize("fault", ["lost", "throttled"])
def test_a_lost_answer_starts_no_second_run(tmp_path: Path, fault: str) -> None:
    """When the answer to StartJobRun is lost the run is found by its token; throttling puts the message back."""
    with world(tmp_path, faults=lambda call: fault if call == "start" else "") as aws:
        assert failed(aws.invoke(batch(bridge_event(KEY)))) == ([] if fault == "lost" else ["m0"])
        assert len(aws.glue.runs) == (1 if fault == "lost" else 0)


def test_a_lost_answer_that_cannot_be_looked_for_starts_no_second_run(tmp_path: Path) -> None:
    """When the look for the token fails, too, the message comes again, and finds the run of its first time."""
    faults = iter(["", "lost", "throttled", "", ""])
    with world(tmp_path, faults=lambda call: next(faults)) as aws:
        aws.clock += 10
        assert failed(aws.invoke(batch(bridge_event(KEY)))) == ["m0"]
        aws.clock += 300
        assert failed(aws.invoke(batch(bridge_event(KEY)))) == []
        assert len(aws.glue.runs) == 1


@pytest.mark.parametrize(
    "body", ["no json", "null", "[]", "5", "{}", '{"detail-type": "Object Created"}', '{"Records": 1}']
)
def test_what_is_no_event_goes_to_the_dead_letters(aws: World, body: str) -> None:
    """It is buried with the reason, comes not again, and does not hold up the others."""
    assert failed(aws.invoke(batch(body, bridge_event(KEY)))) == []
    [(text, reason)] = buried(aws)
    assert text == body and "Error: " in reason and len(aws.glue.runs) == 1
    assert aws.log[0]["event"] == "no event: to the dead letters" and aws.log[0]["reason"] == reason


def test_a_letter_that_cannot_be_sent_comes_again(tmp_path: Path) -> None:
    """Where the dead letters do not take it, the message goes back to the queue."""
    with world(tmp_path, faults=lambda call: "throttled" if call == "send" else "") as aws:
        assert failed(aws.invoke(batch("no json"))) == ["m0"]


def test_a_single_event_that_must_come_again_raises(tmp_path: Path) -> None:
    """Without a queue it is Lambda that tries again, after an error."""
    with world(tmp_path, faults=lambda call: "throttled" if call == "start" else "") as aws:
        with pytest.raises(RuntimeError, match="to be tried again"):
            aws.invoke(bridge_event(KEY))


def test_a_sweep_rings_for_every_dataset(aws: World) -> None:
    """The nightly message becomes one for each dataset that has raw objects; each starts a run in its turn."""
    for key in ("student_sample/a.csv", "tennessee_star/a.csv", "nobody/a.csv"):
        aws.s3.put_object("raw", key, b"x")
    aws.s3.put_object("curated", "_contracts/empty.json", b"{}")
    aws.queues.send("uploads", [('{"detail-type": "Sweep"}', {})])
    for _ in range(4):
        aws.deliver()
        if aws.glue.active:
            aws.glue.active["JobRunState"] = "SUCCEEDED"
        aws.clock += 301
    assert sorted(run["Arguments"]["--DATASET"] for run in aws.glue.runs) == ["student_sample", "tennessee_star"]
    assert aws.queues.attributes("uploads")["ApproximateNumberOfMessages"] == "0"


def test_the_real_client_never_repeats_a_call() -> None:
    """A lost answer must not make the SDK start a second run by itself."""
    module = load_handler(lambda service: None)
    assert "total_max_attempts" in Path(str(module.__file__)).read_text()
    assert refuse("x").response["Error"]["Code"] == "x"
