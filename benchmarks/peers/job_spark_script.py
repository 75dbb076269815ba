"""The job as a person would write it for one dataset in plain Spark, for speed: `python … RAW_FOLDER OUT_FOLDER`.

It stands beside glue/job.py in `make bench` (job_cpu_vs_spark_script): same curated rows, same rejected rows with the
same reasons. One scan, one shuffle by month, one window, one write; rejected rows lie in a folder of their own beside
the months. It does not look at the raw bytes, checks no count, publishes nothing and knows no increments.
"""

import csv
import gzip
import json
import re
import sys
from pathlib import Path

from pyspark import SparkContext
from pyspark.sql import DataFrame, SparkSession

REJECTED = "rejected"  # stands for the month of a rejected row
NULLS = "'', 'NA', 'N/A', 'null', 'NULL', 'nan', '-', '?'"
RENAMED = {
    "pupil": "student_id",
    "sex": "gender",
    "race_ethnicity": "ethnicity",
    "parental_level_of_education": "parental_education",
    "test_preparation_course": "test_preparation",
    "district": "region",
    "school": "school_id",
    "date_of_exam": "exam_date",
    "maths": "math_score",
    "final": "final_percentage",
    "entered": "recorded_at",
}
WORDS = {
    "gender": {"female": "female f", "male": "male m"},
    "ethnicity": {f"group {letter.upper()}": f"group_{letter} {letter}" for letter in "abcde"},
    "parental_education": {
        name: name.replace(" ", "_")
        for name in (
            "some high school",
            "high school",
            "some college",
            "associate's degree",
            "bachelor's degree",
            "master's degree",
        )
    },
    "lunch": {"standard": "standard std", "free/reduced": "free/reduced free_/_reduced reduced"},
    "test_preparation": {"none": "none no not_taken", "completed": "completed yes done"},
    "region": {name: name.lower() for name in ("North", "South", "East", "West", "Central")},
}
SCORES = ("math_score", "reading_score", "writing_score")
SHARES = ("final_percentage", "attendance_rate")
FREE = ("student_id", "school_id", "remarks")
COLUMNS = ("student_id", *WORDS, "school_id", "exam_date", *SCORES, *SHARES, "remarks", "recorded_at")
REQUIRED = ("student_id", "gender", "region", "school_id", "exam_date", "math_score", "reading_score", "recorded_at")
PATTERNS = {"student_id": "^S[0-9]{7}$", "school_id": "^SCH-[0-9]{2}$"}


def read_header(path: Path) -> tuple[str, ...]:
    """Return the columns of a file by our names."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
        names = [re.sub(r"[^0-9a-z]+", "_", name.strip().lower()).strip("_") for name in next(csv.reader(file))]
    return tuple(RENAMED.get(name, name) for name in names)


def read_texts(spark: SparkSession, folder: Path) -> DataFrame:
    """Read every file as text, those with the same header together; `corrupt` tells of a wrong number of fields."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for path in sorted(folder.iterdir()):
        if path.stat().st_size:
            groups.setdefault(read_header(path), []).append(path.as_uri())
    rows: DataFrame | None = None
    for names, files in groups.items():
        schema = ", ".join(f"`{name}` STRING" for name in (*names, "corrupt"))
        read = spark.read.schema(schema).csv(
            files, header=True, multiLine=True, escape='"', columnNameOfCorruptRecord="corrupt"
        )
        texts = [name if name in names else f"CAST(NULL AS STRING) AS {name}" for name in COLUMNS]
        read = read.selectExpr(*texts, "corrupt")
        rows = read if rows is None else rows.unionByName(read)
    assert rows is not None
    return rows


def strip(name: str) -> str:
    """Trim a cell where its ends show that it needs it."""
    ends = " OR ".join(rf"endswith({name}, '{sign}')" for sign in (" ", r"\t", r"\r", r"\n"))
    return rf"IF({name} < '!' OR {ends}, trim(BOTH ' \t\r\n' FROM {name}), {name}) AS {name}"


