"""Quality rules and the history of their figures: judged before anything is published, exact over increments."""

import json
import random
from typing import Any

import pytest
from job_lab import CURATED, JobLab
from test_job import hashes, small_contract

HEAD = b"k,n,version,day\n"


@pytest.fixture(scope="module")
def lab(job_lake: JobLab) -> JobLab:
    """The lake of all tests of the job, emptied for this module; each test has a dataset of its own in it."""
    return job_lake.empty()


def rule(name: str, **more: Any) -> dict[str, Any]:
    """Compile a rule by hand: no row may meet its condition."""
    rest = {"metric": "sql", "unit": "rows", "operator": "mustBe", "threshold": [0], "severity": "error"}
    return {"name": name, **rest, "columns": [], "condition": "", "query": "", "description": "", **more}


def put_rules(lab: JobLab, dataset: str, *rules: dict[str, Any]) -> None:
    """Put the contract of small rows with these rules."""
    lab.put_contract(dataset, small_contract(dataset, quality=list(rules)))


def figures(lab: JobLab, dataset: str, token: str) -> dict[str, Any]:
    """Return the figure of each rule in a run's report."""
    return {entry["rule"]: entry["figure"] for entry in lab.report(dataset, token)["rules"]}


def test_broken_rule_publishes_nothing_and_names_the_delivery(lab: JobLab) -> None:
    """Rule, figure, threshold, rows, deliveries stand in one line; with that delivery rejected the next run goes on."""
    put_rules(lab, "broken", rule("n is small", condition="(n > 5)", operator="mustBeLessThan", threshold=[2]))
    lab.upload("broken", "good.csv", HEAD + b"a,1,1,2024-01-01\nb,9,1,2024-01-01\n")
    assert lab.run("broken", "b1") == ""
    before = hashes(lab, "broken")
    bad = lab.upload("broken", "bad.csv", HEAD + b"c,7,1,2024-01-01\nd,8,1,2024-01-02\ne,1,1,2024-01-02\n")
    lab.upload("broken", "fine.csv", HEAD + b"f,1,1,2024-01-02\n")
    error = lab.run("broken", "b2")
    assert error.startswith(
        'QualityGateError: rule "n is small" of broken is broken: 3 rows, and it must be less than 2 '
    )
    assert "such rows: k=b, n=9 | k=c, n=7 | k=d, n=8" in error
    assert f"they come from {bad} (2 rows); take a delivery out with `workbench reject OBJECT" in error
    assert "\n" not in error and hashes(lab, "broken") == before and len(lab.keys("_ledger/broken/")) == 1
    lab.reject(bad)
    assert lab.run("broken", "b3") == ""
    assert figures(lab, "broken", "b3") == {"n is small": 1}
    assert lab.report("broken", "b3")["rows"]["curated"] == 3


def test_warning_is_recorded_and_stops_nothing(lab: JobLab) -> None:
    """A broken warning stands in report and history; the table is published."""
    put_rules(lab, "warned", rule("no nines", condition="(n = 9)", severity="warning"))
    lab.upload("warned", "a.csv", HEAD + b"a,9,1,2024-01-01\nb,2,1,2024-01-01\n")
    assert lab.run("warned", "w1") == ""
    [verdict] = lab.report("warned", "w1")["rules"]
    assert (verdict["passed"], verdict["figure"], verdict["must"]) == (False, 1, "be 0")
    assert [line["broken"] for line in lab.report("warned", "w1")["history"]] == [["no nines"]]


MANY = (
    rule("rows", metric="rowCount", operator="mustBeGreaterThan"),
    rule("ones", condition="(n = 1)", operator="mustBeLessThan", threshold=[100]),
    rule("share", metric="invalidValues", condition="(n NOT IN (1, 2))", unit="percent", operator="mustBeLessOrEqualTo",
         threshold=[100]),
    rule("same n a day", metric="duplicateValues", columns=["n", "day"], operator="mustBeLessThan", threshold=[100]),
    rule("same n", metric="duplicateValues", columns=["n"], operator="mustBeLessThan", threshold=[100]),
    rule("average", query="SELECT avg(n) FROM {table}", operator="mustBeBetween", threshold=[0, 100]),
)  # fmt: skip


