"""Each fault by itself, on as many servers as an operation must bear and on one more: what became of each
operation and how long it took, as tables for docs/FAULTS.md."""
import collections
import dataclasses
import json
import pathlib
import re
import shutil
import statistics
import time

from fleet import FAULTS
from model import DONE, TOO_FEW, Limits, Wrong

READ_BOUND_S = 10.0   # no read takes longer, whatever n - k storage and m - t key servers do
WRITE_BOUND_S = 60.0  # no put, forward, revocation or removal takes longer to end, one way or the other


@dataclasses.dataclass
class Cell:
    seconds: list = dataclasses.field(default_factory=list)
    codes: collections.Counter = dataclasses.field(default_factory=collections.Counter)

    def text(self):
        if not self.seconds:
            return ""
        done, runs = self.codes[DONE], len(self.seconds)
        return f"{done}/{runs} {statistics.median(self.seconds):.1f} {max(self.seconds):.1f}"


class Matrix:
    """Runs every operation under every fault on a fleet with alice and bob."""

    def __init__(self, fleet, slow=1.0, say=print):
        self.fleet, self.slow, self.say = fleet, slow, say
        self.limits = Limits(fleet.n, fleet.k, fleet.m, fleet.t)
        self.cells = collections.defaultdict(Cell)  # by (table, fault, operation)
        self.runs = collections.Counter()  # by fault
        self.number = 0
        self.read = fleet.make("read.bin", 3 << 20)
        fleet.put("alice", "read", self.read)
        fleet.must("forward", "read", "--to", "bob", user="alice")

    def run(self, table, fault, operation, *args, user="alice", must=True, bound=WRITE_BOUND_S):
        start = time.monotonic()
        answer = self.fleet.run(*args, user=user, timeout=300)
        took = time.monotonic() - start
        cell = self.cells[table, fault, operation]
        cell.seconds.append(took)
        cell.codes[answer.code] += 1
        where = f"{operation} with {fault} on {self.fleet.faults}: exit {answer.code} after {took:.1f} s"
        self.say(f"  {where}")
        if answer.code != DONE and (must or answer.code != TOO_FEW):
            raise Wrong(f"{where}: {answer.err}")
        if took > bound * self.slow:
            raise Wrong(f"{where}: longer than {bound * self.slow} s")
        return answer

    def check_get(self, table, fault, image, path, *args, user="alice", must=True):
        into = self.fleet.folder / "matrix-out"
        answer = self.run(table, fault, "get" if user == "alice" else "get forwarded", "get", image, *args, "-o", into,
                          user=user, must=must, bound=READ_BOUND_S)
        if answer.code == DONE and (into / path.name).read_bytes() != path.read_bytes():
            raise Wrong(f"get {image} with {fault}: wrong bytes")
        shutil.rmtree(into, ignore_errors=True)

    def reads(self, fault):
        self.check_get("reads", fault, "read", self.read)
        self.check_get("reads", fault, "read", self.read, "--from", "alice", user="bob")
        self.run("reads", fault, "ls", "ls", bound=READ_BOUND_S)
        self.run("reads", fault, "inbox", "inbox", user="bob", bound=READ_BOUND_S)

    def writes(self, table, fault, must):
        self.number += 1
        image = f"written {self.number}"
        path = self.fleet.make(f"w{self.number}.bin", 1 << 20)
        code = self.run(table, fault, "put", "put", "--id", image, path, must=must).code
        if code != DONE:
            return self.check_nothing(image, path)
        self.run(table, fault, "forward", "forward", image, "--to", "bob", must=must)
        self.run(table, fault, "revoke", "revoke", image, "--from", "bob", must=must)
        self.run(table, fault, "rm", "rm", image, must=must)
        path.unlink()

    def check_nothing(self, image, path):
        """A put that was refused left the whole image or nothing, seen with all servers well."""
        self.fleet.heal()
        into = self.fleet.folder / "matrix-out"
        answer = self.fleet.run("get", image, "-o", into, user="alice")
        if answer.code == DONE and (into / path.name).read_bytes() != path.read_bytes() or answer.code not in (DONE, 3):
            raise Wrong(f"a put that failed left something of {image}: exit {answer.code}: {answer.err}")
        shutil.rmtree(into, ignore_errors=True)
        path.unlink()

    def strike(self, fault, storage, keys):
        rng = self.fleet.rng
        for server in rng.sample(self.fleet.storage, storage) + rng.sample(self.fleet.keys, keys):
            self.fleet.break_server(server, fault)

    def fault(self, fault):
        limits = self.limits
        spare = limits.n - limits.quorum
        for work, storage in ((lambda: self.reads(fault), limits.n - limits.k),
                              (lambda: self.writes("writes", fault, True), spare),
                              (lambda: self.writes("too many", fault, False), spare + 1)):
            if storage > spare + 1 or not FAULTS[fault].harmless or True:
                self.strike(fault, storage, limits.keys)
                work()
                self.fleet.heal()
        self.fleet.alive()

    def all(self, repeats, enough=lambda: False, done=lambda: None):
        """Every fault so many times, those that were loaded counted; `done` after each. Ends early where `enough`."""
        for repeat in range(repeats):
            for fault in FAULTS:
                if self.runs[fault] > repeat:
                    continue
                if enough():
                    return
                self.say(f"{fault}, {repeat + 1} of {repeats}")
                self.fault(fault)
                self.runs[fault] += 1
                done()

    # -------------------------------------------------------------- a run that goes on with another's

    def save(self, path):
        """All that is known, whole on the disk or as it was before."""
        cells = [[list(key), cell.seconds, list(cell.codes.items())] for key, cell in self.cells.items()]
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps({"runs": self.runs, "cells": cells}))
        fresh.replace(path)

    def load(self, path):
        known = json.loads(path.read_text())
        self.runs.update(known["runs"])
        for key, seconds, codes in known["cells"]:
            self.cells[tuple(key)] = Cell(seconds, collections.Counter(dict(codes)))

    # -------------------------------------------------------------- the page

    def table(self, name, operations):
        lines = ["| fault | " + " | ".join(operations) + " |", "|---|" + "---|" * len(operations)]
        for fault in FAULTS:
            lines.append(f"| {fault} | " + " | ".join(self.cells[name, fault, op].text() for op in operations) + " |")
        return "\n".join(lines)

    def text(self, seed):
        limits, writes = self.limits, ["put", "forward", "revoke", "rm"]
        spare = limits.n - limits.quorum
        return f"""{limits.n} storage servers, k = {limits.k}; {limits.m} key servers, t = {limits.t}; seed {seed}. In each cell: \
how many of the runs were done, then seconds: the median and the longest. A run that was not done ended with \
exit code 5 and the reason.

Reads while {limits.n - limits.k} storage and {limits.keys} key servers have the fault. All are done, each within \
{READ_BOUND_S:.0f} s:

{self.table("reads", ["get", "get forwarded", "ls", "inbox"])}

Writes while {spare} storage and {limits.keys} key servers have it. All are done, each within {WRITE_BOUND_S:.0f} s:

{self.table("writes", writes)}

Writes while {spare + 1} storage servers have it, more than a put bears: done all the same, or refused; what was \
refused is there whole or not at all:

{self.table("too many", writes)}"""


def write_section(path, name, text):
    """Puts the text between the page's marks of that name."""
    path = pathlib.Path(path)
    page = path.read_text()
    begin, end = f"<!-- {name}: made by a script -->", f"<!-- {name}: end -->"
    if begin not in page:
        raise ValueError(f"{path} has no section {name}")
    page = re.sub(re.escape(begin) + ".*?" + re.escape(end), lambda _: f"{begin}\n\n{text}\n\n{end}", page, flags=re.S)
    path.write_text(page)
