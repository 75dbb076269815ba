"""Cleaning and ranking on a real Spark, over small frames."""

import contextlib
import datetime as dt
import gc
import importlib
import os
import random
import re
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession

from glue import headers, transform
from local_aws.glue.spark import java_home

# PySpark leaves the sockets over which results came to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

NULLS = ["", "NA", "-"]


def column(name: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    """Describe a column as a compiled contract does."""
    rest = {"source_names": [], "required": False, "pattern": "", "minimum": None, "maximum": None, "values": {}}
    return {"name": name, "type": kind, "formats": [], "derived_from": "", "derived_format": "", **rest, **more}


def contract(*columns: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Describe a contract over these columns."""
    rest = {"key": ["k"], "ordering": [], "partition": "k", "null_spellings": NULLS}
    return {"dataset": "d", "columns": list(columns), **rest, **more}


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local Spark, stopped at the end."""
    folder = tmp_path_factory.mktemp("spark")
    added = {"JAVA_HOME": str(java_home()), "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_DIRS": str(folder)}
    os.environ.update(added)
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    session = builder.config("spark.sql.shuffle.partitions", "2").getOrCreate()
    yield session
    gateway: Any = session.sparkContext._gateway
    session.stop()
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait()
    SparkContext._gateway = SparkContext._jvm = None  # or the next session would look for this JVM
    gc.collect()
    for name in added:
        del os.environ[name]


def read(spark: SparkSession, folder: Path, text: str, rules: dict[str, Any]) -> DataFrame:
    """Write a CSV file, read it as the job does, and clean it."""
    (folder / "a.csv").write_text(text)
    header = headers.match_header(text.split("\n")[0].split(","), rules)
    options = {"header": "true", "multiLine": "true", "escape": '"', "columnNameOfCorruptRecord": transform.CORRUPT}
    raw = spark.read.schema(transform.text_schema(header)).options(**options).csv(str(folder))
    return transform.clean(transform.place_rows(raw, header, rules), rules)


def values(spark: SparkSession, folder: Path, rules: dict[str, Any], texts: Sequence[str]) -> list[tuple[Any, Any]]:
    """Clean one column `v` of these texts; return value and reasons of each row."""
    lines = "".join(f'{number},"{text}"\n' for number, text in enumerate(texts))
    rows = read(spark, folder, "k,v\n" + lines, rules).orderBy("_row").collect()
    return [(row["v"], row["_reasons"]) for row in rows]


def check(spark: SparkSession, folder: Path, rule: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare what texts become with what is expected: a value, or the problem as a text that ends in `!`."""
    found = values(spark, folder, contract(column("k"), rule), list(expected))
    wanted = [
        (None, [f"v: {e[:-1]}"]) if isinstance(e, str) and e.endswith("!") else (e, None) for e in expected.values()
    ]
    assert dict(zip(expected, found, strict=True)) == dict(zip(expected, wanted, strict=True))


def test_whole_numbers(spark: SparkSession, tmp_path: Path) -> None:
    """Digits with a sign are whole numbers; fractions, words and overflow are not; nulls and spaces are understood."""
    bad = "not a whole number!"
    expected = {"7": 7, " 7\t": 7, "-7": -7, "+7": 7, "007": 7, "NA": None, " - ": None, "": None}
    expected |= {"7.0": bad, "7O": bad, "seven": bad, "99999999999": bad, "1 2": bad, "1e2": bad}
    check(spark, tmp_path, column("v", "int"), expected)


def test_decimals(spark: SparkSession, tmp_path: Path) -> None:
    """Decimals are rounded half up to the contract's scale; what does not fit or is no number is refused."""
    bad = "not a number!"
    expected = {"7": Decimal("7.00"), "7.005": Decimal("7.01"), "-0.5": Decimal("-0.50"), "1000": bad, "7,5": bad}
    check(spark, tmp_path, column("v", "decimal(5,2)"), expected | {"NaN": bad, "1.2.3": bad, "NA": None})


def test_decimal_with_an_exponent_beyond_all_scales_is_none(spark: SparkSession, tmp_path: Path) -> None:
    """An exponent of five digits below zero is refused at once, where computing it takes minutes; others are read."""
    bad = "not a number!"
    expected = {"1e-20000000": bad, "-1.5E-00010": bad, "1e-9999": Decimal("0.00"), "12345e-0003": Decimal("12.35")}
    check(spark, tmp_path, column("v", "decimal(5,2)"), expected | {"  -1.2345": Decimal("-1.23"), "1-2-3-4-5": bad})


@pytest.mark.parametrize(
    ("kind", "bounds", "texts"),
    [
        ("bigint", (None, 1.0e16), (["10000000000000000"], ["10000000000000001"])),
        ("bigint", (-1.0e16, None), (["-10000000000000000"], ["-10000000000000001"])),
        ("bigint", (9223372036854775807, 1e300), (["9223372036854775807"], ["9223372036854775806"])),
        ("bigint", (-1e300, -9223372036854775808), (["-9223372036854775808"], ["-9223372036854775807"])),
        ("int", (0.5, 2.5), (["1", "2"], ["0", "3"])),
        ("int", (None, 1e-7), (["0"], ["1"])),
        ("int", (1e20, None), ([], ["2147483647"])),
        ("decimal(5,2)", (None, 99.995), (["99.99"], ["100", "100.00"])),
        ("decimal(5,2)", (0.001, 1e16), (["0.01", "999.99"], ["0", "-1"])),
        ("decimal(38,18)", (0.1, 12345678901234567000.0), (["0.1", "12345678901234567000"], ["0.09999"])),
        ("double", (0.1, 1e16), (["0.1", "1e16"], ["0.09999", "1.1e16"])),
    ],
)
def test_bounds_are_exact(
    spark: SparkSession, tmp_path: Path, kind: str, bounds: tuple[Any, Any], texts: tuple[list[str], list[str]]
) -> None:
    """A bound of any size and precision keeps what lies within it and nothing else."""
    rules = contract(column("k"), column("v", kind, minimum=bounds[0], maximum=bounds[1]))
    good, bad = texts
    reasons = [found for _, found in values(spark, tmp_path, rules, [*good, *bad])]
    assert reasons == [None] * len(good) + [["v: out of range"]] * len(bad)


def test_doubles(spark: SparkSession, tmp_path: Path) -> None:
    """Doubles are plain or with an exponent; Java's own notations are refused."""
    bad = "not a number!"
    texts = {"1.5": 1.5, "1e3": 1000.0, "1.7e308": 1.7e308, "1e-400": 0.0}
    beyond = dict.fromkeys(("1d", "Infinity", "NaN", "1e309", "-1e999", "9" * 400), bad)
    check(spark, tmp_path, column("v", "double"), texts | beyond)


def test_booleans(spark: SparkSession, tmp_path: Path) -> None:
    """Yes and no, true and false are understood in any case."""
    check(spark, tmp_path, column("v", "boolean"), {"Yes": True, "false": False, "maybe": "not yes or no!"})


def test_dates(spark: SparkSession, tmp_path: Path) -> None:
    """Each format is taken strictly: full width, real days, no sign, no time behind."""
    day, bad = dt.date(2024, 3, 5), "not a date!"
    rule = column("v", "date", formats=["%Y-%m-%d", "%d/%m/%Y", "%Y%m%d", "%d %b %Y"])
    expected = {"2024-03-05": day, "05/03/2024": day, "20240305": day, "05 Mar 2024": day, "NA": None}
    expected |= dict.fromkeys(["2024-02-30", "2024-13-01", "2024-3-5", "2024-03-5T", "31/04/2024", "5/3/2024"], bad)
    expected |= dict.fromkeys(["+024-03-05", "2024-+3-05", "2024-03-+5", "05 Mrz 2024", "05 arA 2024", "2024"], bad)
    expected |= dict.fromkeys(["2024-03-05 1", "2024030a", "05/03/20 4", "2024-03- 5", "05 MAR 2024"], bad)
    check(spark, tmp_path, rule, expected)


def test_timestamps(spark: SparkSession, tmp_path: Path) -> None:
    """Timestamps have all their parts and no zone, and mean the same wherever the job runs."""
    time, bad = dt.datetime(2024, 3, 5, 9, 7, 1), "not a timestamp!"
    rule = column("v", "timestamp", formats=["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])
    expected = {"2024-03-05T09:07:01": time, "2024-03-05 09:07:01": time}
    expected |= dict.fromkeys(["2024-03-05", "2024-03-05T25:00:00", "2024-03-05T09:07:1Z", "2024-03-05T9:07:001"], bad)
    check(spark, tmp_path, rule, expected)


def parse_strictly(text: str, forms: Sequence[str]) -> dt.datetime | None:
    """Read a date as a person would: digits in their places, and a real day."""
    digits = {"%Y": "[0-9]{4}", "%b": "(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"}
    for form in forms:
        pattern = re.sub(
            r"%.|.", lambda piece: digits.get(piece[0], "[0-9]{2}" if piece[0][0] == "%" else piece[0]), form
        )
        with contextlib.suppress(ValueError):
            if re.fullmatch(pattern, text):
                return dt.datetime.strptime(text, form)
    return None


@pytest.mark.parametrize(
    ("kind", "forms"),
    [
        ("date", ["%Y-%m-%d", "%d/%m/%Y", "%Y%m%d", "%d %b %Y"]),
        ("date", ["%b-%d-%Y", "%Y-%m-%d %H:%M:%S", "%H:%M %d/%m/%Y"]),
        ("timestamp", ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]),
        ("timestamp", ["%Y-%m-%d", "%d/%m/%Y %H:%M", "%S%M%H%d%m%Y"]),
    ],
)
def test_damaged_dates_are_none(spark: SparkSession, tmp_path: Path, kind: str, forms: list[str]) -> None:
    """Of dates with one to three characters changed, only those that are dates still are taken, with their value."""
    chance = random.Random(len(forms[0]) + len(kind))
    texts = set()
    for _ in range(1500):
        day = dt.datetime(chance.choice([1, 999, 2024, 9999]), chance.randint(1, 12), chance.randint(1, 28), 23, 5, 9)
        form = chance.choice(forms)
        text = [*day.strftime(form).rjust(len(dt.datetime(2024, 1, 1).strftime(form)), "0")]
        for _ in range(chance.randint(0, 3)):
            place = chance.randrange(len(text))
            text[place] = chance.choice([*"0123456789-/:+ TZa.é", "\x01", "\t", ""])
        texts.add("".join(text))
    listed = sorted(texts)
    found = values(spark, tmp_path, contract(column("k"), column("v", kind, formats=forms)), listed)
    for text, (value, reasons) in zip(listed, found, strict=True):
        stripped = text.strip(" \t\r\n")
        expected = parse_strictly(stripped, forms) if stripped not in NULLS else None
        wanted = expected.date() if expected and kind == "date" else expected
        assert value == wanted and (reasons is None) == (expected is not None), (text, value, reasons, wanted)
    assert sum(value is not None for value, _ in found) > 200


def test_white_space_around_a_cell_is_none_of_it(spark: SparkSession, tmp_path: Path) -> None:
    """Blanks, tabs and line ends around a value or what spells a null are passed over, in every type."""
    around = [" {}", "{} ", "\t{}", "{}\t", "{}\r\n", " \t{}\n "]
    numbers = {shape.format("42"): 42 for shape in around} | {shape.format("NA"): None for shape in around}
    check(spark, tmp_path, column("v", "int"), numbers | {"4 2": "not a whole number!", "\t": None})
    words = {shape.format("Ja"): "yes" for shape in around} | {shape.format("-"): None for shape in around}
    rule = column("v", values={"yes": "yes", "ja": "yes"})
    check(spark, tmp_path, rule, words | {"j a": "not an allowed value!"})
    days = {shape.format("2024-03-05"): dt.date(2024, 3, 5) for shape in around}
    check(spark, tmp_path, column("v", "date", formats=["%Y-%m-%d"]), days)
    check(spark, tmp_path, column("v"), {shape.format("x y"): "x y" for shape in around})


def test_enumeration_takes_its_spellings(spark: SparkSession, tmp_path: Path) -> None:
    """A value is kept as the contract writes it, however it was spelt; others are refused."""
    rule = column("v", values={"female": "female", "f": "female", "it's": "it's"})
    check(spark, tmp_path, rule, {"F": "female", " Female ": "female", "It's": "it's", "x": "not an allowed value!"})


def test_null_that_could_be_a_value_is_a_null(spark: SparkSession, tmp_path: Path) -> None:
    """Where 999 spells a null, it is none of the numbers."""
    rules = contract(column("k"), column("v", "int"), null_spellings=["", "999"])
    assert values(spark, tmp_path, rules, ["999", "998"]) == [(None, None), (998, None)]


def test_all_reasons_of_a_row_are_given_in_order(spark: SparkSession, tmp_path: Path) -> None:
    """A row has every reason against it, in the contract's order of columns."""
    rules = contract(
        column("k", required=True, pattern="^S[0-9]$"),
        column("n", "int", required=True, minimum=0, maximum=9),
        column("d", "date", required=True, formats=["%Y-%m-%d"]),
        column("month", derived_from="d", derived_format="%Y-%m"),
        partition="month",
    )
    text = "K,N,D\nS1,1,2024-01-31\nx,10,NA\nNA,?,31.1.\nS2,-1,2024-02-01\n"
    rows = read(spark, tmp_path, text, rules).orderBy("_row").collect()
    assert [row["month"] for row in rows] == ["2024-01", None, None, "2024-02"]
    assert [row["_reasons"] for row in rows] == [
        None,
        ["k: wrong pattern", "n: out of range", "d: missing"],
        ["k: missing", "n: not a whole number", "d: not a date"],
        ["n: out of range"],
    ]


def test_ragged_rows_have_that_reason_alone(spark: SparkSession, tmp_path: Path) -> None:
    """A row with too few or too many fields is not judged by cells that may stand in wrong columns."""
    rules = contract(column("k", "int"), column("v", "int"))
    rows = read(spark, tmp_path, 'k,v\n1,2\nx\n3,4,5\n6,"7"\n', rules).orderBy("_row").collect()
    assert [row["_reasons"] for row in rows] == [None, [transform.RAGGED], [transform.RAGGED], None]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        (["a;b"], "no known column in the header: a;b"),
        (["K", " k "], "column twice in the header: k"),
        (["k", "w"], "required column missing in the header: v"),
    ],
)
def test_header_that_cannot_be_used_is_refused(header: list[str], problem: str) -> None:
    """A header without known columns, with one twice, or without a required one says which."""
    with pytest.raises(ValueError, match=f"^{problem}$"):
        headers.match_header(header, contract(column("k"), column("v", required=True)))


def test_header_is_matched_by_names_and_aliases() -> None:
    """Case, spaces, signs and the contract's other names make no difference; unknown columns are added, or left out."""
    rules = contract(column("student_id", source_names=["pupil no."]), column("v"))
    assert headers.match_header(["PUPIL NO", "An other", " V "], rules) == ("student_id", "an_other", "v")
    report = rules | {"unknown_columns": "report"}
    assert headers.match_header(["PUPIL NO", "other", " V "], report) == ("student_id", "", "v")
    assert headers.match_header(["student_id", "x", "X", "1st", ""], rules) == ("student_id", "", "", "", "")
    assert headers.match_header(["Student-ID"], rules) == ("student_id",)


def import_layout(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a module of the job that imports another one by its name alone, as on Glue."""
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parent.parent / "glue"))
    return importlib.import_module("layout")


@pytest.mark.parametrize(("partition", "shuffles"), [("k", 1), ("p", 2)])
def test_kept_rows_are_cleaned_once_and_shuffled_once(
    spark: SparkSession, partition: str, shuffles: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What made kept rows runs once, however often they are used; ranking them adds no shuffle to the one they have."""
    layout = import_layout(monkeypatch)
    rules = contract(column("k"), column("p"), column("v", "int"), partition=partition)
    made = spark.sparkContext.accumulator(0)

    def count(number: int) -> tuple[str, str, int]:
        made.add(1)
        return str(number % 50), str(number % 2), number

    rows = spark.createDataFrame(spark.sparkContext.range(100).map(count), "k string, p string, v int")
    kept = layout.keep_shuffled(rows, rules, 1)
    ranked = layout.rank_versions(kept, rules, None)
    assert [kept.count(), ranked.where("_version = 1").count(), made.value] == [100, 50, 100]
    plan = layout.keep_winners(ranked, rules, 2)._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Window") and plan.count("Exchange") == shuffles - 1


@pytest.mark.parametrize("partition", ["k", "p"])
def test_winner_does_not_depend_on_the_order_of_rows(
    spark: SparkSession, partition: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ordering decides, then the content; equal rows are duplicates, others superseded, in any order of arrival."""
    layout = import_layout(monkeypatch)
    columns = [column("k"), column("p"), column("at", "int"), column("v", "int")]
    rules = contract(*columns, ordering=[{"column": "at", "descending": True}], partition=partition)
    rows = [
        ("a", "x", 1, 5),
        ("a", "y", 2, 9),
        ("a", "x", 2, 9),
        ("a", "x", 2, 9),
        ("a", "z", None, 1),
        ("b", "x", 1, None),
    ]
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        frame = spark.createDataFrame(rows, "k string, p string, at int, v int")
        ranked = layout.rank_versions(frame, rules, 2, by_partition=seed == 0)
        places = sorted((row["k"], row["_version"], row["_place"]) for row in ranked.collect())
        assert places == [("a", 1, 1), ("a", 2, 1), ("a", 3, 3), ("a", 4, 4), ("a", 5, 5), ("b", 1, 1)]
        kept = layout.keep_winners(ranked, rules, 2).collect()
        assert sorted((row["k"], row["p"], row["v"]) for row in kept) == [("a", "x", 9), ("b", "x", None)]
