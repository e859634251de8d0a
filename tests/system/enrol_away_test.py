"""Enrolment where the manager is not: a request, his answer, and no word of the CA's key at the user's."""
import re
import shutil
import subprocess

import pytest

from cluster import DENIED, INTEGRITY, NOT_FOUND, OTHER, TOO_FEW, USAGE, flip, noise


@pytest.fixture(scope="module")
def away(shared):
    """The system as a user has it who is elsewhere: the description alone."""
    folder = shared.folder / "away"
    folder.mkdir()
    shutil.copy(shared.system / "system.myelin", folder)
    return folder


def ask(c, away, user, name="request", **expect):
    return c.must("enroll", user, "--request", away / f"{user}.{name}", "--system", away / "system.myelin", **expect)


def fingerprint(answer):
    return re.search(r"fingerprint ([0-9a-f]{32})$", answer.out.strip()).group(1)


def finish(c, away, user, certificate, *more, **expect):
    return c.must("enroll", user, *more, "--certificate", certificate, "--system", away / "system.myelin", **expect)


def test_a_user_elsewhere(shared, away):
    c = shared
    asked, answer = away / "dave.request", away / "dave.pem"
    first = ask(c, away, "dave")
    assert oct((c.home / "dave.keystore.requested").stat().st_mode)[-3:] == "600"
    whole = asked.read_bytes()
    ask(c, away, "dave", code=OTHER)  # is there already
    assert asked.read_bytes() == whole
    assert fingerprint(ask(c, away, "dave", "again")) == fingerprint(first)
    finish(c, away, "dave", answer, code=NOT_FOUND)
    looked = c.must("system", "certify", asked)
    assert fingerprint(looked) == fingerprint(first) and "dave asks" in looked.out
    assert not (c.system / "manager/issued/dave.pem").exists()
    certified = c.must("system", "certify", asked, answer)
    assert fingerprint(certified) == fingerprint(first)
    c.must("system", "certify", asked, answer, code=OTHER)  # the file is there
    c.must("system", "certify", away / "dave.again", away / "dave-again.pem")  # the same keys
    c.kill("key-1", "key-2", "key-3", "key-4")
    finish(c, away, "dave", answer, code=TOO_FEW)
    c.up()
    finish(c, away, "dave", answer)
    assert {p.name for p in c.home.glob("dave.*")} == {"dave.keystore"}
    assert "already" in finish(c, away, "dave", answer, code=OTHER).err
    ask(c, away, "dave", "third", code=OTHER)
    c.put("dave", "his", c.make("his", 5000))
    c.must("forward", "his", "--to", "alice", user="dave")
    assert c.get("alice", "his", owner="dave") == {"his": c.make("his", 5000).read_bytes()}
    c.put("alice", "hers", c.make("hers", 5000))
    c.must("forward", "hers", "--to", "dave", user="alice")
    c.get("dave", "hers", owner="alice")


def test_requests_that_are_none(shared, away, make_cluster):
    c = shared
    ask(c, away, "erin")
    good = (away / "erin.request").read_bytes()
    bad = away / "bad"
    bent = bytearray(good)
    bent[60] ^= 1
    for contents in (b"", b"\0" * 100, good[:-1], good + b"\0", bytes(bent), noise(5000, "long"), good + noise(5000, "l"),
                     (c.home / "alice.keystore").read_bytes(), (c.system / "manager/ca.crt.pem").read_bytes()):
        bad.write_bytes(contents)
        c.must("system", "certify", bad, away / "never.pem", code=INTEGRITY)
    c.must("system", "certify", away / "nowhere", away / "never.pem", code=NOT_FOUND)
    c.must("system", "certify", code=USAGE)
    c.must("system", "certify", away / "erin.request", "--system", away, away / "never.pem", code=DENIED)  # no CA
    other = make_cluster(storage=1, k=1, key=1, threshold=1)
    other.must("system", "certify", away / "erin.request", away / "never.pem", code=DENIED)
    assert not (away / "never.pem").exists()
    assert not (c.system / "manager/issued/erin.pem").exists()


