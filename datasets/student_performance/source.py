"""Write a year of messy monthly CSV files of school examinations, and say what is wrong with them.

    python source.py --out FOLDER [--rows 100000] [--seed 7] [--truth FILE.json] [--clean FILE.csv]

FOLDER gets twelve monthly exports and one empty file; `--rows` counts the data records of them all. The same rows and
seed give the same bytes. `--truth` gets what was planted: every row that must be rejected with its file, record, line,
raw text and reasons, and the counts that a pipeline must find. `--clean` gets the rows that must be left in the end.
"""

import argparse
import csv
import gzip
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MONTHS = 12
YEAR = 2024
ATTENDANCE_FROM = 6  # the month (0 = January) in whose export attendance_rate first appears
COLUMNS = (
    "student_id gender ethnicity parental_education lunch test_preparation region school_id exam_date "
    "math_score reading_score writing_score final_percentage attendance_rate remarks recorded_at"
).split()
GENDERS = ["female", "male"]
ETHNICITIES = [f"group {letter}" for letter in "ABCDE"]
EDUCATIONS = [
    "some high school",
    "high school",
    "some college",
    "associate's degree",
    "bachelor's degree",
    "master's degree",
]
LUNCHES = ["standard", "free/reduced"]
PREPARATIONS = ["none", "completed"]
REGIONS = ["North", "South", "East", "West", "Central"]
REMARKS = [
    "",
    "Good progress",
    "Needs help with fractions, reads well",
    'Says "I like maths"',
    "Absent in week 2\nparents informed",
    "Très attentive",
    "Repeats the year\n\nsee file, page 3",
]
VOCABULARY = {
    "gender": GENDERS,
    "ethnicity": ETHNICITIES,
    "parental_education": EDUCATIONS,
    "lunch": LUNCHES,
    "test_preparation": PREPARATIONS,
    "region": REGIONS,
    "remarks": REMARKS,
}
# Other ways in which schools write the same value: canonical value -> spellings.
SPELLINGS = {
    "gender": {"female": ["F", "Female", "FEMALE", "f"], "male": ["M", "Male", "MALE", "m"]},
    "ethnicity": {value: [value.title(), value[-1]] for value in ETHNICITIES},
    "lunch": {"standard": ["Standard", "std"], "free/reduced": ["Free/Reduced", "free / reduced", "reduced"]},
    "test_preparation": {"none": ["No", "not taken"], "completed": ["Completed", "yes", "done"]},
    "region": {value: [value.lower(), value.upper()] for value in REGIONS},
}
NULLS = ["", "NA", "N/A", "null", "NULL", "-", "nan", "?"]
DATES = ("iso", "slashes", "compact", "named")

PLAIN = dict(zip(COLUMNS, COLUMNS, strict=True))
TITLES = {name: name.replace("_", " ").title().replace(" Id", " ID") for name in COLUMNS}
RENAMED = PLAIN | {
    "student_id": "Pupil",
    "gender": "Sex",
    "ethnicity": "race/ethnicity",
    "parental_education": "parental level of education",
    "test_preparation": "test preparation course",
    "region": "District",
    "school_id": "School",
    "exam_date": "Date of exam",
    "math_score": "Maths",
    "final_percentage": "Final %",
    "recorded_at": "entered",
}
SHUFFLED = [*COLUMNS[8:13], *COLUMNS[:8], *COLUMNS[13:]]


@dataclass(frozen=True)
class Export:
    """How one month's file is written."""

    month: int
    names: dict[str, str] = field(default_factory=lambda: PLAIN)
    order: list[str] = field(default_factory=lambda: COLUMNS)
    dates: str = "iso"
    bom: bool = False
    gzip: bool = False
    newline: str = "\n"
    quote_all: bool = False
    blank_every: int = 0

    @property
    def file(self) -> str:
        """The file's name."""
        return f"student_performance_{YEAR}-{self.month + 1:02d}.csv" + (".gz" if self.gzip else "")

    @property
    def columns(self) -> list[str]:
        """The contract's names of the file's columns, in the file's order."""
        return [name for name in self.order if name != "attendance_rate" or self.month >= ATTENDANCE_FROM]


