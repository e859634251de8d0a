"""Resharing on real servers: other thresholds, other key servers, and whatever dies on the way."""
import hashlib
import shutil

import pytest

from cluster import DONE, INTEGRITY, NOT_FOUND, TOO_FEW, USAGE, Cluster
from shares_test import CONTENT, KEYS, TRIES, Watch, all_opens, share, start_again


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """alice has an image of her own and one from bob; bob has hers too. Shares are the key servers' matter."""
    cluster = Cluster(tmp_path_factory.mktemp("filled"), storage=3, k=2)
    try:
        cluster.up().enroll("alice", "bob", "carol")
        cluster.put("alice", "hers", cluster.make("one.bin", CONTENT["one.bin"]))
        cluster.put("bob", "his", cluster.make("two.bin", 5000))
        cluster.must("forward", "hers", "--to", "bob", user="alice")
        cluster.must("forward", "his", "--to", "alice", user="bob")
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def c(filled):
    """All servers run, and alice's shares are with all key servers again, as the system has it."""
    start_again(filled)
    filled.must("shares", "reshare", user="alice")
    assert shown(filled) == (3, KEYS)
    return filled


def reshare(c, threshold, *among, user="alice", new=None):
    """New shares for `among`, `new` of which are to have got one."""
    done = c.must("shares", "reshare", "--threshold", threshold, "--among", *among, "--json",
                  user=user).json()[0]
    assert done["threshold"] == threshold and done["holders"] == sorted(among), done
    assert [s["name"] for s in done["servers"] if s["new"]] == sorted(new or among), done
    return done


def shown(c, user="alice"):
    now = c.must("shares", "show", "--json", user=user).json()
    return now["threshold"], now["holders"]


def everything_works(c):
    all_opens(c)
    c.must("forward", "hers", "--to", "bob", user="alice")
    c.must("forward", "hers", "--to", "bob", "--recover-key", user="alice")


def sees(c, code):
    """Whether alice can open, and with what exit code: nothing else is left behind."""
    c.get("alice", "hers", code=code)


def without(c, dead, code):
    """What alice sees with these key servers dead."""
    c.kill(*dead)
    sees(c, code)
    start_again(c)


# ------------------------------------------------------------------ t and m up and down

def test_fewer_of_fewer(c):
    """t and m go down; bob's shares stay as they are."""
    reshare(c, 2, "key-1", "key-2", "key-4")
    assert shown(c) == (2, ["key-1", "key-2", "key-4"])
    assert shown(c, "bob") == (3, KEYS)
    everything_works(c)
    answer = c.must("get", "hers", "-o", c.folder / "out" / "quiet", user="alice")
    assert not answer.err, answer.err  # nobody misses those who hold no share
    without(c, ["key-1", "key-3", "key-5"], DONE)  # two holders are left: enough
    without(c, ["key-1", "key-2"], TOO_FEW)        # three servers, and one holder among them


def test_more_of_more(c):
    """From one server that has the key itself to four of five."""
    reshare(c, 1, "key-3")
    all_opens(c)
    without(c, ["key-1", "key-2", "key-4", "key-5"], DONE)
    c.must("shares", "refresh", user="alice", code=USAGE)  # t = 1: there is nothing to refresh
    reshare(c, 4, *KEYS)
    everything_works(c)
    without(c, ["key-2"], DONE)
    without(c, ["key-2", "key-3"], TOO_FEW)


def test_who_is_needed(c):
    """status and audit go by the user's own threshold and key servers."""
    reshare(c, 2, "key-1", "key-2")
    c.kill("key-3", "key-4", "key-5")
    shown_to_alice = c.must("status", "--json", user="alice").json()
    assert (shown_to_alice["threshold"], shown_to_alice["holders"]) == (2, ["key-1", "key-2"])
    assert (shown_to_alice["t"], shown_to_alice["m"]) == (3, 5)
    assert "for alice any 2 of 2 key servers" in c.must("status", user="alice").out
    c.must("audit", "hers", user="alice")
    assert "bob" in c.must("status", user="bob", code=TOO_FEW).err
    start_again(c)
    c.kill("key-1")
    assert "alice" in c.must("status", user="alice", code=TOO_FEW).err
    assert "key-1" in c.must("audit", "hers", user="alice", code=TOO_FEW).err
    c.must("status", user="bob")
    c.must("audit", user="bob")


