"""The paper's four phases and their parameters: n, k, m, t and u, both ways to forward, several
recipients, and whose key servers open what."""
import collections

import pytest

from cluster import DENIED, NOT_FOUND, TOO_FEW, USAGE, noise

SHAPES = [(5, 2, 4, 3), (4, 4, 3, 2), (1, 1, 1, 1), (7, 3, 2, 1)]


def actions(cluster, image, user):
    """{(action, recipient): {key server: how often}} of an image's owner's audit."""
    found = collections.defaultdict(collections.Counter)
    for entry in cluster.must("audit", image, "--json", user=user).json():
        assert entry["outcome"] == "ok", entry
        found[entry["action"], entry["recipient"]][entry["server"]] += 1
    return found


@pytest.mark.parametrize("n,k,m,t", SHAPES)
def test_k_and_t_are_independent(make_cluster, n, k, m, t):
    c = make_cluster(storage=n, k=k, key=m, threshold=t).enroll("alice", "bob", "carol")
    for image, disperse, how in (("by threshold", "symbols", []),
                                 ("by recovery", "blocks", ["--recover-key"])):
        c.must("put", "--id", image, "--disperse", disperse, c.make(f"{image}.bin", 1500000),
               user="alice")
        c.must("forward", image, "--to", "bob", "carol", *how, user="alice")
    c.kill(*(f"storage-{i + 1}" for i in range(n - k)), *(f"key-{i + 1}" for i in range(m - t)))
    for image in ("by threshold", "by recovery"):
        want = {f"{image}.bin": noise(1500000, f"{image}.bin/0")}
        for reader, owner in (("alice", None), ("bob", "alice"), ("carol", "alice")):
            assert c.get(reader, image, owner=owner) == want
    c.kill(f"key-{m}")
    c.get("bob", "by threshold", owner="alice", code=TOO_FEW)
    c.must("forward", "by threshold", "--to", "bob", "--recover-key", user="alice", code=TOO_FEW)
    c.up()
    assert c.get("bob", "by recovery", owner="alice") == want
    c.kill(*(f"storage-{i + 1}" for i in range(n - k + 1)))
    c.get("bob", "by recovery", owner="alice", code=TOO_FEW)


def test_the_audit_tells_the_two_ways_to_forward_apart(shared):
    c = shared
    for image in ("audited 1", "audited 2"):
        c.put("alice", image, c.make("a.bin", 1000))
    c.must("forward", "audited 1", "--to", "bob", user="alice")
    c.must("forward", "audited 2", "--to", "bob", "carol", "--recover-key", user="alice")
    first, second = (actions(c, image, "alice") for image in ("audited 1", "audited 2"))
    assert set(first) == {("rekey", "bob")}
    assert len(first["rekey", "bob"]) >= 3
    assert set(second) == {("recover", "bob"), ("recover", "carol")}
    for recipient in ("bob", "carol"):
        assert len(second["recover", recipient]) >= 3
        assert set(second["recover", recipient].values()) == {1}
    assert not c.must("audit", "audited 2", "--from", "alice", "--json", user="bob").json()
    for reader in ("bob", "carol"):
        assert c.get(reader, "audited 2", owner="alice") == {"a.bin": noise(1000, "a.bin/0")}
    c.must("revoke", "audited 2", "--from", "bob", user="alice")
    answer = c.run("get", "audited 2", "--from", "alice", "-o", c.folder / "revoked", user="bob")
    assert answer.code in (NOT_FOUND, DENIED), answer


@pytest.mark.parametrize("how", [[], ["--recover-key"]])
def test_nobody_gets_anything_unless_all_are_known(shared, how):
    c = shared
    image = f"for all or none {how}"
    c.put("alice", image, c.make("a.bin", 1000))
    for recipients, code, says in ((["bob", "nobody", "carol"], NOT_FOUND, "nobody"),
                                   (["nobody", "bob"], NOT_FOUND, "nobody"),
                                   (["bob", "alice"], USAGE, "himself"),
                                   (["bob", "carol", "bob"], USAGE, "bob is named twice"),
                                   (["bob", "No Name!"], USAGE, "No Name!")):
        answer = c.must("forward", image, "--to", *recipients, *how, user="alice", code=code)
        assert says in answer.err and not answer.out, answer
        for reader in ("bob", "carol"):
            assert image not in {i["id"] for i in c.must("inbox", "--json", user=reader).json()}
    assert not actions(c, image, "alice"), "a key server has worked for a forward that was refused"
    c.must("forward", image, "--to", "bob", "--to", "carol", *how, user="alice")
    for reader in ("bob", "carol"):
        assert c.get(reader, image, owner="alice") == {"a.bin": noise(1000, "a.bin/0")}


