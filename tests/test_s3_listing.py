"""Listings, held against a model that knows only the definition."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services_s3 import S3Stack, s3_client, s3_stack

from local_aws.s3.listing import Query, page

ALPHABET = ["a", "b", "/", "-", "ü", "é", "日", ".", " ", "+", "A"]
segments = st.text(alphabet=[letter for letter in ALPHABET if letter != "/"], min_size=1, max_size=3).filter(
    lambda text: text not in (".", "..")
)
keys = st.lists(st.lists(segments, min_size=1, max_size=4).map("/".join), max_size=12)
text = st.text(alphabet=ALPHABET, max_size=4)


def plain(names: list[str]) -> list[str]:
    """Leave out keys that are a folder of another: a folder of files cannot hold both."""
    return sorted({name for name in names if not any(other.startswith(name + "/") for other in names)}, key=str.encode)


def model(names: list[str], prefix: str, delimiter: str, after: str) -> list[tuple[str, bool]]:
    """The definition: keys after `after` with the prefix, rolled up to the first delimiter behind it."""
    lines: dict[str, bool] = {}
    for name in names:
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        line, rolled = (name, False) if cut < 0 else (name[: cut + len(delimiter)], True)
        if name.startswith(prefix) and line.encode() > after.encode():
            lines[line] = rolled
    return list(lines.items())


def fill(root: Path, names: list[str]) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    (root / "empty" / "folder").mkdir(parents=True)


def check_pages(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], asked: tuple[str, str, str], most: int
) -> None:
    root = tmp_path_factory.mktemp("bucket")
    names = plain([name for name in names if not name.startswith("empty")])
    fill(root, names)
    prefix, delimiter, after = asked
    expected = model(names, prefix, delimiter, after)
    found: list[tuple[str, bool]] = []
    while True:
        entries, truncated = page(root, Query(prefix, delimiter, after, most))
        found += [(entry.name, entry.rolled) for entry in entries]
        assert len(entries) == most or not truncated
        if not truncated:
            break
        after = entries[-1].name
    assert found == expected


ASKED = st.tuples(text, st.sampled_from(["", "/", "-", "a", "a/"]), text)
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LONG = settings(QUICK, max_examples=5000)


@given(names=keys, asked=ASKED, most=st.integers(1, 5))
@QUICK
def test_pages_are_the_models(tmp_path_factory: pytest.TempPathFactory, names: Any, asked: Any, most: int) -> None:
    """Pages of any size, put together, are the model's list: no key twice, none left out."""
    check_pages(tmp_path_factory, names, asked, most)


@pytest.mark.slow
@given(names=keys, asked=ASKED, most=st.integers(1, 5))
@LONG
def test_many_pages_are_the_models(tmp_path_factory: pytest.TempPathFactory, names: Any, asked: Any, most: int) -> None:
    """The same, over a whole sweep."""
    check_pages(tmp_path_factory, names, asked, most)


NAMES = ["a-b", "a.b", "a/b", "a/c/d", "a/c/e", "a0", "d e/ü+%2F", "日/<&>", "z"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Stack]:
    with s3_stack(tmp_path_factory.mktemp("s3")) as running:
        running.client().create_bucket(Bucket="bkt")
        fill(running.lake / "bkt", NAMES)
        yield running


s3 = s3_client


@pytest.mark.parametrize("version", ["list_objects", "list_objects_v2"])
@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize(
    "asked", [("", ""), ("", "/"), ("a", "/"), ("a/", "/"), ("a/", ""), ("a/c", "/"), ("n", "/"), ("", "e")]
)
def test_both_versions_page_through(s3: Any, version: str, size: int, asked: tuple[str, str]) -> None:
    """Both list operations, through boto3's paginator, give the model's keys and prefixes."""
    pages = s3.get_paginator(version).paginate(
        Bucket="bkt", Prefix=asked[0], Delimiter=asked[1], PaginationConfig={"PageSize": size}
    )
    found = []
    for answer in pages:
        found += [(line["Key"], False) for line in answer.get("Contents", [])]
        found += [(line["Prefix"], True) for line in answer.get("CommonPrefixes", [])]
    assert sorted(found) == sorted(model(NAMES, *asked, ""))


def test_lines_say_what_head_says(s3: Any) -> None:
    """Size, ETag and time (to the second) of every line are those of HeadObject."""
    for line in s3.list_objects_v2(Bucket="bkt")["Contents"]:
        head = s3.head_object(Bucket="bkt", Key=line["Key"])
        assert (line["ETag"], line["Size"]) == (head["ETag"], head["ContentLength"])
        assert line["LastModified"].replace(microsecond=0) == head["LastModified"]


def test_start_after_and_no_keys(s3: Any) -> None:
    """StartAfter leaves out what comes before; MaxKeys 0 gives nothing and no further page."""
    answer = s3.list_objects_v2(Bucket="bkt", StartAfter="a0")
    assert [line["Key"] for line in answer["Contents"]] == ["d e/ü+%2F", "z", "日/<&>"]
    answer = s3.list_objects_v2(Bucket="bkt", MaxKeys=0)
    assert (answer["KeyCount"], answer["IsTruncated"]) == (0, False)


def test_prefix_does_not_leave_the_bucket(s3: Any, stack: S3Stack) -> None:
    """A prefix with '..' lists nothing, whatever lies beside the bucket."""
    (stack.lake / "other").mkdir()
    (stack.lake / "other" / "secret").write_text("x")
    for prefix in ("../", "../other/", "a/../../other/", "/", "//", "a//"):
        assert s3.list_objects_v2(Bucket="bkt", Prefix=prefix)["KeyCount"] == 0
