"""Servers that lie, up to n - k storage servers and m - t key servers at once: right bytes come back,
the liars are named, and nobody else is."""
import os
import random

import pytest

from cluster import DENIED, INTEGRITY, NOT_FOUND, TOO_FEW
from liars import LyingCluster, blamed

STORAGE, KEYS = ["storage-1", "storage-3", "storage-6"], ["key-1", "key-4"]
ONE_TOO_MANY = ["storage-4", "key-3"]
EVERYONE = STORAGE + KEYS + ONE_TOO_MANY
READERS = [("alice", None), ("bob", "alice")]


class World:
    """A system with two of alice's images, both forwarded to bob."""

    def __init__(self, cluster):
        self.c = cluster
        files = [cluster.make("large.bin", 5 << 20)] + [cluster.make(f"{i}.bin", 999 + i) for i in range(5)]
        self.want = {f.name: f.read_bytes() for f in files}
        self.id = cluster.image_id("alice", "scan", *files)
        small = cluster.make("o.bin", 5000)
        self.other_id = cluster.image_id("alice", "other", small)
        self.small = ["other", "third", "fourth"]
        for image in self.small[1:]:
            cluster.put("alice", image, small)
        for image in ("scan", *self.small):
            cluster.must("forward", image, "--to", "bob", user="alice")

    def expect(self, reader, owner, lies, to_blame=None, rounds=8):
        """Gets come out right; nobody but `to_blame` (a subset of the liars; all of them where None)
        is named, and all of those are, after a few gets where it depends on who happens to be
        asked."""
        to_blame = set(lies if to_blame is None else to_blame)
        seen = set()
        self.c.tell(lies)
        for _ in range(rounds):
            files, err = self.c.fetch(reader, "scan", owner)
            assert files == self.want
            certain, pairs = blamed(err)
            assert certain <= to_blame, f"an innocent is named:\n{err}"
            for pair in pairs:
                assert set(pair) & set(lies), f"neither of two suspects lies:\n{err}"
            seen |= certain
            if seen == to_blame:
                return err
        raise AssertionError(f"{to_blame - seen} not named; the last get said:\n{err}")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    cluster = LyingCluster(tmp_path_factory.mktemp("liars"), EVERYONE)
    try:
        yield World(cluster.up().enroll("alice", "bob", "carol"))
    finally:
        cluster.end()


@pytest.fixture(autouse=True)
def honest_afterwards(world):
    yield
    world.c.tell({})


def test_nobody_lies(world):
    for reader, owner in READERS:
        files, err = world.c.fetch(reader, "scan", owner)
        assert files == world.want and err == ""


# ------------------------------------------------------------------ storage servers

@pytest.mark.parametrize("reader, owner", READERS)
@pytest.mark.parametrize("lie", ["gamma", "alpha", "row", "mixed-image image={other}"])
def test_wrong_envelope_symbols(world, lie, reader, owner):
    """Well-formed ones: the key servers cannot tell, the reader can."""
    world.expect(reader, owner, dict.fromkeys(STORAGE, lie.format(other=world.other_id)))


@pytest.mark.parametrize("reader, owner", READERS)
def test_slots_of_others(world, reader, owner):
    """A symbol under another's slot is passed over by a key server that has that slot's own symbol,
    and named by the reader where none has: which it is depends on where an image's slots are."""
    world.c.tell(dict.fromkeys(STORAGE, "slot"))
    seen = set()
    for image in ["scan", *world.small] * 3:
        files, err = world.c.fetch(reader, image, owner)
        assert files == world.want if image == "scan" else list(files) == ["o.bin"]
        certain, pairs = blamed(err)
        assert certain <= set(STORAGE) and not pairs, err
        seen |= certain
        if seen == set(STORAGE):
            return
    raise AssertionError(f"{set(STORAGE) - seen} not named")


