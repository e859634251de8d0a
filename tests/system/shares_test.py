"""Share care on real servers: new shares, lost shares again, and whatever dies on the way."""
import shutil
import threading
import time

import pytest

from cluster import DENIED, NOT_FOUND, OTHER, TOO_FEW, USAGE, Cluster, flip

KEYS = [f"key-{i}" for i in range(1, 6)]
TRIES = 20  # a busy machine passes over the moment that a test waits for
CONTENT = {"one.bin": 200_000}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """alice has an image of her own and one from bob; bob has hers too. Nobody runs."""
    cluster = Cluster(tmp_path_factory.mktemp("filled"), storage=3, k=2)  # shares are the key servers' matter
    try:
        cluster.up().enroll("alice", "bob")
        cluster.put("alice", "hers", cluster.make("one.bin", CONTENT["one.bin"]))
        cluster.put("bob", "his", cluster.make("two.bin", 5000))
        cluster.must("forward", "hers", "--to", "bob", user="alice")
        cluster.must("forward", "his", "--to", "alice", user="bob")
    finally:
        cluster.end()
    cluster.save("filled")
    return cluster


@pytest.fixture
def c(filled):
    """The same for every test, whatever the one before has made of it."""
    filled.load("filled")
    start_again(filled)
    yield filled
    filled.end()


def share(c, server, user="alice"):
    return c.store(server) / "shares" / f"{user}.share"


def shares(c, user="alice"):
    return {key: share(c, key, user).read_bytes() for key in KEYS}


def all_opens(c):
    """Own image, one from somebody else, by both."""
    assert {n: len(b) for n, b in c.get("alice", "hers").items()} == CONTENT
    assert c.get("alice", "his", owner="bob")
    assert {n: len(b) for n, b in c.get("bob", "hers", owner="alice").items()} == CONTENT


def refresh(c, user="alice", fresh=KEYS):
    done = c.must("shares", "refresh", "--json", user=user).json()
    assert [s["name"] for s in done[0]["servers"] if s["new"]] == list(fresh), done
    return done[0]


def start_again(c):
    c.must("up", c.system, "--detach")


def test_refresh(c):
    before = shares(c)
    assert refresh(c)["epoch"] == 1
    after = shares(c)
    assert all(before[key] != after[key] for key in KEYS)
    all_opens(c)
    c.must("forward", "hers", "--to", "bob", user="alice")
    c.must("rm", "hers", user="alice")
    audit = c.must("audit", "--json", user="alice").json()
    assert {e["server"] for e in audit if e["action"] == "refresh" and e["owner"] == "alice"} == set(KEYS)


def test_new_images_and_forwards_after_a_refresh(c):
    refresh(c)
    refresh(c, "bob")
    c.put("alice", "later", c.make("later.bin", 3000))
    c.must("forward", "later", "--to", "bob", user="alice")
    assert c.get("bob", "later", owner="alice")
    all_opens(c)


def test_the_manager_for_all(c):
    before = {user: shares(c, user) for user in ("alice", "bob")}
    done = c.must("shares", "refresh", "--all", "--json").json()
    assert [(d["user"], d["done"]) for d in done] == [("alice", True), ("bob", True)]
    for user in ("alice", "bob"):
        assert all(before[user][key] != now for key, now in shares(c, user).items())
    all_opens(c)
    again = c.must("shares", "refresh", "--all", "--json").json()
    assert all(d["epoch"] == 2 for d in again)
    assert not (c.system / "manager/issued/manager.pem").exists()


def test_old_and_new_shares_do_not_mix(c):
    """A thief with t - 1 old shares and one new one has nothing; nor has a user whose key servers
    are set back."""
    old = shares(c)
    refresh(c)
    new = shares(c)
    c.down()
    for key in KEYS[:2]:
        share(c, key).write_bytes(old[key])
    for key in KEYS[3:]:
        share(c, key).unlink()
    start_again(c)
    answer = c.get("alice", "hers", code=TOO_FEW)
    assert "another generation" in answer.err, answer.err
    c.down()
    for key in KEYS[:2]:
        share(c, key).write_bytes(new[key])
    start_again(c)
    c.get("alice", "hers")


def test_usage(c):
    for words in (["shares"], ["shares", "refresh", "key-1"], ["shares", "replace"], ["shares", "burn"],
                  ["shares", "replace", "key-4", "--all"]):
        c.must(*words, user="alice", code=USAGE)
    c.must("shares", "replace", "key-9", user="alice", code=NOT_FOUND)
    hidden = c.system / "manager.away"
    (c.system / "manager").rename(hidden)
    c.must("shares", "refresh", "--all", code=DENIED)
    hidden.rename(c.system / "manager")


# ------------------------------------------------------------------ dead servers

def test_a_dead_key_server_catches_up(c):
    c.kill("key-2")
    refresh(c, fresh=[key for key in KEYS if key != "key-2"])
    all_opens(c)
    start_again(c)
    answer = c.run("get", "hers", "-o", c.folder / "mixed", user="alice")
    assert answer.code == 0
    assert "key-2" in answer.err or not answer.err
    assert refresh(c)["epoch"] == 2
    all_opens(c)
    # each later one with another server dead: nobody is lost for good
    for dead in ("key-3", "key-5", "key-1"):
        c.kill(dead)
        refresh(c, fresh=[key for key in KEYS if key != dead])
        start_again(c)
    all_opens(c)


def test_too_few_key_servers_change_nothing(c):
    before = shares(c)
    c.kill("key-1", "key-2")
    answer = c.must("shares", "refresh", user="alice", code=TOO_FEW)
    assert "3 of the 4" in answer.err
    all_opens(c)
    start_again(c)
    refresh(c)
    assert all(before[key] != now for key, now in shares(c).items())
    all_opens(c)