def test_care_goes_on(c):
    """Refresh, replacement and the manager's refresh, among whom the shares are now; then back."""
    among = ["key-2", "key-3", "key-5"]
    reshare(c, 2, *among)
    done = c.must("shares", "refresh", "--json", user="alice").json()[0]
    assert [s["name"] for s in done["servers"] if s["new"]] == among and done["threshold"] == 2
    share(c, "key-3").unlink()
    c.must("shares", "replace", "key-3", user="alice")
    c.must("shares", "replace", "key-4", user="alice", code=NOT_FOUND)
    without(c, ["key-2"], DONE)
    held = {d["user"]: [s["name"] for s in d["servers"] if s["new"]]
            for d in c.must("shares", "refresh", "--all", "--json").json()}
    assert held == {"alice": among, "bob": KEYS, "carol": KEYS}
    everything_works(c)
    c.must("shares", "reshare", user="alice")  # the system's own t and all its key servers
    assert shown(c) == (3, KEYS)
    everything_works(c)
    audit = c.must("audit", "--json", user="alice").json()
    assert {e["server"] for e in audit if e["action"] == "reshare"} == set(KEYS)


def test_usage(c):
    for options in (["--threshold", "6"], ["--threshold", "0"], ["--among", "key-1"],
                    ["--threshold", "1", "--among", "key-1", "key-1"], ["--all"], ["key-1"]):
        answer = c.must("shares", "reshare", *options, user="alice", code=USAGE)
        assert len(answer.err.strip().splitlines()) == 1, answer.err
    c.must("shares", "refresh", "--threshold", "2", user="alice", code=USAGE)
    assert shown(c) == (3, KEYS)


# ------------------------------------------------------------------ what old shares are worth

def test_old_and_new_shares_do_not_add_up(c):
    """t - 1 shares of before, from backups, and t' - 1 of after open nothing; t of before do."""
    old = {key: share(c, key).read_bytes() for key in KEYS}
    reshare(c, 2, "key-1", "key-2", "key-3")
    new = {key: share(c, key).read_bytes() for key in KEYS}
    c.down()
    for key in ("key-4", "key-5"):
        share(c, key).write_bytes(old[key])
    start_again(c)
    without(c, ["key-2", "key-3"], TOO_FEW)
    c.down()
    for key in ("key-4", "key-5"):
        share(c, key).write_bytes(new[key] if key == "key-4" else old[key])
    share(c, "key-3").write_bytes(old["key-3"])
    start_again(c)
    without(c, ["key-1", "key-2"], TOO_FEW)
    c.down()
    share(c, "key-4").write_bytes(old["key-4"])
    start_again(c)
    without(c, ["key-1", "key-2"], DONE)  # so backups of shares must be destroyed
    c.down()
    for key in KEYS:
        share(c, key).write_bytes(new[key])


def test_who_missed_it_gives_up_its_share(c):
    """A key server that was away, and is none of the holders now, is told at the next change."""
    c.kill("key-5")
    reshare(c, 2, "key-1", "key-2", "key-3")
    start_again(c)
    stale = share(c, "key-5").read_bytes()
    everything_works(c)
    c.must("shares", "refresh", user="alice")
    assert share(c, "key-5").read_bytes() != stale
    answer = c.must("get", "hers", "-o", c.folder / "out" / "after", user="alice")
    assert not answer.err, answer.err
    assert any(e["server"] == "key-5" and e["action"] == "reshare"
               for e in c.must("audit", "--json", user="alice").json())
    reshare(c, 3, *KEYS)
    all_opens(c)


def test_servers_that_know_nobody_can_be_given_shares(c):
    """As a key server that is new, or has lost its disk, is."""
    reshare(c, 2, "key-1", "key-2", "key-3")
    c.kill("key-4", "key-5")
    for key in ("key-4", "key-5"):
        shutil.rmtree(c.store(key))
    start_again(c)
    reshare(c, 2, "key-3", "key-4", "key-5")
    without(c, ["key-1", "key-2", "key-3"], DONE)
    for key in ("key-4", "key-5"):
        c.must("shares", "replace", key, user="bob")