@pytest.mark.parametrize("lie", ["other-image image={other}", "nonsense"])
def test_symbols_that_key_servers_refuse(world, lie):
    """The reader need not hear of it; whoever runs the key servers does."""
    before = world.c.log("key-2")
    world.c.tell(dict.fromkeys(STORAGE, f"{lie.format(other=world.other_id)} to=key-2"))
    for reader, owner in READERS * 3:
        files, err = world.c.fetch(reader, "scan", owner)
        assert files == world.want and blamed(err) == (set(), set())
    said = "\n".join(line for line in world.c.log("key-2")[len(before):].splitlines()
                     if "event=symbol-not-fetched" in line)
    assert all(f"server={server} " in said for server in STORAGE), said
    assert not any(f"server=storage-{j} " in said for j in (2, 4, 5)), said


@pytest.mark.parametrize("reader, owner", READERS)
def test_different_answers_to_different_people(world, reader, owner):
    """storage-1 and storage-3 lie to one key server only: its word for the symbol convicts it, not
    the key server that passed it on."""
    world.expect(reader, owner, {"storage-1": "gamma to=key-1", "storage-3": "alpha to=key-1"}, rounds=25)
    if reader == "bob":
        world.expect(reader, owner, {"storage-1": "slice to=bob"})
        files, err = world.c.fetch("alice", "scan")
        assert files == world.want and err == ""


@pytest.mark.parametrize("lie", ["gamma unproven", "unsigned"])
def test_a_storage_server_that_does_not_stand_by_its_word(world, lie):
    """Then it is it or the key server that passed the symbol on, and the reader says so."""
    world.c.tell({"storage-3": lie})
    suspects = set()
    for _ in range(12):
        files, err = world.c.fetch("bob", "scan", "alice")
        assert files == world.want
        certain, pairs = blamed(err)
        assert certain <= {"storage-3"}, err
        assert all(pair[0] == "storage-3" for pair in pairs), err
        suspects |= pairs
    assert suspects


@pytest.mark.parametrize("lie", ["slice", "hashes", "short", "other-object object={object}"])
def test_wrong_slices(world, lie):
    sizes = {p.name.split(".")[0]: p.stat().st_size for p in world.c.files("storage-2", kind=".slices")}
    small = min(sizes, key=sizes.get)
    world.expect("bob", "alice", dict.fromkeys(STORAGE, lie.format(object=small)), rounds=15)


def test_a_slow_drip(world):
    """It is worked around, and its slowness is said."""
    world.c.tell({"storage-1": "drip", "storage-6": "drip"})
    for _ in range(4):
        files, err = world.c.fetch("alice", "scan")
        assert files == world.want
        assert blamed(err)[0] <= {"storage-1", "storage-6"}, err
        if "storage-1" in err or "storage-6" in err:
            return
    raise AssertionError("the slow servers were never asked")


@pytest.mark.parametrize("lie", ["forged-envelope", "other-envelope image={other}", "forged-manifest",
                                 "no-objects", "nonsense", "refuse", "absent"])
def test_wrong_records(world, lie):
    lies = dict.fromkeys(STORAGE, lie.format(other=world.other_id))
    for reader, owner in READERS:
        world.expect(reader, owner, lies)


def test_what_was_removed_does_not_come_back(world):
    """Servers that show an image as it was before its owner removed it and put it anew."""
    c = world.c
    old, new = c.make("v.bin", 4000, seed=1), c.make("v.bin", 4000, seed=2)
    c.put("alice", "again", old)
    c.must("rm", "again", user="alice")
    c.tell(dict.fromkeys(STORAGE, "old-image"))
    c.fetch("alice", "again", code=NOT_FOUND)
    c.tell({})
    new.write_bytes(new.read_bytes()[::-1])
    c.put("alice", "again", new)
    c.tell(dict.fromkeys(STORAGE, "old-image"))
    files, err = c.fetch("alice", "again")
    assert files == {"v.bin": new.read_bytes()} and blamed(err) == (set(STORAGE), set())


def test_the_inbox(world):
    world.c.tell({"storage-1": "forged-inbox", "storage-3": "no-inbox", "storage-6": "nonsense"})
    answer = world.c.must("inbox", "--json", user="bob")
    assert {entry["id"] for entry in answer.json()} == {"scan", *world.small}
    assert blamed(answer.err)[0] == {"storage-1", "storage-6"}


