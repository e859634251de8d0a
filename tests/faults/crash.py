#!/usr/bin/env python3
"""Crashes and disks that fail, on the real programs: `./run torture crash`. See docs/FAULTS.md.

For every operation of crash_operations.py the server that it hangs on is killed before and after each call that
changes its store, and in the middle of each write; its calls fail, once or from then on, as on a failing or a
full disk; and the power goes: what was not synced is lost as power_cut.py says. Then the servers are started
again, and World.assert_sound looks at everything. Then a bit of every file is flipped, its end is lost, it is
empty or gone, and readings of it fail (crash_kinds.py)."""
import argparse
import collections
import concurrent.futures
import math
import os
import pathlib
import random
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "torture"))
import crash_kinds  # noqa: E402
from crash_care import CARE_CLIENT_OPERATIONS, CARE_OPERATIONS  # noqa: E402
from crash_client import CLIENT_OPERATIONS  # noqa: E402
from crash_operations import OPERATIONS  # noqa: E402
from crash_plugin import PLUGIN_OPERATIONS  # noqa: E402
from crash_world import KEYS, STORAGE, World  # noqa: E402
from matrix import write_section  # noqa: E402
from power_cut import read_tree  # noqa: E402

SERVERS = OPERATIONS + CARE_OPERATIONS
CLIENTS = CLIENT_OPERATIONS + CARE_CLIENT_OPERATIONS + PLUGIN_OPERATIONS
DAMAGE = "damaged files and readings"
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
        self.planned = self.tried = 0  # faults; some take more than one round

    def add(self, other):
        self.rounds += other.rounds
        self.acked += other.acked
        self.failures += other.failures
        self.planned += other.planned
        self.tried += other.tried

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


def run_operation(world, operation, tally, options, rng):
    """A share of all faults of an operation, in any order; at least the one without a call: the power goes after."""
    is_client = operation in CLIENTS
    calls = (client_dry_run if is_client else dry_run)(world, operation)
    faults = list(plan(calls))
    tally.planned += len(faults)
    faults = faults[:1] + [one for one in faults[1:] if rng.random() < options.share]
    rng.shuffle(faults)
    end = time.monotonic() + 60 * options.minutes
    for fault, extra in faults:
        if time.monotonic() > end:
            break
        tally.tried += 1
        seeds = [0, 1, rng.randrange(2, 1 << 32)]
        seeds = seeds if options.share == 1 and options.minutes == math.inf else [rng.choice(seeds)]
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


class Worlds:
    """One of each size, made when it is needed first."""

    def __init__(self, folder):
        self.folder, self.made = pathlib.Path(folder), {}

    def of(self, storage=1, slots=None, keys=2):
        size = (storage, slots, keys)
        if size not in self.made:
            self.made[size] = World(self.folder / "-".join(map(str, size)), *size)
        return self.made[size]

    def where(self, operation):
        return self.of(operation.storage, operation.slots, operation.keys)

    def end(self):
        for world in self.made.values():
            world.end()


def sample(worlds, tally, rng, count):
    """`count` faults, each of an operation chosen at random; none of those that wait for servers to look around."""
    plans = {}
    for _ in range(count):
        operation = rng.choice([operation for operation in SERVERS + CLIENTS if not operation.is_long])
        world = worlds.where(operation)
        is_client = operation in CLIENTS
        if operation not in plans:
            plans[operation] = list(plan((client_dry_run if is_client else dry_run)(world, operation)))
        fault, extra = rng.choice(plans[operation])
        (client_round if is_client else run_round)(world, operation, tally, fault, extra,
                                                   [rng.choice([0, 1, rng.randrange(2, 1 << 32)])])


def run_kinds(world, tally, share, rng):
    """Damage of files of every kind."""
    crash_kinds.enrich(world)
    found = crash_kinds.files(world)
    for kind in sorted({name for name, _ in found.values()}):
        paths = [path for path, (name, _) in sorted(found.items()) if name == kind]
        for how in ("flip", "flip", "truncate", "empty", "remove"):
            if rng.random() >= share:
                continue
            path = rng.choice(paths)
            tally.count(how, f"file: {kind}", 0)
            try:
                crash_kinds.damage_round(world, path, how, rng, found[path][1])
            except AssertionError as error:
                tally.fail(how, f"file: {kind}", path, error)
                world.end()


