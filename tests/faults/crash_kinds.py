"""Every kind of file that the programs keep, and a flipped bit, a lost end or nothing at all in each.

Whatever the file: right bytes or an error, never wrong bytes; servers start, or say what is wrong with their own
credentials; and with the file put back everything is as before: damage is not spread."""
import os

import re


from crash_operations import Put, RemoveObject, Revoke
from crash_world import DONE, KEYS, STORAGE


# (kind, pattern of the path in the folder of the system or of keystores, may a command fail with it?)
FINE, FAILS = False, True
HEX = "[0-9a-f]"
KINDS = [
    ("lock", rf"system/({STORAGE}|key-\d)/lock", FINE),
    ("pause of the scrub", rf"system/{STORAGE}/scrub\.pause", FINE),
    ("spare", rf"system/{STORAGE}/spare", FINE),
    ("format", rf"system/{STORAGE}/format", FINE),
    ("owner", rf"system/{STORAGE}/images/..?/{HEX}+/owner", FAILS),
    ("envelope", rf"system/{STORAGE}/images/../{HEX}+/envelope", FAILS),
    ("coefficients", rf"system/{STORAGE}/images/../{HEX}+/coefficients", FINE),
    ("symbol", rf"system/{STORAGE}/images/../{HEX}+/symbol(\.\d+)?", FAILS),
    ("manifest", rf"system/{STORAGE}/images/../{HEX}+/{HEX}+\.manifest", FAILS),
    ("deletion", rf"system/{STORAGE}/images/../{HEX}+/{HEX}+\.deletion", FINE),
    ("slices", rf"system/{STORAGE}/images/../{HEX}+/{HEX}+(\.\d+)?\.slices", FAILS),
    ("put", rf"system/{STORAGE}/images/../{HEX}+/{HEX}+\.put", FAILS),
    ("forward", rf"system/{STORAGE}/images/../{HEX}+/[a-z]+(\.\d+)?\.forward", FAILS),
    ("staged", rf"system/{STORAGE}/staging/{HEX}+/.*", FINE),
    ("mending", rf"system/{STORAGE}/mending/{HEX}+/.*", FINE),
    ("removal", rf"system/{STORAGE}/removed/../{HEX}+\.[a-z]+", FINE),
    ("index by owner", rf"system/{STORAGE}/by-owner/[a-z]+/{HEX}+", FINE),
    ("index by recipient", rf"system/{STORAGE}/by-recipient/[a-z]+/{HEX}+", FINE),
    ("claim", rf"system/{STORAGE}/claims/../{HEX}+", FINE),
    ("user", rf"system/{STORAGE}/users/[a-z]+", FINE),
    ("share", r"system/key-\d/shares/[a-z]+\.share", FAILS),
    ("revocation", rf"system/key-\d/revocations/{HEX}+\.revocation", FINE),
    ("access log", r"system/key-\d/access\.log(\.\d+)?", FINE),
    ("tail of a log", r"system/key-\d/access\.log(\.\d+)?\.cut-\d+", FINE),
    ("highest version seen", rf"(system/({STORAGE}|key-\d)|home)/{HEX}+\.seen", FAILS),
    ("certificate", r"system/config/[a-z0-9-]+/certificate\.pem", FAILS),
    ("identity key", r"system/config/[a-z0-9-]+/key\.pem", FAILS),
    ("seal key", r"system/config/key-\d/seal\.key", FAILS),
    ("system description", r"system/system\.myelin", FAILS),
    ("newer description", rf"(system/({STORAGE}|key-\d)|home)/({HEX}+|system)\.myelin", FAILS),
    ("manager's CA", r"system/manager/ca\.(crt|key)\.pem", FINE),
    ("issued certificate", r"system/manager/issued/[a-z0-9-]+\.pem", FINE),
    ("keystore", r"home/[a-z]+\.keystore", FAILS),
    ("heads of logs", rf"home/{HEX}+\.heads", FINE),
    ("log of a daemon", r"system/[a-z0-9-]+\.log", FINE),
]

# Kinds that are there for a moment, or only after the system has changed.
PASSING = {"mending", "newer description", "pause of the scrub"}


def kind_of(path):
    """The one kind that a path is of."""
    kinds = [(name, fails) for name, pattern, fails in KINDS if re.fullmatch(pattern, path)]
    assert len(kinds) == 1, f"{path} is of {kinds or 'no kind that this table knows'}"
    return kinds[0]