def test_a_flooded_inbox(world):
    """Each forward that is none costs a look-up of its owner: a server has so many, and no more."""
    world.c.tell({"storage-1": "flooded-inbox"})
    answer = world.c.must("inbox", "--json", user="bob", timeout=60)
    assert {entry["id"] for entry in answer.json()} == {"scan", *world.small}
    assert blamed(answer.err)[0] == {"storage-1"}
    assert len(answer.err.splitlines()) < 100 and "the rest of it is left out" in answer.err


def test_old_forwards(world):
    """A forward that another took the place of opens the same image; a revoked one opens nothing."""
    c = world.c
    c.put("alice", "twice", c.make("t.bin", 3000))
    for _ in range(2):
        c.must("forward", "twice", "--to", "bob", user="alice")
    c.tell(dict.fromkeys(STORAGE, "stale"))
    want = {"t.bin": c.make("t.bin", 3000).read_bytes()}
    for _ in range(4):
        files, err = c.fetch("bob", "twice", "alice")
        assert files == want and blamed(err) == (set(), set())
    c.must("revoke", "twice", "--from", "bob", user="alice")
    assert c.run("get", "twice", "--from", "alice", "-o", c.folder / "no", user="bob").code in (DENIED, NOT_FOUND)


@pytest.mark.parametrize("lie", ["receipt", "forged-receipt", "other-receipt"])
def test_receipts(world, lie):
    c, path = world.c, world.c.make("r.bin", 70000)
    c.tell({"storage-3": lie})
    answer = c.must("put", "--id", lie, path, user="alice")
    assert blamed(answer.err) == ({"storage-3"}, set())
    assert c.fetch("alice", lie)[0] == {"r.bin": path.read_bytes()}
    c.tell({"storage-3": lie, "storage-1": lie})
    answer = c.put("alice", f"two {lie}", path, code=TOO_FEW)
    assert blamed(answer.err) == ({"storage-1", "storage-3"}, set())


def test_servers_of_a_version_without_puts_in_one_request(world):
    """They are brought the same step by step, and nobody notices."""
    c, paths = world.c, [world.c.make(f"s{i}.bin", 70000) for i in range(3)]
    c.tell(dict.fromkeys(STORAGE, "steps"))
    for image in ("new", "new"):  # it is made, then added to
        answer = c.must("put", "--id", image, paths.pop(), user="alice")
        assert answer.err == ""
    c.must("verify", "new", user="alice")
    assert c.run("put", "--id", "new", c.make("s1.bin", 5), user="alice").code not in (0, TOO_FEW)
    assert set(c.fetch("alice", "new")[0]) == {"s1.bin", "s2.bin"}


def test_servers_that_keep_nothing(world):
    """They acknowledge a put and have nothing: what is missing is named at the first get."""
    c, path = world.c, world.c.make("f.bin", 70000)
    c.tell(dict.fromkeys(STORAGE, "forgets"))
    assert c.must("put", "--id", "forgotten", path, user="alice").err == ""
    files, err = c.fetch("alice", "forgotten")
    assert files == {"f.bin": path.read_bytes()} and blamed(err) == (set(STORAGE), set())


def test_servers_that_do_not_commit(world):
    """A put that shows at so few servers that a reader may meet none is not said to be done; and yet it
    is whole once they are willing."""
    c = world.c
    path = c.make("b.bin", 3 << 20)
    c.tell(dict.fromkeys(STORAGE, "balks"))
    answer = c.put("alice", "balked", path, code=TOO_FEW)
    assert "3 of the 4 storage servers needed were told so" in answer.err
    c.tell({})
    files, err = c.fetch("alice", "balked")
    assert files == {"b.bin": path.read_bytes()} and blamed(err) == (set(), set())
    c.kill("storage-2", "storage-4", "storage-5")
    try:
        assert c.fetch("alice", "balked")[0] == files
    finally:
        for server in ("storage-2", "storage-4", "storage-5"):
            c.must("up", c.system, "--detach")


# ------------------------------------------------------------------ key servers

@pytest.mark.parametrize("reader, owner", READERS)
@pytest.mark.parametrize("lie", ["partial", "partial-of user=carol", "partial unproven", "framing", "symbols", "index",
                                 "beta", "threshold", "nonsense", "refuse"])
def test_lies_at_an_opening(world, lie, reader, owner):
    world.expect(reader, owner, dict.fromkeys(KEYS, lie), rounds=1)


