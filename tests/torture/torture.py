#!/usr/bin/python3
"""Operations on a network that fails, in namespaces that this program makes; needs root. See docs/FAULTS.md.

    torture.py [history] [--rounds N] [--minutes M]    random operations under random faults, checked
    torture.py matrix [--repeats N] [--state FILE]     each fault by itself: what becomes of each operation
    torture.py load [--clients N] [--minutes M]        many clients at once; latencies, memory, descriptors
"""
import argparse
import collections
import os
import pathlib
import secrets
import shutil
import signal
import sys
import tempfile
import time

from fleet import Fleet
from history import USERS, History
from load import Load
from matrix import Matrix, write_section
from model import Wrong


MINUTES = 10


def torture(history, rounds, minutes, settle_every, settled=lambda done: None):
    """Rounds until either is over; how many. Tells `settled` after each full check."""
    end = time.monotonic() + 60 * minutes
    done = 0
    while done < rounds and time.monotonic() < end:
        if history.verbose:
            print(f"round {done}", flush=True)
        history.round()
        done += 1
        if done % settle_every == 0:
            history.settle()
            settled(done)
    history.settle()
    return done


def history_text(history, rounds, seed):
    verbs = collections.defaultdict(collections.Counter)
    for step in history.steps:
        verbs[step.verb][step.code] += 1
    lines = ["| operation | runs | done | not found | denied | too few servers | other |", "|---|---|---|---|---|---|---|"]
    for verb, codes in sorted(verbs.items()):
        runs = sum(codes.values())
        named = [codes[code] for code in (0, 3, 4, 5)]
        lines.append(f"| {verb} | {runs} | " + " | ".join(map(str, named)) + f" | {runs - sum(named)} |")
    return (f"{rounds} rounds, {len(history.steps)} operations, seed {seed}: every answer was one that the model "
            "allows.\n\n" + "\n".join(lines))


def run_history(fleet, arguments, write):
    fleet.up().enroll(*USERS)
    history = History(fleet, arguments.seed, verbose=arguments.verbose)
    rounds = torture(history, arguments.rounds, arguments.minutes or MINUTES, arguments.settle,
                     lambda done: write(history_text(history, done, arguments.seed)))
    return history_text(history, rounds, arguments.seed)


def run_matrix(fleet, arguments, write):
    fleet.up().enroll("alice", "bob")
    matrix = Matrix(fleet, say=print if arguments.verbose else lambda line: None)
    if arguments.state and arguments.state.exists():
        matrix.load(arguments.state)
    end = time.monotonic() + 60 * (arguments.minutes or float("inf"))

    def done():
        if arguments.state:
            matrix.save(arguments.state)
        write(matrix.text(arguments.seed))

    matrix.all(arguments.repeats, lambda: time.monotonic() > end, done)
    return matrix.text(arguments.seed)


def run_load(fleet, arguments, write):
    minutes = arguments.minutes or MINUTES
    fleet.up().enroll(*[f"user{number}" for number in range(arguments.clients)])
    load = Load(fleet, arguments.clients, arguments.seed)
    try:
        load.run(minutes)
    except Wrong:
        print(load.latency_table() + "\n\n" + load.memory_table(), flush=True)
        raise
    return load.text(minutes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["history", "matrix", "load"], default="history")
    parser.add_argument("--rounds", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, help=f"at most about so long ({MINUTES}; matrix: until all is done)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each fault")
    parser.add_argument("--state", type=pathlib.Path, metavar="FILE",
                        help="matrix: where each run is kept, and what another one that was cut off goes on with")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--settle", type=int, default=10, help="rounds from one full check to the next")
    parser.add_argument("--write", metavar="FILE", help="put the tables into FILE's section of that name, and what there is of them as it "
                        "comes: a run that is cut off leaves those")
    parser.add_argument("--keep", action="store_true", help="leave the system's folder")
    parser.add_argument("-v", "--verbose", action="store_true")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("torture: network namespaces need root", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # and so through `finally`
    print(f"torture: {arguments.what}, seed {arguments.seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="myelin-torture-"))
    fleet = Fleet(folder, seed=arguments.seed)
    started = time.monotonic()

    def write(text):
        if arguments.write:
            write_section(arguments.write, arguments.what, text)

    try:
        run = {"history": run_history, "matrix": run_matrix, "load": run_load}[arguments.what]
        text = run(fleet, arguments, write)
        print(text)
        print(f"torture: {time.monotonic() - started:.0f} s", flush=True)
        write(text)
    except Wrong as wrong:
        print(f"torture: WRONG (seed {arguments.seed}): {wrong}", file=sys.stderr)
        arguments.keep = True
        return 1
    finally:
        codes = fleet.end()
        if arguments.keep:
            print(f"torture: the servers' logs and stores are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    failed = {server: code for server, code in codes.items() if code != 0}
    if failed:
        print(f"torture: servers did not stop in order: {failed}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