def run_reads(world, tally, share, rng):
    """Readings that fail; needs the state that run_kinds makes."""
    for server in (STORAGE, KEYS[0]):
        for number in range(1, crash_kinds.count_reads(world, server) + 1):
            for lasting in (False, True):
                if rng.random() >= share / 4:
                    continue
                fault = "EIO from then on" if lasting else "EIO once"
                tally.count(fault, f"reading: {server}", 0)
                try:
                    crash_kinds.read_round(world, server, number, lasting)
                except AssertionError as error:
                    tally.fail(fault, f"reading: {server}", str(number), error)
                    world.end()


def table(tally, operations, faults, acked):
    """Rounds and, of them, how many commands said done, as Markdown."""
    lines = ["| | " + " | ".join(faults) + " |", "|---|" + "---|" * len(faults)]
    for operation in operations:
        cells = []
        for fault in faults:
            rounds = tally.rounds[fault, operation]
            done = f" ({tally.acked[fault, operation]} done)" if acked and rounds else ""
            cells.append(f"{rounds}{done}" if rounds else "")
        lines.append(f"| {operation} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(tally, options):
    """What the page says of this run."""
    names = {operation for _, operation in tally.rounds}
    commands = [o.name for o in SERVERS + CLIENTS if o.name in names]
    kinds = sorted(n for n in names if n.startswith("file: "))
    readings = sorted(n for n in names if n.startswith("reading: "))
    share = f"{options.rounds} random" if options.rounds else f"{tally.tried} of {tally.planned}"
    return f"""{sum(tally.rounds.values())} rounds, {share} faults at calls, seed {options.seed}: {len(tally.failures)} broke what must \
hold. Rounds by fault, and in how many the command said done in spite of it:

{table(tally, commands, ["SIGKILL", "power cut", "EIO once", "EIO from then on", "ENOSPC once", "ENOSPC from then on",
                         "short write"], True)}

Damaged files, rounds by kind of file:

{table(tally, kinds, ["flip", "truncate", "empty", "remove"], False)}

Readings that fail, by server:

{table(tally, readings, ["EIO once", "EIO from then on"], False)}"""


def keep(tally, options):
    if options.write:
        write_section(options.write, "crash", report(tally, options))


def run_one(name, options):
    """One operation, or what is no operation (DAMAGE), in a system of its own; what came of it."""
    start, tally, rng = time.monotonic(), Tally(), random.Random(f"{options.seed} {name}")
    with tempfile.TemporaryDirectory(prefix="myelin-crash-") as folder:
        worlds = Worlds(folder)
        try:
            if name == DAMAGE:
                run_kinds(worlds.of(), tally, options.share, rng)
                run_reads(worlds.of(), tally, options.share, rng)
            else:
                operation = next(o for o in SERVERS + CLIENTS if o.name == name)
                run_operation(worlds.where(operation), operation, tally, options, rng)
        except Exception as error:  # the other operations go on
            tally.fail("none", name, "the harness", error)
        finally:
            worlds.end()
    print(f"{name}: {sum(tally.rounds.values())} rounds, {time.monotonic() - start:.0f} s", flush=True)
    return tally


def run_all(tally, options):
    """All operations, some at a time; the tables are kept from one to the next, as a whole run takes hours."""
    names = [o.name for o in SERVERS + CLIENTS] + [DAMAGE]
    with concurrent.futures.ProcessPoolExecutor(options.jobs) as pool:
        running = [pool.submit(run_one, name, options) for name in names if options.only in name]
        for done in concurrent.futures.as_completed(running):
            tally.add(done.result())
            keep(tally, options)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1, help="of all faults, a random part (1)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--only", default="", help="operations whose name holds this; `files`: damaged files alone")
    parser.add_argument("--rounds", type=int, help="so many faults of any operations, instead of all")
    parser.add_argument("--minutes", type=float, default=math.inf, help="at most about so long for each operation")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="operations at a time (one a processor)")
    parser.add_argument("--write", metavar="FILE", help="put the tables into FILE's section `crash`")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    tally = Tally()
    if options.rounds:
        with tempfile.TemporaryDirectory(prefix="myelin-crash-") as folder:
            sample(Worlds(folder), tally, random.Random(options.seed), options.rounds)
    else:
        run_all(tally, options)
    print(report(tally, options))
    keep(tally, options)
    for failure in tally.failures:
        print("FAILED", failure)
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