def test_a_key_server_that_the_manager_adds(make_cluster):
    """Who enrolled before has no share there until he reshares; who enrols later has one."""
    c = make_cluster().enroll("alice")
    c.put("alice", "hers", c.make("one.bin", 5000))
    c.must("system", "add-key", "key-6")
    start_again(c)
    assert shown(c) == (3, KEYS)
    reshare(c, 3, "key-1", "key-2", "key-6")
    without(c, ["key-3", "key-4", "key-5"], DONE)
    without(c, ["key-6"], TOO_FEW)
    c.enroll("bob")
    assert shown(c, "bob") == (3, KEYS + ["key-6"])
    seen, = c.home.glob("*.seen")
    seen.write_text(f"9 {hashlib.sha256(b'9').hexdigest()}\n")  # a later version than there is
    answer = c.must("enroll", "carol", user="carol", code=INTEGRITY)
    assert "version 9" in answer.err, answer.err


def test_too_few_change_nothing(c):
    """Too few of those who hold shares, or of those who are to."""
    c.kill("key-4", "key-5")
    c.must("shares", "reshare", "--threshold", "1", "--among", "key-1", user="alice", code=TOO_FEW)
    assert shown(c) == (3, KEYS)
    start_again(c)
    reshare(c, 2, "key-1", "key-2", "key-3")
    c.kill("key-4", "key-5")
    c.must("shares", "reshare", "--threshold", "2", "--among", "key-3", "key-4", "key-5",
           user="alice", code=TOO_FEW)
    sees(c, DONE)
    start_again(c)
    assert shown(c) == (2, ["key-1", "key-2", "key-3"])
    everything_works(c)


# ------------------------------------------------------------------ broken off

MOMENTS = {
    "the first of the new ones has accepted": lambda now, most: now >= 1,
    "some old ones have accepted": lambda now, most: now >= 3,
    "all have accepted": lambda now, most: now == 5,
    "some have finished": lambda now, most: most >= 4 and now <= most - 2,
}
BEFORE, AFTER = ["key-1", "key-2", "key-3"], ["key-2", "key-3", "key-4", "key-5"]


def broken_off(c, threshold, among, when, act=None):
    driver = c.start("shares", "reshare", "--threshold", str(threshold), "--among", *among,
                     user="alice")
    watch = Watch(c, when, act or driver.kill)
    watch.start()
    driver.communicate(timeout=120)
    watch.over.set()
    watch.join()
    return watch.hit


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_driver_dies(c, moment):
    """One goes, two come: the shares of before work, or those of after, and the next change too."""
    reshare(c, 2, *BEFORE)
    broken_off(c, 3, AFTER, MOMENTS[moment])
    all_opens(c)
    c.must("forward", "hers", "--to", "bob", user="alice")
    if moment == "all have accepted":
        c.must("shares", "refresh", user="alice")
        assert shown(c) == (3, AFTER)
    reshare(c, 3, *KEYS)
    assert Watch(c, None, None).long() == 0


def test_servers_die_before_they_finish(c):
    """One that is to get a share and one that is to give it up."""
    for _ in range(TRIES):
        reshare(c, 2, *BEFORE)
        if broken_off(c, 3, AFTER, MOMENTS["all have accepted"], lambda: c.kill("key-1", "key-5")):
            break
    else:
        raise AssertionError("the moment was never met")
    all_opens(c)
    start_again(c)
    c.must("forward", "hers", "--to", "bob", user="alice")
    reshare(c, 3, *KEYS)
    all_opens(c)


def test_several_drivers_at_once(c):
    drivers = [c.start("shares", *what, user=user) for user, what in (
        ("alice", ["reshare", "--threshold", "2", "--among", *BEFORE]),
        ("alice", ["reshare", "--threshold", "3", "--among", *AFTER]),
        (None, ["refresh", "--all"]))]
    for driver in drivers:
        driver.communicate(timeout=120)
    all_opens(c)
    reshare(c, 3, *KEYS)
    all_opens(c)