# ------------------------------------------------------------------ lost shares

@pytest.mark.parametrize("loss", ["unlink", "flip", "store"])
def test_a_lost_share_comes_back(c, loss):
    refresh(c)
    if loss == "unlink":
        share(c, "key-4").unlink()
    elif loss == "flip":
        flip(share(c, "key-4"))
    else:
        c.kill("key-4")
        shutil.rmtree(c.store("key-4"))
        start_again(c)
    others = {key: share(c, key).read_bytes() for key in KEYS if key != "key-4"}
    c.must("shares", "replace", "key-4", user="alice")
    assert others == {key: share(c, key).read_bytes() for key in others}, "nobody else's share changes"
    if loss == "store":
        c.must("shares", "replace", "key-4", user="bob")
    c.kill("key-1", "key-2")  # key-4 must do its part now
    all_opens(c)
    assert "key-4" not in c.run("get", "hers", "-o", c.folder / "again", user="alice").err
    audit = c.must("audit", "--json", user="alice").json()
    assert any(e["action"] == "replace" and e["recipient"] == "key-4" for e in audit)


def test_a_share_that_is_there_is_not_replaced(c):
    before = shares(c)
    c.must("shares", "replace", "key-4", user="alice")
    assert before == shares(c)


def test_the_manager_replaces_nothing(c):
    """His refresh leaves out who lost a share; the user's own brings it back."""
    share(c, "key-4").unlink()
    done = c.must("shares", "refresh", "--all", "--json")
    held = {d["user"]: [s["name"] for s in d["servers"] if s["new"]] for d in done.json()}
    assert held == {"alice": [key for key in KEYS if key != "key-4"], "bob": KEYS}
    assert not share(c, "key-4").exists()
    assert "for the user himself" in done.err, done.err
    refresh(c)
    all_opens(c)


def test_replacing_needs_t_others(c):
    share(c, "key-4").unlink()
    c.kill("key-1", "key-2", "key-3")
    answer = c.must("shares", "replace", "key-4", user="alice", code=TOO_FEW)
    assert "key-1" in answer.err
    assert not share(c, "key-4").exists()
    start_again(c)
    c.must("shares", "replace", "key-4", user="alice")
    all_opens(c)


# ------------------------------------------------------------------ broken off

class Watch(threading.Thread):
    """Acts at the very moment in which the share files look a certain way: while the next generation
    lies beside the share, its file is several times as long."""

    def __init__(self, c, when, act):
        super().__init__()
        self.c, self.when, self.act, self.hit = c, when, act, False
        self.short = max(share(c, key).stat().st_size for key in KEYS)
        self.over = threading.Event()

    def long(self):
        found = 0
        for key in KEYS:
            try:
                found += share(self.c, key).stat().st_size > 2 * self.short
            except FileNotFoundError:
                pass
        return found

    def run(self):
        most = 0
        while not self.over.is_set():
            now = self.long()
            most = max(most, now)
            if self.when(now, most):
                self.act()
                self.hit = True
                return


def broken_off(c, when, act=None):
    """Runs a refresh and kills its driver, or what `act` says, once `when` holds."""
    driver = c.start("shares", "refresh", user="alice")
    watch = Watch(c, when, act or driver.kill)
    watch.start()
    driver.communicate(timeout=120)
    watch.over.set()
    watch.join()
    return watch.hit


MOMENTS = {
    "the first has accepted": lambda now, most: now >= 1,
    "some have accepted": lambda now, most: now >= 3,
    "all have accepted": lambda now, most: now == 5,
    "the first has finished": lambda now, most: most >= 4 and now < most,
    "some have finished": lambda now, most: most >= 4 and now <= most - 3,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_driver_dies(c, moment):
    for _ in range(3):
        broken_off(c, MOMENTS[moment])
        all_opens(c)
        c.must("forward", "hers", "--to", "bob", user="alice")
    refresh(c)
    all_opens(c)
    assert Watch(c, None, None).long() == 0


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4])
def test_the_driver_dies_sometime(shared, delay):
    c = shared
    c.put("alice", f"at {delay}", c.make("a.bin", 2000))
    driver = c.start("shares", "refresh", user="alice")
    time.sleep(delay)
    driver.kill()
    driver.communicate()
    c.get("alice", f"at {delay}")
    refresh(c)
    c.get("alice", f"at {delay}")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("victims", [["key-3"], ["key-4", "key-5"]])
def test_key_servers_die(c, moment, victims):
    """Killed in the middle of it, with the driver; then again without them; then they come back."""
    broken_off(c, MOMENTS[moment], lambda: c.kill(*victims))
    all_opens(c)  # t are left
    start_again(c)
    all_opens(c)
    refresh(c)
    all_opens(c)


def test_several_drivers_at_once(c):
    for _ in range(3):
        drivers = [c.start("shares", "refresh", *how, user=user)
                   for user, how in (("alice", []), (None, ["--all"]), ("alice", []))]
        codes = [driver.communicate(timeout=120) and driver.returncode for driver in drivers]
        assert 0 in codes and set(codes) <= {0, OTHER, TOO_FEW}, codes
        all_opens(c)
    refresh(c)
    all_opens(c)


def test_between_two_generations(c):
    """Three have finished and two not: those that have both are asked for the one that most have."""
    assert any(broken_off(c, MOMENTS["all have accepted"], lambda: c.kill("key-4", "key-5"))
               for _ in range(TRIES)), "the moment was never met"
    start_again(c)
    for dead in ("key-1", "key-4"):
        c.kill(dead)
        all_opens(c)
        c.must("forward", "hers", "--to", "bob", user="alice")
        start_again(c)
    refresh(c)
    all_opens(c)