EXPORTS = (
    Export(0),
    Export(1, names=TITLES, dates="slashes"),
    Export(2, names={name: name.upper() for name in COLUMNS}, dates="compact", blank_every=300),
    Export(3, bom=True),
    Export(4, names=RENAMED, dates="named"),
    Export(5, gzip=True),
    Export(6),
    Export(7, names={name: f"  {title} " for name, title in TITLES.items()}, order=SHUFFLED),
    Export(8, names={name: name.replace("_", "-") for name in COLUMNS}, newline="\r\n", dates="slashes"),
    Export(9, quote_all=True),
    Export(10, names=TITLES, order=SHUFFLED, gzip=True, bom=True, dates="named"),
    Export(11),
)
EMPTY_FILE = f"student_performance_{YEAR + 1}-01.csv"

Rows = dict[str, np.ndarray]

SHORT, LONG = "short", "long"
RAGGED = "wrong number of fields"
# kind of defect -> share of all rows, cells to overwrite (one of the texts is taken), reasons in the contract's order
DEFECTS: dict[str, tuple[float, dict[str, list[str]], list[str]]] = {
    "no student": (0.002, {"student_id": NULLS}, ["student_id: missing"]),
    "no date": (0.001, {"exam_date": NULLS}, ["exam_date: missing"]),
    "bad student": (0.001, {"student_id": ["1234", "S12", "X0000017"]}, ["student_id: wrong pattern"]),
    "bad date": (0.002, {"exam_date": ["2024-02-30", "31/11/2024", "20241301", "May"]}, ["exam_date: not a date"]),
    "text score": (0.003, {"math_score": ["eighty", "7O", "72.5.1", "**"]}, ["math_score: not a whole number"]),
    "text percentage": (0.001, {"final_percentage": ["passed", "7e", "81%"]}, ["final_percentage: not a number"]),
    "high or low score": (0.003, {"reading_score": ["137", "-4", "1000"]}, ["reading_score: out of range"]),
    "high percentage": (0.001, {"final_percentage": ["100.01", "732.00"]}, ["final_percentage: out of range"]),
    "bad gender": (0.002, {"gender": ["x", "femal", "0"]}, ["gender: not an allowed value"]),
    "bad lunch and score": (
        0.001,
        {"lunch": ["pizza"], "writing_score": ["101", "-1"]},
        ["lunch: not an allowed value", "writing_score: out of range"],
    ),
    "bad time": (0.001, {"recorded_at": ["2024-13-01T10:00:00", "noon"]}, ["recorded_at: not a timestamp"]),
    SHORT: (0.002, {}, [RAGGED]),
    LONG: (0.002, {}, [RAGGED]),
}
EXACT, OLDER, TIED = 0.010, 0.008, 0.002  # shares of exact duplicates, of older versions, of ties lost on content


def percentage(rows: Rows) -> np.ndarray:
    """Return the mean of three scores in hundredths of a percent, rounded half up."""
    return ((rows["math_score"] + rows["reading_score"] + rows["writing_score"]) * 200 + 3) // 6