def test_figures_of_increments_are_those_of_the_whole_table(lab: JobLab) -> None:
    """New rows, a key that moves to another day, a rejected delivery: every figure is what a full run computes."""
    put_rules(lab, "many", *MANY)
    lab.upload("many", "a.csv", HEAD + b"a,1,1,2024-01-01\nb,1,1,2024-01-01\nc,2,1,2024-01-02\nd,,1,2024-01-02\n")
    assert lab.run("many", "m1") == ""
    late = lab.upload("many", "b.csv", HEAD + b"b,2,2,2024-01-02\ne,4,1,2024-01-03\nf,1,1,2024-01-01\n")
    assert lab.run("many", "m2") == ""
    expected = {"rows": 5, "ones": 2, "share": 20, "same n a day": 2, "same n": 2, "average": 2}
    assert figures(lab, "many", "m2") == expected
    assert lab.run("many", "m3", "--FULL", "true") == ""
    assert figures(lab, "many", "m3") == expected
    lab.reject(late)
    assert lab.run("many", "m4") == ""
    again = figures(lab, "many", "m4")
    assert lab.run("many", "m5", "--FULL", "true") == ""
    assert figures(lab, "many", "m5") == again == expected | {
        "rows": 3, "share": 0, "same n a day": 1, "same n": 1, "average": 1.333333
    }  # fmt: skip
    history = lab.report("many", "m5")["history"]
    assert [line["token"] for line in history] == ["m1", "m2", "m3", "m4", "m5"]
    assert [line["rows"]["curated"] for line in history] == [3, 5, 5, 3, 3]


ORACLE = """SELECT count(*), count_if(n = 1), round(100 * count_if(n NOT IN (1, 2)) / greatest(count(*), 1), 6),
    count_if(n IS NOT NULL) - count(DISTINCT (n, day)) FILTER (n IS NOT NULL), count(n) - count(DISTINCT n),
    round(avg(n), 6) FROM {table}"""


def check_figures(lab: JobLab, dataset: str, seed: int, steps: int) -> None:
    """Upload, correct and reject at random; after each run compare every figure with what DuckDB finds in the table."""
    chance = random.Random(seed)
    put_rules(lab, dataset, *MANY)
    keys: list[str] = []
    for step in range(steps):
        rows = [
            f"{chance.choice('abcdefghij')},{chance.choice('1123')},{chance.randint(1, 9)},2024-01-0{day}"
            for day in chance.choices(range(1, 6), k=chance.randint(1, 8))
        ]
        keys.append(lab.upload(dataset, f"{step}.csv", HEAD + "\n".join([*rows, ""]).encode()))
        if step and chance.random() < 0.6:
            lab.reject(chance.choice(keys), rejected=chance.random() < 0.7)
        assert lab.run(dataset, f"s{step}") == ""
        if lab.keys(f"data/{dataset}/"):
            [expected] = lab.query(ORACLE, dataset)
            assert list(figures(lab, dataset, f"s{step}").values()) == pytest.approx(expected, abs=1e-6), (seed, step)


def test_figures_are_those_of_another_engine(lab: JobLab) -> None:
    """After each of a few random increments, counts, shares, duplicates and averages are exact."""
    check_figures(lab, "oracle", 1, 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 8))
def test_figures_are_those_of_another_engine_always(lab: JobLab, seed: int) -> None:
    """The same for other seeds, and longer."""
    check_figures(lab, f"oracle_{seed}", seed, 12)


def test_unchanged_run_repeats_the_verdicts(lab: JobLab) -> None:
    """A run with nothing new reports rules and history as the ledger has them, and adds no line."""
    put_rules(lab, "same", *MANY)
    lab.upload("same", "a.csv", HEAD + b"a,1,1,2024-01-01\n")
    assert lab.run("same", "s1") == lab.run("same", "s2") == ""
    first, second = lab.report("same", "s1"), lab.report("same", "s2")
    assert second["status"] == "unchanged"
    assert first["rules"] == second["rules"] and first["history"] == second["history"]


def test_changed_rule_is_judged_though_no_file_is_new(lab: JobLab) -> None:
    """A rule that becomes stricter refuses what was published before, and a looser one lets it be."""
    put_rules(lab, "strict", rule("ones", condition="(n = 1)", threshold=[1]))
    lab.upload("strict", "a.csv", HEAD + b"a,1,1,2024-01-01\n")
    assert lab.run("strict", "t1") == ""
    put_rules(lab, "strict", rule("ones", condition="(n = 1)", threshold=[0]))
    assert 'rule "ones" of strict is broken: 1 rows, and it must be 0 rows' in lab.run("strict", "t2")
    put_rules(lab, "strict", rule("ones", condition="(n = 1)", threshold=[0], severity="warning"))
    assert lab.run("strict", "t3") == ""


