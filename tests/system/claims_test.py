"""The claims' script: it runs, its statements hold, and a seed repeats its chances."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def claims(folder, *arguments):
    programs = pathlib.Path(os.environ.get("MYELIN_BIN", ROOT / "build/bin")).parent / "bench"
    run = subprocess.run([sys.executable, ROOT / "bench/claims.py", "--quick", "--out", folder, *arguments],
                         env={**os.environ, "MYELIN_BENCH": str(programs)}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return (folder / "CLAIMS.md").read_text()


def section(document, name):
    return document.split(f"<!-- {name} -->")[1].split(f"<!-- /{name} -->")[0]


def test_counts_are_what_the_formulas_say_and_sizes_what_the_code_makes(tmp_path):
    document = claims(tmp_path, "cost", "storage", "scale")
    assert "`combine_product`" in section(document, "cost")
    assert "whole copies" in section(document, "storage")
    for figure in ("claims-storage.svg", "claims-scale.svg"):
        assert (tmp_path / figure).read_text().startswith("<svg")


def test_a_seed_repeats_and_another_differs(tmp_path):
    first, again, other = (section(claims(tmp_path / str(i), "retrieval", "--seed", seed), "retrieval")
                           for i, seed in enumerate(("5", "5", "6")))
    assert first == again
    assert first != other
    assert "Where v = b ln k is enough" in first and "is not enough" in first
