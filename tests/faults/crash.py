#!/usr/bin/env python3
"""Faults at every system call: `crash.py [--share PART] [--seed N] [--only TEXT] [--table FILE]`.

For every operation of crash_operations.py the server that it hangs on is killed before and after each call that
changes its store, and in the middle of each write; its calls fail, once or from then on, as on a failing or a
full disk; and the power goes: what was not synced is lost as power_cut.py says. Then the servers are started
again, and World.assert_sound looks at everything."""
import argparse
import collections
import pathlib
import random
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from crash_client import CLIENT_OPERATIONS  # noqa: E402
from crash_operations import OPERATIONS  # noqa: E402
from crash_world import World  # noqa: E402
from power_cut import read_tree  # noqa: E402

TAKES_SPACE = ("create", "write", "mkdir", "link")


def plan(calls):
    """All faults for an operation that makes these calls: (fault, arguments of myelin-fault)."""
    yield "power cut", ()
    for number, kind, *_ in calls:
        if number == "1":
            yield "SIGKILL", ("--at", number, "--do", "kill-before")
        yield "SIGKILL", ("--at", number, "--do", "kill-after")
        if kind == "write":
            yield "SIGKILL", ("--at", number, "--do", "kill-torn")
            yield "short write", ("--at", number, "--do", "short")
        yield "EIO once", ("--at", number, "--do", "eio")
        yield "EIO from then on", ("--at", number, "--do", "eio", "--on")
        if kind in TAKES_SPACE:
            yield "ENOSPC once", ("--at", number, "--do", "enospc")
            yield "ENOSPC from then on", ("--at", number, "--do", "enospc", "--on")


class Tally:
    """Rounds and what came of them, by (fault, operation)."""

    def __init__(self):
        self.rounds = collections.Counter()
        self.acked = collections.Counter()
        self.failures = []

    def count(self, fault, operation, acked):
        self.rounds[fault, operation] += 1
        self.acked[fault, operation] += acked

    def fail(self, fault, operation, where, error):
        text = "".join(traceback.format_exception_only(error)).strip()
        self.failures.append(f"{operation}, {fault}, {where}: {text}")
        print("FAILED", self.failures[-1], file=sys.stderr, flush=True)


def dry_run(world, operation):
    """The operation where nothing fails. What the journal tells is all that happened: the store on the real
    disk is what the journal makes of the one before."""
    outcome = world.under_fault(operation)
    assert outcome.acked, f"{operation.name} without a fault: {outcome.answer}"
    played, real = outcome.disk.play(outcome.journal).latest(), read_tree(world.store(operation.target))
    assert played == real, f"calls that change files escaped: {sorted(set(played) ^ set(real))}"
    return outcome.calls


def check_round(world, operation, tally, fault, where, acked):
    tally.count(fault, operation.name, acked)
    try:
        world.assert_sound(operation, acked)
    except AssertionError as error:
        tally.fail(fault, operation.name, where, error)
        world.end()


def run_round(world, operation, tally, fault, extra, seeds):
    """One run under a fault, then a look at the store as it is, and as it may be after a power cut there."""
    goes_on = fault == "ENOSPC once"
    outcome = world.under_fault(operation, *extra, goes_on=goes_on)
    where = " ".join(extra)
    if fault not in ("SIGKILL", "power cut"):
        check_round(world, operation, tally, fault, where, outcome.acked)
        return
    world.save("after")
    if fault == "SIGKILL":
        check_round(world, operation, tally, fault, where, outcome.acked)
    disk = outcome.disk.play(outcome.journal if extra else outcome.journal[:outcome.answered_at])
    for seed in seeds:
        world.load("after")
        world.replace_store(operation.target, disk.cut(seed))
        check_round(world, operation, tally, "power cut", f"{where} then {seed}", outcome.acked)


def run_operation(world, operation, tally, share, rng):
    """A share of all faults of an operation."""
    is_client = operation in CLIENT_OPERATIONS
    calls = (client_dry_run if is_client else dry_run)(world, operation)
    for fault, extra in plan(calls):
        if rng.random() >= share and extra:
            continue
        seeds = [0, 1, rng.randrange(2, 1 << 32)] if share == 1 else [rng.choice([0, 1, rng.randrange(2, 1 << 32)])]
        try:
            (client_round if is_client else run_round)(world, operation, tally, fault, extra, seeds)
        except AssertionError as error:
            tally.fail(fault, operation.name, " ".join(extra), error)
            world.end()


def client_look(world, operation, tally, fault, where, acked):
    tally.count(fault, operation.name, acked)
    try:
        operation.check(world, acked)
    except AssertionError as error:
        tally.fail(fault, operation.name, where, error)


def client_round(world, operation, tally, fault, extra, seeds):
    """As run_round. The servers go on; each power cut is one more run, for what is looked at goes on too."""
    cuts = seeds if fault in ("SIGKILL", "power cut") else []
    for seed in ([] if fault == "power cut" else [None]) + cuts:
        operation.prepare(world)
        try:
            outcome = operation.run(world, *extra)
            if seed is not None:
                operation.replace(world, outcome.disk.play(outcome.journal).cut(seed))
            client_look(world, operation, tally, fault if seed is None else "power cut",
                        " ".join(extra) + ("" if seed is None else f" then {seed}"), outcome.acked)
        finally:
            operation.finish(world)
            while world.tracers:
                world.tracers.pop().communicate(timeout=60)


def client_dry_run(world, operation):
    operation.prepare(world)
    try:
        outcome = operation.run(world)
        assert outcome.acked, f"{operation.name} without a fault: {outcome.end}"
        return outcome.calls
    finally:
        operation.finish(world)
        while world.tracers:
            world.tracers.pop().communicate(timeout=60)


def sample(world, tally, rng, count):
    """`count` faults, each of an operation chosen at random."""
    plans = {}
    for _ in range(count):
        operation = rng.choice(OPERATIONS + CLIENT_OPERATIONS)
        is_client = operation in CLIENT_OPERATIONS
        if operation not in plans:
            plans[operation] = list(plan((client_dry_run if is_client else dry_run)(world, operation)))
        fault, extra = rng.choice(plans[operation])
        (client_round if is_client else run_round)(world, operation, tally, fault, extra,
                                                   [rng.choice([0, 1, rng.randrange(2, 1 << 32)])])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1, help="of all faults, a random part (1)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--only", default="", help="operations whose name holds this")
    parser.add_argument("--rounds", type=int, help="so many faults of any operations, instead of all")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    tally, rng = Tally(), random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="myelin-crash-") as folder:
        world = World(folder)
        if options.rounds:
            sample(world, tally, rng, options.rounds)
        for operation in OPERATIONS + CLIENT_OPERATIONS:
            if options.rounds or options.only not in operation.name:
                continue
            start = time.monotonic()
            run_operation(world, operation, tally, options.share, rng)
            print(f"{operation.name}: {sum(n for (_, o), n in tally.rounds.items() if o == operation.name)} rounds, "
                  f"{time.monotonic() - start:.0f} s", flush=True)
    for failure in tally.failures:
        print("FAILED", failure)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
