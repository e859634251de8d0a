#!/usr/bin/python3
"""Measures what docs/CLAIMS.md claims and writes its tables and figures.

Usage: ./run claims [NAME...] [--quick] [--seed S] [--out DIR]
NAMES: retrieval, forward, storage, cost, scale. Without a name, all of them. Tables stand in
CLAIMS.md between markers; what is around them stays. --quick takes a tenth of the time on fewer and
smaller cases, and writes to build/claims: a trial of the script, not a measurement. A statement
that the figures do not bear out is said and makes the exit code 1."""
import argparse
import pathlib
import re
import shutil
import sys
import time

import claims_cost
import claims_dispersal
from claims_common import ROOT, missed


def claim_forward(options):
    import claims_forward  # the running system is needed for nothing else
    return claims_forward.forward(options)


CLAIMS = {"retrieval": claims_dispersal.retrieval, "forward": claim_forward, "storage": claims_dispersal.storage,
          "cost": claims_cost.cost, "scale": claims_cost.scale}


def insert(document, name, contents):
    """Replaces what stands between <!-- name --> and <!-- /name -->."""
    text = document.read_text()
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.S)
    if len(pattern.findall(text)) != 1:
        raise SystemExit(f"{document}: no place for {name}")
    document.write_text(pattern.sub(lambda m: m[1] + contents + m[2], text))


def machine():
    model = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")]
    return f"{len(model)} x {model[0]}" if model else "an unnamed processor"


def main():
    parser = argparse.ArgumentParser(prog="./run claims", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path)
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in CLAIMS]
    if unknown:
        parser.error(f"no claim is named {', '.join(unknown)}")
    options.out = options.out or (ROOT / "build/claims" if options.quick else ROOT / "docs")
    options.out.mkdir(parents=True, exist_ok=True)
    document = options.out / "CLAIMS.md"
    if not document.exists() or not document.samefile(ROOT / "docs/CLAIMS.md"):
        shutil.copy(ROOT / "docs/CLAIMS.md", document)
    print(f"{machine()}; seed {options.seed}; into {options.out}", flush=True)
    for name in options.names or CLAIMS:
        start = time.monotonic()
        contents = CLAIMS[name](options)
        insert(document, name, f"\nOn {machine()}, seed {options.seed}.\n\n{contents}\n")
        print(f"\n== {name} ({time.monotonic() - start:.0f} s)\n\n{contents}", flush=True)
    print(f"{len(missed)} statements not borne out")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