def value(name: str) -> str:
    """Return the expression of a cell's value."""
    if name in WORDS:
        cases = [
            f"WHEN {quote(word.replace('_', ' '))} THEN {quote(kept)}"
            for kept, words in WORDS[name].items()
            for word in words.split(" ")
        ]
        return f"CASE lower({name}) {' '.join(cases)} END"
    if name in SCORES:
        return f"try_cast({name} AS INT)"
    if name in SHARES:
        return f"try_cast({name} AS DECIMAL(5, 2))"
    if name == "exam_date":
        return (
            "CASE WHEN exam_date LIKE '____-__-__' THEN try_cast(exam_date AS DATE) "
            "WHEN exam_date LIKE '__/__/____' THEN try_cast(concat(substring(exam_date, 7, 4), '-', "
            "substring(exam_date, 4, 2), '-', substring(exam_date, 1, 2)) AS DATE) "
            "WHEN length(exam_date) = 8 THEN try_cast(concat(substring(exam_date, 1, 4), '-', "
            "substring(exam_date, 5, 2), '-', substring(exam_date, 7, 2)) AS DATE) "
            "WHEN exam_date LIKE '__ ___ ____' THEN try_cast(concat(substring(exam_date, 8, 4), '-', lpad((instr("
            "'JanFebMarAprMayJunJulAugSepOctNovDec', substring(exam_date, 4, 3)) + 2) div 3, 2, '0'), '-', "
            "substring(exam_date, 1, 2)) AS DATE) END"
        )
    if name == "recorded_at":
        return "IF(length(recorded_at) = 19, try_cast(recorded_at AS TIMESTAMP_NTZ), NULL)"
    return f"IF({name} IN ({NULLS}), NULL, {name})"


def quote(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "\\'") + "'"


def reasons(name: str) -> list[tuple[str, str]]:
    """Return the conditions under which a cell rejects its row, with the reason."""
    found = []
    is_null = f"(t_{name} IS NULL OR t_{name} IN ({NULLS}))"
    if name in REQUIRED:
        found.append((f"{name} IS NULL AND {is_null}", f"{name}: missing"))
    if name not in FREE:
        kinds = dict.fromkeys(SCORES, "not a whole number") | dict.fromkeys(SHARES, "not a number")
        kinds |= {"exam_date": "not a date", "recorded_at": "not a timestamp"}
        found.append((f"{name} IS NULL AND NOT {is_null}", f"{name}: {kinds.get(name, 'not an allowed value')}"))
    if name in PATTERNS:
        found.append((f"NOT {name} RLIKE '{PATTERNS[name]}'", f"{name}: wrong pattern"))
    if name in SCORES + SHARES:
        found.append((f"{name} NOT BETWEEN 0 AND 100", f"{name}: out of range"))
    return found


def run(spark: SparkSession, raw: Path, out: Path) -> dict[str, object]:
    """Clean, rank and write; return the number of curated and rejected rows, and the rejected ones by reason."""
    texts = read_texts(spark, raw).selectExpr(*map(strip, COLUMNS), "corrupt")
    typed = texts.selectExpr(
        *(f"{name} AS t_{name}" for name in COLUMNS), *(f"{value(name)} AS {name}" for name in COLUMNS), "corrupt"
    )
    problems = [problem for name in COLUMNS for problem in reasons(name)]
    listed = ", ".join(f"IF({condition}, {quote(reason)}, NULL)" for condition, reason in problems)
    bad = " OR ".join(f"({condition})" for condition, _ in problems)
    ragged = "WHEN corrupt IS NOT NULL THEN array('wrong number of fields')"
    why = f"CASE {ragged} WHEN {bad} THEN array_compact(array({listed})) END"
    month = f"IF(reasons IS NULL, date_format(exam_date, 'yyyy-MM'), '{REJECTED}') AS exam_month"
    rows = typed.selectExpr(*COLUMNS, f"{why} AS reasons").selectExpr("*", month)
    rows = rows.repartition(2 * spark.sparkContext.defaultParallelism, "exam_month")
    ties = [f"{name} NULLS FIRST" for name in COLUMNS if name not in ("student_id", "exam_date", "recorded_at")]
    order = ", ".join(["recorded_at DESC NULLS LAST", *ties])
    # A rejected row has a key of its own, so that none of them is dropped.
    window = f"(PARTITION BY exam_month, student_id, exam_date ORDER BY {order})"
    kept = rows.selectExpr("*", f"row_number() OVER {window} AS place").where("place = 1 OR reasons IS NOT NULL")
    kept.drop("place").write.mode("overwrite").partitionBy("exam_month").parquet(out.as_uri())
    written = spark.read.parquet(out.as_uri())
    halves = written.groupBy((written.exam_month == REJECTED).alias("rejected")).count().collect()
    counts: dict[bool, int] = {bool(row[0]): int(row[1]) for row in halves}
    rejected = written.where(f"exam_month = '{REJECTED}'").selectExpr("explode(reasons) AS reason")
    found = {row[0]: int(row[1]) for row in rejected.groupBy("reason").count().collect()}
    return {"curated": counts[False], "quarantined": counts.get(True, 0), "reasons": dict(sorted(found.items()))}


def main(raw: str, out: str) -> None:
    """Run it, print what it gave, and wait for the JVM, so that its CPU is counted."""
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    spark.conf.set("spark.sql.codegen.hugeMethodLimit", "8000")  # or the rules are interpreted, at three times the CPU
    print(json.dumps(run(spark, Path(raw).absolute(), Path(out).absolute())))
    gateway = SparkContext._gateway
    spark.stop()
    assert gateway is not None
    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(60)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