def test_answers_that_are_none(shared, away, make_cluster):
    c = shared
    ask(c, away, "frank")
    c.must("system", "certify", away / "frank.request", away / "frank.pem")
    bad = away / "bad.pem"
    for contents in (b"", noise(70_000, "long"), (away / "frank.request").read_bytes()):
        bad.write_bytes(contents)
        finish(c, away, "frank", bad, code=INTEGRITY)
    issued = c.system / "manager/issued"
    for name in ("alice", "key-1"):  # another user's, a server's
        finish(c, away, "frank", issued / f"{name}.pem", code=DENIED)
    other = make_cluster(storage=1, k=1, key=1, threshold=1)
    c.must("enroll", "frank", "--request", away / "elsewhere", "--system", other.system, code=DENIED)
    right = c.passphrase.read_text()
    c.passphrase.write_text("wrong\n")
    try:
        finish(c, away, "frank", away / "frank.pem", code=DENIED)
    finally:
        c.passphrase.write_text(right)
    flip(away / "frank.pem")
    assert c.run("enroll", "frank", "--certificate", away / "frank.pem", "--system", away / "system.myelin").code in (
        DENIED, INTEGRITY)
    assert (c.home / "frank.keystore.requested").exists() and not (c.home / "frank.keystore").exists()
    c.must("ls", user="frank", code=NOT_FOUND)


def test_names_that_are_taken(shared, away):
    """By who is enrolled: never. By a request that was lost: with --force."""
    c = shared
    kept = away / "kept"
    kept.mkdir()
    (c.home / "bob.keystore").rename(kept / "bob.keystore")
    try:
        ask(c, away, "bob")
        assert "taken" in c.must("system", "certify", away / "bob.request", away / "bob.pem", code=OTHER).err
        before = (c.system / "manager/issued/bob.pem").read_bytes()
        c.must("system", "certify", away / "bob.request", away / "bob.pem", "--force")
        assert "taken" in finish(c, away, "bob", away / "bob.pem", code=OTHER).err
        (c.system / "manager/issued/bob.pem").write_bytes(before)
    finally:
        (c.home / "bob.keystore.requested").unlink(missing_ok=True)
        (kept / "bob.keystore").rename(c.home / "bob.keystore")
    c.must("ls", user="bob")
    ask(c, away, "gina")
    c.must("system", "certify", away / "gina.request", away / "gina.pem")
    (c.home / "gina.keystore.requested").unlink()
    ask(c, away, "gina", "anew")
    c.must("system", "certify", away / "gina.anew", away / "anew.pem", code=OTHER)
    finish(c, away, "gina", away / "gina.pem", code=DENIED)  # for other keys than those of the request
    c.must("system", "certify", away / "gina.anew", away / "anew.pem", "--force")
    finish(c, away, "gina", away / "anew.pem")
    c.must("ls", user="gina")


def test_certificates_are_renewed_elsewhere(shared, away):
    """A user's and a server's: the manager needs nothing from them."""
    c = shared
    renewed = away / "carol.pem"
    c.must("system", "renew", "carol", renewed)
    keystore = c.home / "carol.keystore"
    before = keystore.read_bytes()
    finish(c, away, "carol", c.system / "manager/issued/alice.pem", "--renew", code=DENIED)
    assert keystore.read_bytes() == before
    finish(c, away, "carol", renewed, "--renew")
    assert keystore.read_bytes() != before
    c.must("ls", user="carol")
    server = away / "key-2.pem"
    c.must("system", "renew", "key-2", server)
    shown = ["openssl", "x509", "-noout", "-subject", "-pubkey", "-in"]
    old = c.system / "config/key-2/certificate.pem"
    assert server.read_bytes() != old.read_bytes()
    assert subprocess.check_output([*shown, server]) == subprocess.check_output([*shown, old])
    c.must("system", "renew", "nobody", away / "never.pem", code=NOT_FOUND)
    c.must("system", "renew", "../key-2", away / "never.pem", code=USAGE)
    assert not (away / "never.pem").exists()


def test_what_failing_disks_left_at_the_manager_is_removed(shared, away):
    c = shared
    issued = c.system / "manager/issued"
    left = issued / "somebody.pem.0123456789abcdef.tmp"
    left.write_text("half a certificate")
    before = {p.name for p in issued.glob("*.pem")}
    c.must("system", "renew", "bob", away / "bob-renewed.pem")
    assert not left.exists()
    left.write_text("half a certificate")
    c.must("system", "drain", "storage-9", code=NOT_FOUND)
    assert not left.exists()
    c.must("system", "status")  # the manager's own certificate is kept nowhere
    assert {p.name for p in issued.iterdir()} == before


def test_steps_do_not_mix(shared, away):
    c = shared
    for more in (["--renew"], ["--certificate", away / "x"]):
        c.must("enroll", "zoe", "--request", away / "y", *more, code=USAGE)
    assert not list(c.home.glob("zoe*"))
