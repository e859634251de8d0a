"""What the claims' scripts share: the C programs, tables, and statements that figures must bear out."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAMS = pathlib.Path(os.environ.get("MYELIN_BENCH", ROOT / "build/bench"))
MIB, GIB = 1 << 20, 1 << 30
A = 2  # the paper's a, the factor between n and k or k^1.5

missed = []


def measure(program, *arguments):
    """A C program's JSON."""
    run = subprocess.run([str(PROGRAMS / program), *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    if run.returncode != 0:
        raise SystemExit(f"{program} {' '.join(map(str, arguments))}: exit {run.returncode}")
    return json.loads(run.stdout)


def stated(holds, words):
    """A sentence for the document. Where the figures do not bear it out, the run fails."""
    if not holds:
        missed.append(words)
        print(f"NOT BORNE OUT: {words}", flush=True)
    return words


def table(header, rows):
    """In Markdown; numbers stand right."""
    lines = [header, ["---"] + ["--:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def size(count):
    """Bytes for a human."""
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.4g} {unit}"
    return f"{count:.0f} B"


def times(microseconds):
    """A time for a human."""
    if microseconds < 999.5:
        return f"{microseconds:.3g} µs"
    return f"{microseconds / 1e3:.3g} ms" if microseconds < 999.5e3 else f"{microseconds / 1e6:.3g} s"
