"""A short history on a network that fails, and what longer ones have found, each by itself."""
import secrets

import pytest

from fleet import HOUR, Fleet
from history import USERS, History
from model import (DENIED, DONE, INTEGRITY, NOT_FOUND, TOO_FEW, Image, Limits, Troubles, Wrong)
from torture import torture

LIMITS = Limits(n=6, k=3, m=5, t=3)
WELL, ILL = Troubles(), Troubles(storage=frozenset({"storage-1", "storage-2", "storage-3", "storage-4"}))


def make_fleet(folder):
    """Running, and at the end stopped in order: a sanitizer's complaint is an exit code."""
    fleet = Fleet(folder, seed=1)
    yield fleet.up().enroll(*USERS)
    codes = fleet.end()
    assert all(code == 0 for code in codes.values()), codes


@pytest.fixture
def fleet(tmp_path):
    yield from make_fleet(tmp_path / "fleet")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    yield from make_fleet(tmp_path_factory.mktemp("shared") / "fleet")


@pytest.fixture
def well(shared):
    """The shared fleet with every clock right."""
    yield shared
    for shim in shared.shims.values():
        shim.set()


# ------------------------------------------------------------------ the checker can say no

def present():
    image = Image("alice", "x", LIMITS)
    image.put({"a": b"1"}, DONE)
    return image


@pytest.mark.parametrize("objects", [{}, {"a": b"2"}, {"a": b"1", "b": b""}])
def test_the_checker_sees_wrong_bytes(objects):
    with pytest.raises(Wrong):
        present().check_read("alice", DONE, objects, WELL, "")


def test_the_checker_sees_deleted_objects():
    image = present()
    image.put({"b": b"2"}, DONE)
    image.deleted(["b"], TOO_FEW)
    image.check_read("alice", DONE, {"a": b"1", "b": b"2"}, WELL, "")
    image.check_read("alice", DONE, {"a": b"1"}, WELL, "")
    with pytest.raises(Wrong):
        image.check_read("alice", DONE, {"a": b"1", "b": b"3"}, WELL, "")
    image = present()
    image.put({"b": b"2"}, DONE)
    image.deleted(["b"], DONE)
    with pytest.raises(Wrong):
        image.check_read("alice", DONE, {"a": b"1", "b": b"2"}, WELL, "")


@pytest.mark.parametrize("code", [NOT_FOUND, DENIED, TOO_FEW, INTEGRITY])
def test_the_checker_sees_lost_objects(code):
    with pytest.raises(Wrong):
        present().check_read("alice", code, {}, WELL, "")


def test_the_checker_forgives_what_nobody_can_read():
    present().check_read("alice", TOO_FEW, {}, ILL, "")
    three = Troubles(storage=frozenset(sorted(ILL.storage)[:3]))
    missed = present()
    missed.lacking = {"storage-6"}
    missed.check_read("alice", TOO_FEW, {}, three, "")
    missed.repaired()
    with pytest.raises(Wrong):
        missed.check_read("alice", TOO_FEW, {}, three, "")
    with pytest.raises(Wrong):
        present().check_read("alice", INTEGRITY, {}, ILL, "")


def test_the_checker_sees_half_a_put():
    image = present()
    image.put({"b": b"2", "c": b"3"}, TOO_FEW)
    image.check_read("alice", DONE, {"a": b"1"}, WELL, "")
    image.check_read("alice", DONE, {"a": b"1", "b": b"2", "c": b"3"}, WELL, "")
    with pytest.raises(Wrong):
        image.check_read("alice", DONE, {"a": b"1", "b": b"2"}, WELL, "")


def test_the_checker_sees_who_must_not_read():
    image = present()
    with pytest.raises(Wrong):
        image.check_read("bob", DONE, {"a": b"1"}, ILL, "")
    image.forwarded("bob", 6, DONE)
    image.check_read("bob", DONE, {"a": b"1"}, WELL, "")
    image.revoked("bob", DONE)
    with pytest.raises(Wrong):
        image.check_read("bob", DONE, {"a": b"1"}, ILL, "")
    image.removed_with(DONE)
    with pytest.raises(Wrong):
        image.check_read("alice", DONE, {"a": b"1"}, ILL, "")


# ------------------------------------------------------------------ a history

@pytest.mark.parametrize("seed", [20261122, None])
def test_a_short_history(fleet, seed):
    """Two rounds of a known history, and of one that nobody has seen."""
    seed = secrets.randbelow(1 << 32) if seed is None else seed
    print(f"the same again: ./run torture --seed {seed} -v")
    torture(History(fleet, seed, verbose=True), rounds=2, minutes=1, settle_every=1000)