def test_a_forged_forward(world):
    world.expect("bob", "alice", dict.fromkeys(KEYS, "forward"), rounds=1)


@pytest.mark.parametrize("reader, owner", READERS)
def test_a_proof_that_does_not_hold(world, reader, owner):
    """Nobody looks at proofs until they matter."""
    world.expect(reader, owner, dict.fromkeys(KEYS, "proof"), to_blame=[], rounds=1)
    world.expect(reader, owner, {**dict.fromkeys(KEYS, "proof"), **dict.fromkeys(STORAGE, "gamma")})


def test_symbols_altered_until_proofs_are_asked_for(world):
    world.c.tell({"key-1": "symbols unproven"})
    files, err = world.c.fetch("bob", "scan", "alice")
    certain, pairs = blamed(err)
    assert files == world.want and certain == set()
    assert pairs and all(pair[1] == "key-1" for pair in pairs), err


def test_a_key_server_that_knows_few_symbols(world):
    world.expect("alice", None, dict.fromkeys(KEYS, "few"), to_blame=[], rounds=1)


@pytest.mark.parametrize("lie", ["swapped user=carol", "unknown", "commitments", "threshold", "nonsense", "refuse"])
def test_wrong_entries_of_users(world, lie):
    world.c.tell(dict.fromkeys(KEYS, lie))
    answer = world.c.must("forward", "scan", "--to", "bob", user="alice")
    assert blamed(answer.err) == (set(KEYS), set())
    world.c.tell({})
    files, err = world.c.fetch("bob", "scan", "alice")
    assert files == world.want and err == ""
    if lie not in ("nonsense", "refuse"):
        world.expect("bob", "alice", dict.fromkeys(KEYS, lie), rounds=1)


def test_a_user_whom_nobody_knows_is_not_made_up(world):
    world.c.tell(dict.fromkeys(KEYS, "swapped user=carol"))
    answer = world.c.must("forward", "scan", "--to", "dora", user="alice", code=NOT_FOUND)
    assert "dora" in answer.err


@pytest.mark.parametrize("lie", ["rekey", "threshold", "index", "nonsense", "refuse"])
def test_wrong_parts_of_a_forward(world, lie):
    world.c.tell(dict.fromkeys(KEYS, lie))
    answer = world.c.must("forward", "scan", "--to", "bob", user="alice")
    assert blamed(answer.err) == (set(KEYS), set())
    world.c.tell({})
    files, err = world.c.fetch("bob", "scan", "alice")
    assert files == world.want and err == ""


# ------------------------------------------------------------------ an owner

@pytest.mark.parametrize("lie", ["other-id", "other-recipient"])
def test_a_forward_that_is_none(world, lie):
    """In form it is right and its owner signed it: no server can tell. The recipient can, names the
    owner and no server, not even where servers lie as well."""
    c = world.c
    c.put("alice", lie, c.make("w.bin", 3000))
    told = c.lying_owner(lie, "alice", "forward", lie, "--to", "carol")
    assert told.returncode == 0 and told.stderr == "", told
    _, err = c.fetch("carol", lie, "alice", code=INTEGRITY)
    assert "the forward that alice signed is wrong" in err and blamed(err) == (set(), set()), err
    c.tell({"storage-1": "gamma", "key-1": "partial"})
    _, err = c.fetch("carol", lie, "alice", code=INTEGRITY)
    assert "the forward that alice signed is wrong" in err, err
    assert blamed(err)[0] == {"storage-1", "key-1"}, err
    c.tell({})
    c.must("forward", lie, "--to", "carol", user="alice")
    assert c.fetch("carol", lie, "alice")[0] == {"w.bin": c.make("w.bin", 3000).read_bytes()}


# ------------------------------------------------------------------ all at once

def test_all_kinds_at_once(world):
    world.expect("bob", "alice", {"storage-1": "gamma", "storage-3": "slice", "storage-6": "forged-manifest",
                                  "key-1": "partial", "key-4": "symbols"}, rounds=15)