def enrich(world):
    """A state with a file of every kind, saved as "rich"."""
    put = Put("put", [4000])
    world.under_fault(put)
    calls = world.report()[0]
    prepared = next(c[0] for c in calls if c[1] == "sync" and c[-1].endswith("/journal"))
    world.under_fault(put, "--at", prepared, "--do", "kill-after")
    world.start_all()
    assert Revoke(STORAGE).run(world).code == DONE
    assert RemoveObject().run(world).code == DONE
    world.must("rm", "old", user="alice")
    world.stop_all()
    log = world.store(KEYS[0]) / "access.log"
    with open(log, "ab") as file:
        file.write(b"\0\0\1")  # a torn record, which the next start cuts off
    world.start_all()
    world.must("get", "base", "-o", world.folder / "out/rich", user="alice")
    world.stop_all()
    world.save("rich")


def files(world):
    """{path: kind}; an error where a file is of no kind, or a kind has no file."""
    found = {}
    for top in (world.system, world.home):
        for path in top.rglob("*"):
            if path.is_file() and "run" not in path.parts:
                relative = str(path.relative_to(world.folder))
                found[relative] = kind_of(relative)
    return found


def damage(path, how, rng):
    data = bytearray(path.read_bytes())
    if how == "flip" and data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == "truncate" and data:
        data = data[:rng.randrange(len(data))]
    elif how == "empty":
        data = b""
    elif how == "remove":
        path.unlink()
        return
    path.write_bytes(data)


def start_what_can(world):
    """Servers start, but for one that finds its own credentials or the description damaged, which says so."""
    for server in world.servers:
        world.start_daemon(server)
    for server in world.servers:
        try:
            world.wait_ready(server)
        except AssertionError:
            code = world.daemons[server].poll()
            assert code is not None and 0 < code < 8 and world.daemon_log(server).strip(), \
                f"{server}: ended with {code}: {world.daemon_log(server)}"


def look(world, fails):
    """Right bytes, or an error in words."""
    worked = True
    for user, owner in (("alice", None), ("bob", "alice")):
        out = world.folder / "out" / f"{os.urandom(6).hex()}"
        answer = world.run("get", "base", *(["--from", owner] if owner else []), "-o", out, user=user)
        worked = worked and answer.code == DONE
        assert 0 <= answer.code < 8, answer
        if answer.code == DONE:
            got = {p.name: p.read_bytes() for p in out.iterdir()}
            assert got == world.contents("base"), f"{user} got wrong bytes"
        else:
            assert answer.err.strip() and not out.exists(), answer
    for command in ("ls", "audit", "verify"):
        answer = world.run(command, user="alice")
        assert 0 <= answer.code < 8 and (answer.code == DONE or answer.err.strip()), answer
    assert worked or fails, "a command failed for the damage of a file that nothing depends on"
    gone = world.run("get", "shown", "--from", "alice", "-o", world.folder / "out/shown", user="carol")
    assert gone.code != DONE, "a revoked recipient reads"


def damage_round(world, path, how, rng, fails):
    world.load("rich")
    target = world.folder / path
    before, mode = target.read_bytes(), target.stat().st_mode
    damage(target, how, rng)
    start_what_can(world)
    try:
        look(world, fails)
        ended = [s for s, p in world.daemons.items() if p.poll() is not None and "event=ready" in world.daemon_log(s)]
        assert not ended, f"{ended} died of it: {world.daemon_log(ended[0])}"
    finally:
        world.stop_all()
    if kind_of(path)[0] in ("access log", "staged", "log of a daemon", "tail of a log"):
        return  # goes on elsewhere, or was given up
    target.write_bytes(before)
    target.chmod(mode)
    world.start_all()
    try:
        look(world, False)
    finally:
        world.stop_all()


# ------------------------------------------------------------------ disks that cannot be read

def count_reads(world, server):
    """How often a server reads its store, from its start on, for what look() asks."""
    world.load("rich")
    world.start_all(**{server.replace("-", "_"): world.fault_arguments(world.store(server), "--reads")})
    try:
        look(world, False)
    finally:
        world.stop_all()
    return len(world.report()[0])


def read_round(world, server, number, lasting):
    """The number-th reading fails, or all from there on: right bytes or an error, never wrong bytes; and where
    it was one alone, the same server is right again at once."""
    world.load("rich")
    refused = world.start_under_fault(server, ("--reads", "--at", str(number), "--do", "eio",
                                               *(["--on"] if lasting else [])), journal=False)
    try:
        if refused is None:
            look(world, True)
            assert world.daemons[server].poll() is None, f"{server} died of it"
        if refused is None and not lasting and len(world.report()[0]) >= number:
            look(world, server in KEYS or "damaged" in world.daemon_log(server))
    finally:
        world.stop_all()
    world.start_all()
    try:
        look(world, False)
    finally:
        world.stop_all()