# ------------------------------------------------------------------ what histories found

def client_clock(fleet, hours):
    fleet.shims["client"].set(clock_s=hours * HOUR)


def test_a_client_whose_clock_goes_back(well):
    """Ten hours ahead and then not: what he signs later still counts."""
    fleet = well
    path = fleet.make("a.bin", 1000)
    want = {"a.bin": path.read_bytes()}
    client_clock(fleet, 10)
    fleet.put("alice", "scan", path)
    fleet.must("forward", "scan", "--to", "bob", user="alice")
    client_clock(fleet, 0)
    fleet.must("forward", "scan", "--to", "bob", user="alice")
    assert fleet.get("bob", "scan", "alice") == want
    fleet.must("revoke", "scan", "--from", "bob", user="alice")
    fleet.get("bob", "scan", "alice", code=NOT_FOUND)
    client_clock(fleet, -10)
    fleet.must("forward", "scan", "--to", "bob", user="alice")
    assert fleet.get("bob", "scan", "alice") == want
    other = fleet.make("b.bin", 2000)
    fleet.put("alice", "scan", other)
    want["b.bin"] = other.read_bytes()
    assert fleet.get("bob", "scan", "alice") == want
    fleet.must("rm", "scan", user="alice")
    fleet.get("alice", "scan", code=NOT_FOUND)
    client_clock(fleet, -20)
    fleet.put("alice", "scan", path)
    assert fleet.get("alice", "scan") == {"a.bin": want["a.bin"]}


def test_servers_with_wrong_clocks(well):
    """Each off by hours, in both directions, and stepping while they run."""
    fleet = well
    path = fleet.make("a.bin", 1 << 20)
    for round_number, sign in enumerate((1, -1)):
        for i, server in enumerate(fleet.servers):
            fleet.shims[server].set(clock_s=sign * (i - 5) * 7 * HOUR)
        image = f"scan {round_number}"
        fleet.put("alice", image, path)
        fleet.must("forward", image, "--to", "bob", user="alice")
        assert fleet.get("bob", image, "alice") == {"a.bin": path.read_bytes()}
        fleet.must("revoke", image, "--from", "bob", user="alice")
        fleet.get("bob", image, "alice", code=NOT_FOUND)
        fleet.must("rm", image, user="alice")
        fleet.get("alice", image, code=NOT_FOUND)


def test_a_server_that_missed_a_removal(well):
    """It lists the old objects, which no key opens any more: they spoil neither gets nor puts."""
    fleet = well
    old, new = fleet.make("a.bin", 3000), fleet.make("b.bin", 4000)
    fleet.put("alice", "missed", old)
    fleet.put("alice", "missed", new)
    fleet.kill("storage-3")
    fleet.must("rm", "missed", user="alice")
    fleet.start_server("storage-3")
    again = fleet.make("a.bin", 5000, seed=1)
    fleet.put("alice", "missed", again)
    assert fleet.get("alice", "missed") == {"a.bin": again.read_bytes()}
    fleet.put("alice", "missed", new)
    assert fleet.get("alice", "missed") == {"a.bin": again.read_bytes(), "b.bin": new.read_bytes()}


def test_an_image_put_again_on_other_servers_while_slots_move(tmp_path):
    """A server that removed it and has no slot of it any more lacks nothing: the move comes to an end."""
    for fleet in make_fleet(tmp_path / "fleet"):
        path = fleet.make("a.bin", 1000)
        images = [f"scan {i}" for i in range(6)]
        for image in images:
            fleet.put("alice", image, path)
            fleet.must("rm", image, user="alice")
        pauses = [fleet.store(server) / "scrub.pause" for server in fleet.storage]
        for pause in pauses:
            pause.touch()
        fleet.join()
        for image in images:
            fleet.put("alice", image, path)
        for pause in pauses:
            pause.unlink()
        History(fleet, seed=1).wait_settled()
        for image in images:
            assert fleet.get("alice", image) == {"a.bin": path.read_bytes()}


def test_a_server_that_missed_a_revocation(well):
    """What one server alone still has for a recipient is nothing in his inbox."""
    fleet = well
    fleet.put("alice", "told", fleet.make("a.bin", 3000))
    fleet.must("forward", "told", "--to", "bob", user="alice")
    fleet.kill("storage-3")
    fleet.must("revoke", "told", "--from", "bob", user="alice")
    fleet.start_server("storage-3")
    assert fleet.must("inbox", "--json", user="bob").json() == []
    fleet.get("bob", "told", "alice", code=NOT_FOUND)