def draw_rows(count: int, rng: np.random.Generator) -> Rows:
    """Draw `count` right rows, at most one a pupil and month; -1 in a column of codes or numbers means null."""
    pupils = -(-count // MONTHS)
    slots = np.sort(rng.permutation(pupils * MONTHS)[:count])
    pupil, month = slots // MONTHS, slots % MONTHS
    school = rng.integers(0, 40, pupils)
    traits = {
        "gender": rng.integers(0, 2, pupils),
        "ethnicity": rng.choice(5, pupils, p=[0.09, 0.19, 0.32, 0.26, 0.14]),
        "parental_education": rng.choice(6, pupils, p=[0.18, 0.20, 0.22, 0.22, 0.12, 0.06]),
        "lunch": rng.choice(2, pupils, p=[0.65, 0.35]),
        "test_preparation": rng.choice(2, pupils, p=[0.64, 0.36]),
        "region": school // 8,
    }
    level = 60 + rng.normal(0, 10, pupils) + 2 * traits["parental_education"] - 6 * traits["lunch"]
    level += 6 * traits["test_preparation"] + np.array([0, 3, -2, 1, -4])[traits["region"]]
    level = level[pupil] + 0.5 * month
    female = traits["gender"][pupil] == 0
    rows = {name: codes[pupil] for name, codes in traits.items()}
    for name, gap in (("math_score", -1.5), ("reading_score", 2.5), ("writing_score", 3.5)):
        score = level + np.where(female, gap, -gap) + rng.normal(0, 6, count)
        rows[name] = np.clip(np.rint(score), 0, 100).astype(np.int64)
    rows["student_id"] = rng.permutation(max(pupils, 1_000_000))[:pupils][pupil] + 1
    rows["school_id"] = school[pupil] + 1
    rows["month"] = month
    start = np.datetime64(f"{YEAR}-01", "M") + month
    rows["exam_date"] = start.astype("M8[D]") + rng.integers(4, 27, count)
    seconds = rng.integers(86_400, 15 * 86_400, count)
    rows["recorded_at"] = rows["exam_date"].astype("M8[s]") + seconds
    rows["final_percentage"] = percentage(rows)
    attendance = rng.normal(9200, 500, count).astype(np.int64).clip(5000, 10000)
    rows["attendance_rate"] = np.where((month >= ATTENDANCE_FROM) & (rng.random(count) > 0.01), attendance, -1)
    rows["remarks"] = np.where(rng.random(count) < 0.06, rng.integers(1, len(REMARKS), count), -1)
    for name in ("ethnicity", "parental_education", "lunch", "test_preparation"):
        rows[name] = np.where(rng.random(count) < 0.015, -1, rows[name])
    absent = rng.random(count) < 0.01  # no third paper, hence no percentage
    rows["writing_score"] = np.where(absent, -1, rows["writing_score"])
    rows["final_percentage"] = np.where(absent, -1, rows["final_percentage"])
    return rows


def plan_rows(total: int, rng: np.random.Generator) -> tuple[Rows, np.ndarray]:
    """Return `total` rows and the kind of each: 0 stays, 1 exact duplicate, 2 loses, 3 and up: that defect."""
    exact, older, tied = (max(2, round(total * share)) for share in (EXACT, OLDER, TIED))
    base = draw_rows(total - exact - older - tied, rng)
    kept = len(base["month"])
    defects = [max(2, round(total * share)) for share, _, _ in DEFECTS.values()]
    shuffled = rng.permutation(kept)
    base_kind = np.zeros(kept, dtype=np.int64)
    base_kind[shuffled[: sum(defects)]] = np.repeat(np.arange(len(defects)) + 3, defects)
    right = shuffled[sum(defects) :]
    whole = right[(base["writing_score"][right] >= 0) & (base["math_score"][right] < 90)]
    rivals = rng.choice(whole, older + tied)
    source = np.concatenate([np.arange(kept), rng.choice(right, exact), rivals])
    rows = {name: values[source] for name, values in base.items()}
    rows["file"] = rows["month"].copy()
    late = rivals[:older:2]  # every second correction arrives with the next month's export
    rows["file"][late] = np.minimum(rows["month"][late] + 1, MONTHS - 1)
    losers = np.arange(kept + exact, total)
    rows["math_score"][losers] += rng.integers(1, 10, len(losers))
    rows["final_percentage"][losers] = percentage({name: values[losers] for name, values in rows.items()})
    days = rng.integers(1, 20, older)
    rows["recorded_at"][losers[:older]] -= (days * 86_400).astype("m8[s]")
    kind = np.concatenate([base_kind, np.repeat([1, 2], [exact, older + tied])])
    return rows, kind


def pick(texts: list[str], index: np.ndarray) -> np.ndarray:
    """Return the text of each index as an array of objects."""
    return np.array(texts, dtype=object)[index]


def hundredths(values: np.ndarray) -> np.ndarray:
    """Write hundredths with two decimals; null as ''."""
    texts = [f"{value // 100}.{value % 100:02d}" for value in range(10_001)]
    return pick([*texts, ""], values)


def write_dates(days: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Write each day in the style of its index in DATES."""
    first = days.min()
    every = np.arange(first, days.max() + 1).astype(object)
    formats = ("%Y-%m-%d", "%d/%m/%Y", "%Y%m%d", "%d %b %Y")
    table = np.array([[day.strftime(form) for form in formats] for day in every], dtype=object)
    return table[(days - first).astype(np.int64), style]


def canonical_texts(rows: Rows) -> dict[str, np.ndarray]:
    """Write every value as it stands in the curated table; null as ''."""
    texts = {name: pick([*values, ""], rows[name]) for name, values in VOCABULARY.items()}
    for name in ("math_score", "reading_score", "writing_score"):
        texts[name] = pick([*map(str, range(101)), ""], rows[name])
    for name in ("final_percentage", "attendance_rate"):
        texts[name] = hundredths(rows[name])
    texts["student_id"] = np.array([f"S{number:07d}" for number in rows["student_id"].tolist()], dtype=object)
    texts["school_id"] = pick([f"SCH-{number:02d}" for number in range(41)], rows["school_id"])
    texts["exam_date"] = write_dates(rows["exam_date"], np.zeros(len(rows["month"]), dtype=np.int64))
    texts["recorded_at"] = np.datetime_as_string(rows["recorded_at"], unit="s").astype(object)
    return texts


def soil(texts: dict[str, np.ndarray], rows: Rows, rng: np.random.Generator) -> dict[str, object]:
    """Spell values, nulls and dates in the ways that schools do, without changing what they mean; return counts."""
    count = len(rows["month"])
    planted: dict[str, object] = {}
    for name, spellings in SPELLINGS.items():
        for value, variants in spellings.items():
            chosen = np.flatnonzero((texts[name] == value) & (rng.random(count) < 0.2))
            texts[name][chosen] = pick(variants, rng.integers(0, len(variants), len(chosen)))
            planted[name] = int(planted.get(name, 0)) + len(chosen)  # type: ignore[call-overload]
    nulls = {}
    for name in texts:
        chosen = np.flatnonzero((texts[name] == "") & (name != "remarks" or rng.random(count) < 0.1))
        texts[name][chosen] = pick(NULLS, rng.integers(0, len(NULLS), len(chosen)))
        nulls[name] = len(chosen)
    style = np.array([DATES.index(export.dates) for export in EXPORTS])[rows["file"]]
    style = np.where(rng.random(count) < 0.05, rng.integers(0, len(DATES), count), style)
    texts["exam_date"] = write_dates(rows["exam_date"], style)
    spaced = np.flatnonzero(rng.random(count) < 0.3)
    texts["recorded_at"][spaced] = [text.replace("T", " ") for text in texts["recorded_at"][spaced].tolist()]
    return {"spellings": planted, "nulls": nulls, "dates": np.bincount(style, minlength=4).tolist()}


def pad(texts: dict[str, np.ndarray], count: int, rng: np.random.Generator) -> int:
    """Put spaces and tabs around some cells; return how many."""
    padded = 0
    for name in COLUMNS:
        if name != "remarks":
            chosen = np.flatnonzero(rng.random(count) < 0.004)
            texts[name][chosen] = ["  " + text + " \t" for text in texts[name][chosen].tolist()]
            padded += len(chosen)
    return padded


def spoil(texts: dict[str, np.ndarray], kind: np.ndarray, rng: np.random.Generator) -> None:
    """Overwrite the cells of the rows that must be rejected."""
    for number, (_, cells, _) in enumerate(DEFECTS.values(), start=3):
        chosen = np.flatnonzero(kind == number)
        for name, choices in cells.items():
            texts[name][chosen] = pick(choices, rng.integers(0, len(choices), len(chosen)))


def quoted(text: str, always: bool = False) -> str:
    """Quote a cell where CSV asks for it."""
    if always or any(sign in text for sign in ',"\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def write_export(export: Export, texts: dict[str, list[str]], kind: list[int], folder: Path) -> dict[str, object]:
    """Write one file; return its name, its rows and the rows that must be rejected, with place and reasons."""
    columns = [
        [quoted(text, export.quote_all) for text in texts[name]]
        if export.quote_all or name == "remarks"
        else texts[name]
        for name in export.columns
    ]
    records = [",".join(cells) for cells in zip(*columns, strict=True)]
    names = list(DEFECTS)
    lines = [",".join(quoted(export.names[name]) for name in export.columns)]
    rejects = []
    line = 2
    for record, (text, number) in enumerate(zip(records, kind, strict=True), start=1):
        if number >= 3:
            defect = names[number - 3]
            if defect == LONG:
                text += ",surplus"
            elif defect == SHORT:
                text = text.rsplit(",", 1)[0]
            reasons = DEFECTS[defect][2]
            rejects.append(
                {"file": export.file, "record": record, "line": line, "reasons": reasons, "raw": text, "kind": defect}
            )
        lines.append(text)
        line += 1 + text.count("\n")
        if export.blank_every and record % export.blank_every == 0:
            lines.append("")
            line += 1
    body = (export.newline.join(lines) + export.newline).encode()
    body = b"\xef\xbb\xbf" + body if export.bom else body
    (folder / export.file).write_bytes(gzip.compress(body, 6, mtime=0) if export.gzip else body)
    newlines = sum("\n" in text for text in records)
    return {"name": export.file, "rows": len(records), "quoted_newlines": newlines, "rejects": rejects}


def write_clean(texts: dict[str, np.ndarray], chosen: np.ndarray, path: Path) -> None:
    """Write the rows that must be left, in the contract's order of columns and sorted by key."""
    names = [*COLUMNS, "exam_month"]
    texts = texts | {"exam_month": np.array([text[:7] for text in texts["exam_date"].tolist()], dtype=object)}
    order = chosen[np.lexsort((texts["exam_date"][chosen].astype(str), texts["student_id"][chosen].astype(str)))]
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(zip(*(texts[name][order].tolist() for name in names), strict=True))


def generate(out: Path, total: int, seed: int, clean: Path | None = None) -> dict[str, object]:
    """Write the raw files into `out` and return the truth about them."""
    rng = np.random.default_rng(seed)
    rows, kind = plan_rows(total, rng)
    texts = canonical_texts(rows)
    if clean:
        write_clean(texts, np.flatnonzero(kind == 0), clean)
    partitions = np.bincount(rows["month"][kind == 0], minlength=MONTHS)
    planted = soil(texts, rows, rng)
    spoil(texts, kind, rng)
    planted["padded"] = pad(texts, total, rng)
    order = np.lexsort((rng.random(total), rows["file"]))
    bounds = np.searchsorted(rows["file"][order], np.arange(MONTHS + 1))
    out.mkdir(parents=True, exist_ok=True)
    files = []
    for export in EXPORTS:
        chosen = order[bounds[export.month] : bounds[export.month + 1]]
        cells = {name: texts[name][chosen].tolist() for name in export.columns}
        files.append(write_export(export, cells, kind[chosen].tolist(), out))
    (out / EMPTY_FILE).write_bytes(b"")
    return truth(total, seed, kind, files) | {
        "partitions": {f"{YEAR}-{month + 1:02d}": int(count) for month, count in enumerate(partitions) if count},
        "planted": planted,
    }


def truth(total: int, seed: int, kind: np.ndarray, files: list[dict[str, object]]) -> dict[str, object]:
    """Sum up what was planted."""
    rejects = [reject for file in files for reject in file.pop("rejects")]  # type: ignore[attr-defined]
    by_reason: dict[str, int] = {}
    for reject in rejects:
        for reason in reject["reasons"]:
            by_reason[reason] = by_reason.get(reason, 0) + 1
    return {
        "schema": 1,
        "seed": seed,
        "rows": {
            "readable": total,
            "curated": int((kind == 0).sum()),
            "duplicates_removed": int((kind == 1).sum()),
            "superseded": int((kind == 2).sum()),
            "quarantined": len(rejects),
        },
        "quarantined_by_reason": dict(sorted(by_reason.items())),
        "unreadable_files": [{"name": EMPTY_FILE, "reason": "empty"}],
        "files": files,
        "rejects": rejects,
    }


def main() -> int:
    """Read the arguments, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the raw files")
    parser.add_argument("--rows", type=int, default=100_000, help="data records in all files together (at least 200)")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--truth", type=Path, help="file for what was planted (JSON)")
    parser.add_argument("--clean", type=Path, help="file for the rows that must be left (CSV)")
    arguments = parser.parse_args()
    if arguments.rows < 200:
        parser.error("--rows: every kind of defect needs room; take 200 or more")
    found = generate(arguments.out, arguments.rows, arguments.seed, arguments.clean)
    if arguments.truth:
        arguments.truth.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