def test_more_liars_than_honest_key_servers(tmp_path):
    """Three of five, where two are enough: a majority for false commitments frames nobody."""
    liars = ["storage-1", "storage-2", "key-1", "key-2", "key-3"]
    c = LyingCluster(tmp_path / "c", liars, storage=4, k=2, key=5, threshold=2)
    try:
        c.up().enroll("alice", "bob")
        path = c.make("m.bin", 50000)
        want = {path.name: path.read_bytes()}
        c.put("alice", "mine", path)
        c.tell(dict.fromkeys(liars[2:], "framing"))
        answer = c.must("forward", "mine", "--to", "bob", user="alice")
        assert not blamed(answer.err)[0] & {"storage-1", "storage-2"}
        lies = {**dict.fromkeys(liars[:2], "gamma"), **dict.fromkeys(liars[2:], "framing")}
        c.tell(lies)
        for reader, owner in READERS:
            files, err = c.fetch(reader, "mine", owner)
            assert files == want
            for server in liars[2:]:
                assert f"{server}: its partial is wrong" in err, err
            assert "key-4: its partial" not in err and "key-5: its partial" not in err, err
    finally:
        c.end()


def test_too_many_liars_are_an_error_with_names(world):
    c = world.c
    c.tell(dict.fromkeys(KEYS, "partial"))
    c.freeze("key-2")
    try:
        files, err = c.fetch("alice", "scan", code=TOO_FEW)
        assert set(KEYS) <= blamed(err)[0], err
    finally:
        c.thaw("key-2")
    c.tell({server: "gamma" for server in STORAGE})
    c.kill("storage-2")
    try:
        files, err = c.fetch("bob", "scan", "alice", code=TOO_FEW)
        assert set(STORAGE) | {"storage-2"} <= blamed(err)[0], err
    finally:
        c.must("up", c.system, *c.shape, "--detach")
    c.tell({})
    assert c.fetch("alice", "scan")[0] == world.want


STORAGE_LIES = ["", "gamma", "alpha", "row", "slot", "gamma unproven", "unsigned", "alpha to=key-1", "mixed-image image={other}",
                "other-image image={other}", "stale", "forged-envelope", "forged-manifest", "no-objects", "slice",
                "hashes", "short", "nonsense", "refuse", "absent"]
KEY_LIES = ["", "partial", "partial unproven", "partial-of user=carol", "proof", "index", "beta", "symbols",
            "symbols unproven", "few", "forward", "unknown", "swapped user=carol", "commitments", "framing",
            "nonsense", "refuse"]


def choose_lies(chance, world, servers):
    """Each of the servers tells a lie of its kind, or none."""
    return {server: chance.choice(KEY_LIES if server.startswith("key") else STORAGE_LIES)
            .format(other=world.other_id) for server in servers}


@pytest.fixture
def seeded():
    """(seed, generator): another one each time, or MYELIN_SEED."""
    seed = int(os.environ.get("MYELIN_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    print(f"MYELIN_SEED={seed}")
    return seed, random.Random(seed)


def test_a_random_mixture(world, seeded):
    """Right bytes, whoever lies how: each liar may tell another lie each time."""
    seed, chance = seeded
    for turn in range(12):
        lies = choose_lies(chance, world, STORAGE + KEYS)
        world.c.tell(lies)
        reader, owner = chance.choice(READERS)
        files, err = world.c.fetch(reader, "scan", owner, code=None)
        told = f"seed {seed}, turn {turn}, {reader}: {lies}\n{err}"
        assert files == world.want, told
        certain, pairs = blamed(err)
        assert certain <= {server for server, lie in lies.items() if lie}, told
        assert all(set(pair) & set(lies) for pair in pairs), told


def test_a_random_mixture_of_too_many(world, seeded):
    """Right bytes, or an error that names a liar: never wrong bytes."""
    seed, chance = seeded
    for turn in range(10):
        lies = choose_lies(chance, world, EVERYONE)
        world.c.tell(lies)
        reader, owner = chance.choice(READERS)
        files, err = world.c.fetch(reader, "scan", owner, code=None)
        told = f"seed {seed}, turn {turn}, {reader}: {lies}\n{err}"
        assert files in (None, world.want), told
        if files is None:
            certain, pairs = blamed(err)
            assert (certain | {server for pair in pairs for server in pair}) & set(lies), told
