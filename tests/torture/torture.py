#!/usr/bin/python3
"""Hundreds of rounds of operations on a network that fails. See docs/FAULTS.md.

    torture.py [--rounds N] [--minutes M] [--seed S] [--settle N] [--keep] [-v]
"""
import argparse
import pathlib
import secrets
import shutil
import sys
import tempfile
import time

from fleet import Fleet
from history import USERS, History
from model import Wrong


def torture(history, rounds, minutes, settle_every):
    """Rounds until either is over; how many."""
    end = time.monotonic() + 60 * minutes
    done = 0
    while done < rounds and time.monotonic() < end:
        if history.verbose:
            print(f"round {done}", flush=True)
        history.round()
        done += 1
        if done % settle_every == 0:
            history.settle()
    history.settle()
    return done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32))
    parser.add_argument("--settle", type=int, default=10, help="rounds from one full check to the next")
    parser.add_argument("--keep", action="store_true", help="leave the system's folder")
    parser.add_argument("-v", "--verbose", action="store_true")
    arguments = parser.parse_args()
    print(f"torture: seed {arguments.seed}", flush=True)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="myelin-torture-"))
    fleet = Fleet(folder, seed=arguments.seed)
    history = None
    try:
        fleet.up().enroll(*USERS)
        history = History(fleet, arguments.seed, verbose=arguments.verbose)
        rounds = torture(history, arguments.rounds, arguments.minutes, arguments.settle)
        print(f"torture: {rounds} rounds, {len(history.steps)} operations, nothing wrong")
    except Wrong as wrong:
        print(f"torture: WRONG (seed {arguments.seed}): {wrong}", file=sys.stderr)
        arguments.keep = True
        return 1
    finally:
        fleet.end()
        if arguments.keep:
            print(f"torture: the servers' logs and stores are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