def test_refused_runs_stand_beside_the_history(lab: JobLab) -> None:
    """A refused run is no line of the ledger, yet the next report has its figures: a rule's, and the limit's."""
    put_rules(lab, "beside", rule("ones", condition="(n = 1)", operator="mustBeLessThan", threshold=[2]))
    lab.upload("beside", "a.csv", HEAD + b"a,1,1,2024-01-01\nb,2,1,2024-01-01\n")
    assert lab.run("beside", "h1") == "" and lab.report("beside", "h1")["refused"] == []
    ones = lab.upload("beside", "b.csv", HEAD + b"c,1,1,2024-01-01\nd,1,1,2024-01-01\n")
    assert lab.run("beside", "h2").startswith('QualityGateError: rule "ones"')
    lab.reject(ones)
    odd = lab.upload("beside", "c.csv", HEAD + b"e,x,1,2024-01-01\nf,x,1,2024-01-01\ng,x,1,2024-01-01\n")
    assert lab.run("beside", "h3").startswith("QualityGateError: 3 of 5 rows")
    lab.reject(odd)
    assert lab.run("beside", "h4") == ""
    report = lab.report("beside", "h4")
    assert [line["token"] for line in report["history"]] == ["h1", "h4"]
    rule_line, limit_line = report["refused"]
    assert (rule_line["token"], rule_line["broken"], rule_line["figures"]) == ("h2", ["ones"], {"ones": 3})
    assert (rule_line["rows"]["readable"], rule_line["rows"]["curated"]) == (4, 4)
    assert (limit_line["token"], limit_line["broken"]) == ("h3", ["quarantineLimit"])
    assert limit_line["rows"] == {"readable": 5, "quarantined": 3}
    assert rule_line["at"] <= limit_line["at"] <= report["history"][-1]["at"]
    assert lab.read_json("_refused/beside.json")["runs"] == report["refused"] and len(lab.keys("_ledger/beside/")) == 2


def test_table_that_no_file_fills_is_empty(lab: JobLab) -> None:
    """Files that cannot be read are quarantined as files, also where no other came; a rule on rows refuses that."""
    put_rules(lab, "strange")
    odd = lab.upload("strange", "odd.csv", b"p,q\n1,2\n")
    assert lab.run("strange", "u1") == ""
    report = lab.report("strange", "u1")
    assert report["rows"]["curated"] == 0 and [file["key"] for file in report["unreadable_files"]] == [odd]
    assert len(lab.keys("data/strange_quarantine/")) == 1
    put_rules(lab, "strange", rule("filled", metric="rowCount", operator="mustBeGreaterThan", threshold=[0]))
    assert lab.run("strange", "u2").startswith('QualityGateError: rule "filled"')
    lab.upload("strange", "good.csv", HEAD + b"a,1,1,2024-01-01\n")
    assert lab.run("strange", "u3") == ""
    report = lab.report("strange", "u3")
    assert report["rows"]["curated"] == 1 and [line["broken"] for line in report["refused"]] == [["filled"]]


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (rule("twice", metric="duplicateValues", columns=["n"]), "such rows: k=a, n=1 | k=b, n=1; they come from"),
        (rule("large", metric="rowCount", operator="mustBeGreaterThan", threshold=[9]), "3 rows, and it must be"),
        (rule("none", query="SELECT max(n) FROM {table} WHERE n > 9"), "no number, and it must be 0; this run read"),
        (rule("half", condition="(n = 1)", unit="percent", operator="mustBeLessThan", threshold=[50.5]),
         "66.666667 percent, and it must be less than 50.5 percent"),
    ],
)  # fmt: skip
def test_every_metric_can_refuse(lab: JobLab, broken: dict[str, Any], said: str) -> None:
    """Duplicates, row counts, queries and shares stop a publication, each with its figure."""
    dataset = f"refuse_{broken['name']}"
    put_rules(lab, dataset, broken)
    lab.upload(dataset, "a.csv", HEAD + b"a,1,1,2024-01-01\nb,1,1,2024-01-02\nc,2,1,2024-01-02\n")
    error = lab.run(dataset, "r1")
    assert error.startswith("QualityGateError: rule") and said in error
    assert lab.keys(f"data/{dataset}/") == [] and lab.keys(f"_ledger/{dataset}/") == []


def test_rule_that_spark_does_not_understand_is_named(lab: JobLab) -> None:
    """A query with a mistake stops the run before anything is read, whatever the data."""
    put_rules(lab, "odd", rule("odd one", query="SELECT nonsense(n) FROM {table}"))
    lab.upload("odd", "a.csv", HEAD)
    assert lab.run("odd", "o1").startswith('RuleError: rule "odd one" of odd cannot be evaluated:')


def test_ledger_keeps_figures_by_partition(lab: JobLab) -> None:
    """What adds up is kept for each partition, so that the next run reads only what it builds."""
    put_rules(lab, "kept", *MANY)
    lab.upload("kept", "a.csv", HEAD + b"a,1,1,2024-01-01\nb,3,1,2024-01-02\n")
    assert lab.run("kept", "k1") == ""
    [key] = lab.keys("_ledger/kept/")
    ledger = json.loads(lab.s3.get_object(Bucket=CURATED, Key=key)["Body"].read())
    assert ledger["quality"]["partitions"] == {
        "2024-01-01": {"rows": 1, "counts": {"ones": 1, "share": 0, "same n a day": 0}},
        "2024-01-02": {"rows": 1, "counts": {"ones": 0, "share": 1, "same n a day": 0}},
    }