def test_any_u_opens_and_the_default_in_one_round(shared):
    c = shared
    c.put("alice", "asked", c.make("a.bin", 1000))
    for u in (1, 2, 3, 4, 5, 6):
        out = c.folder / f"u{u}"
        c.must("get", "asked", "--u", u, "-o", out, user="alice")
        assert (out / "a.bin").read_bytes() == noise(1000, "a.bin/0")
    before = actions(c, "asked", "alice")["open", ""]
    for _ in range(10):
        c.get("alice", "asked")
    after = actions(c, "asked", "alice")["open", ""]
    rounds = after - before  # a key server that is late may miss one, and none sees a second one
    assert max(rounds.values()) == 10 and sum(rounds.values()) >= 30, (before, after)
    for u, says in ((7, "there are n = 6"), (0, "from 1 to 255"), ("many", "from 1")):
        answer = c.must("get", "asked", "--u", u, user="alice", code=USAGE)
        assert says in answer.err
    assert actions(c, "asked", "alice")["open", ""] == after, "a refused u has asked key servers"


def test_key_servers_that_meet_at_the_same_storage_servers_are_asked_again(make_cluster):
    c = make_cluster(storage=4, k=4, key=2, threshold=2).enroll("alice")
    c.put("alice", "asked", c.make("a.bin", 1000))
    c.must("get", "asked", "-o", c.folder / "by default", user="alice")
    assert max(actions(c, "asked", "alice")["open", ""].values()) == 1
    for i in range(12):  # two draw two of four each: all four are seen one time in six
        answer = c.must("get", "asked", "--u", 2, "-o", c.folder / f"by two {i}", user="alice")
        assert not answer.err, "somebody was accused of what was asked for"
        assert (c.folder / f"by two {i}" / "a.bin").read_bytes() == noise(1000, "a.bin/0")
    assert max(actions(c, "asked", "alice")["open", ""].values()) > 13
    answer = c.must("get", "asked", "--u", 1, "-o", c.folder / "by one", user="alice", code=USAGE)
    assert "never bring the k = 4 symbols" in answer.err


def test_a_recipient_opens_by_his_own_key_servers_shares(make_cluster):
    c = make_cluster().enroll("alice", "bob", "carol")
    c.put("alice", "image", c.make("a.bin", 1000))
    want = {"a.bin": noise(1000, "a.bin/0")}
    c.must("forward", "image", "--to", "bob", "carol", user="alice")
    shares = [c.store(f"key-{j}") / "shares" / "bob.share" for j in (1, 3, 5)]
    for share in shares[:2]:
        share.rename(share.with_suffix(".away"))
    assert c.get("bob", "image", owner="alice") == want
    shares[2].rename(shares[2].with_suffix(".away"))
    answer = c.get("bob", "image", owner="alice", code=DENIED)
    assert "bob has no share here" in answer.err
    assert c.get("alice", "image") == want
    assert c.get("carol", "image", owner="alice") == want
    for share in shares:
        share.with_suffix(".away").rename(share)
    assert c.get("bob", "image", owner="alice") == want


def test_a_refreshed_key_is_recovered(make_cluster):
    c = make_cluster().enroll("alice", "bob")
    c.put("alice", "image", c.make("a.bin", 1000))
    for _ in range(2):
        c.must("shares", "refresh", user="alice")
        answer = c.must("forward", "image", "--to", "bob", "--recover-key", user="alice")
        assert not answer.err, "a share of a generation was taken for a lie"
        assert c.get("bob", "image", owner="alice") == {"a.bin": noise(1000, "a.bin/0")}
