"""Certificates, keystores and the system description: nobody is taken for another."""
import http.client
import os
import pty
import ssl
import subprocess

import pytest

from cluster import DENIED, DONE, INTEGRITY, NOT_FOUND, OTHER, USAGE, flip, truncate


def address(c, server, user):
    servers = c.must("status", "--json", user=user).json()["servers"]
    host, port = next(s["address"] for s in servers if s["name"] == server).rsplit(":", 1)
    return host, int(port)


def request(where, certificate, key, path="/healthz", method="GET"):
    """A raw request with a certificate of our choice: (status, text), or None where TLS refuses."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate, key)
    connection = http.client.HTTPSConnection(*where, context=context, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (ssl.SSLError, ConnectionError, http.client.BadStatusLine):
        return None
    finally:
        connection.close()


def issue(c, name, role, folder, days):
    """A certificate by the system's own manager, through openssl."""
    ca = c.system / "manager"
    key, csr, certificate = (folder / f"{name}.{kind}" for kind in ("key", "csr", "crt"))
    organisation = subprocess.run(["openssl", "x509", "-in", ca / "ca.crt.pem", "-noout", "-subject",
                                   "-nameopt", "sep_multiline,utf8"], check=True, capture_output=True,
                                  text=True).stdout.split("O=")[1].split()[0]
    subprocess.run(["openssl", "req", "-new", "-newkey", "ed25519", "-nodes", "-keyout", key, "-out", csr,
                    "-subj", f"/O={organisation}/OU={role}/CN={name}"], check=True, capture_output=True)
    extensions = folder / "san"
    extensions.write_text(f"subjectAltName=DNS:{name}\n")
    subprocess.run(["openssl", "x509", "-req", "-in", csr, "-CA", ca / "ca.crt.pem", "-CAkey",
                    ca / "ca.key.pem", "-set_serial", "7", "-days", str(days), "-extfile", extensions,
                    "-out", certificate], check=True, capture_output=True)
    return certificate, key


@pytest.mark.parametrize("server", ["storage-1", "key-1"])
def test_only_this_systems_valid_certificates(shared, make_cluster, tmp_path, server):
    c = shared
    where = address(c, server, "alice")
    good = issue(c, "mallory", "user", tmp_path, days=2)
    assert request(where, *good)[0] == 200
    expired = issue(c, "late", "user", tmp_path, days=-1)
    answer = request(where, *expired)
    assert answer is None or (answer[0] == 403 and "expired" in answer[1]), answer
    other = make_cluster(storage=1, k=1, key=1, threshold=1)
    stranger = other.system / "config/storage-1"
    answer = request(where, stranger / "certificate.pem", stranger / "key.pem")
    assert answer is None or answer[0] == 403, answer
    answer = request(where, None, None)
    assert answer is None or answer[0] in (401, 403), answer


def test_a_certificate_alone_opens_nothing(shared, tmp_path):
    """mallory has a certificate of the system, and is neither owner nor recipient."""
    c = shared
    c.put("alice", "hers", c.make("h.bin", 1000))
    c.must("forward", "hers", "--to", "bob", user="alice")
    images = [p.parent.name for p in c.files("storage-1") if p.name.startswith("envelope")]
    assert images
    mallory = issue(c, "mallory", "user", tmp_path, days=2)
    where = address(c, "storage-1", "alice")
    for image in images:
        for path in (f"/v1/images/{image}", f"/v1/images/{image}/objects",
                     f"/v1/images/{image}/symbol?for=alice", f"/v1/images/{image}/symbol?for=mallory"):
            assert request(where, *mallory, path=path)[0] in (403, 404), path
        assert request(where, *mallory, path=f"/v1/images/{image}", method="DELETE")[0] in (400, 403, 404, 422)


def test_a_key_server_of_before(shared, tmp_path):
    """A certificate of a key server that the description no longer names, or names with another key."""
    c = shared
    c.put("alice", "kept", c.make("k.bin", 1000))
    images = [p.parent.name for p in c.files("storage-1") if p.name.startswith("envelope")]
    where = address(c, "storage-1", "alice")
    now = c.system / "config/key-1"
    for name in ("key-1", "key-99"):
        before = issue(c, name, "key", tmp_path, days=2)
        for image in images:
            for path in (f"/v1/images/{image}", f"/v1/images/{image}/symbol?for=alice"):
                assert request(where, *before, path=path)[0] == 403, (name, path)
            assert request(where, now / "certificate.pem", now / "key.pem",
                           path=f"/v1/images/{image}")[0] == 200


def test_a_wrong_passphrase(shared, tmp_path):
    c = shared
    right = c.passphrase.read_text()
    c.passphrase.write_text("wrong\n")
    try:
        answer = c.must("ls", user="alice", code=DENIED)
        assert "passphrase" in answer.err
        c.passphrase.write_text("")
        c.must("ls", user="alice", code=USAGE)
    finally:
        c.passphrase.write_text(right)
    c.must("ls", user="alice")


def at_a_terminal(command, environment, *lines):
    """The command with a terminal of its own, where each line is typed after a prompt; (exit code, what was shown)."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(command[0], command, environment)
    shown, typed = b"", 0
    while True:
        try:
            got = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            got = b""
        if not got:
            break
        shown += got
        if shown.count(b": ") > typed and typed < len(lines):
            os.write(terminal, lines[typed].encode() + b"\r")
            typed += 1
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown.decode()


def test_a_passphrase_is_changed(shared):
    c = shared
    own = {key: value for key, value in c.environment().items() if key != "MYELIN_PASSPHRASE_FILE"}
    command = c.command("passphrase", user="bob")
    old = c.passphrase.read_text().strip()
    code, shown = at_a_terminal(command, own, "no " + old)
    assert code == DENIED and "New passphrase" not in shown
    code, shown = at_a_terminal(command, own, old, "a new one", "another one")
    assert code == USAGE and "differ" in shown
    c.must("ls", user="bob")
    code, shown = at_a_terminal(command, own, old, "a new one", "a new one")
    assert code == DONE and "new one" not in shown and old not in shown
    c.must("ls", user="bob", code=DENIED)
    c.must("ls", user="alice")
    assert at_a_terminal(c.command("ls", user="bob"), own, "a new one")[0] == DONE
    given = c.folder / "given"
    given.write_text("a new one\n")
    back = own | {"MYELIN_PASSPHRASE_FILE": str(given), "MYELIN_NEW_PASSPHRASE_FILE": str(c.passphrase)}
    assert subprocess.run(command, env=back, check=False).returncode == DONE
    c.must("ls", user="bob")
    same = c.environment() | {"MYELIN_NEW_PASSPHRASE_FILE": str(c.passphrase)}
    assert subprocess.run(command, env=same, check=False).returncode == USAGE
    assert subprocess.run([*command, "a new one"], env=same, check=False).returncode == USAGE  # never in argv
    c.must("ls", user="bob")
    assert {p.name for p in c.home.glob("bob.*")} == {"bob.keystore"}


@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_keystore(make_cluster, damage):
    c = make_cluster(storage=2, k=1, key=2, threshold=1).enroll("alice")
    keystore = c.home / "alice.keystore"
    whole = keystore.read_bytes()
    damage(keystore)
    answer = c.run("ls", user="alice")
    assert answer.code in (DENIED, INTEGRITY), answer
    assert "keystore" in answer.err
    keystore.write_bytes(whole)
    c.must("ls", user="alice")


@pytest.mark.parametrize("damage", [flip, truncate])
def test_a_damaged_system_description(make_cluster, damage):
    c = make_cluster(storage=2, k=1, key=2, threshold=1).enroll("alice")
    description = c.system / "system.myelin"
    whole = description.read_bytes()
    damage(description)
    answer = c.must("ls", user="alice", code=INTEGRITY)
    assert "system.myelin" in answer.err
    description.write_bytes(whole)
    c.must("ls", user="alice")


def test_another_managers_system(make_cluster):
    c = make_cluster(storage=1, k=1, key=1, threshold=1).enroll("alice")
    other = make_cluster(storage=1, k=1, key=1, threshold=1)
    c.system, own = other.system, c.system
    c.must("ls", user="alice", code=DENIED)
    c.system = own
    c.must("ls", user="alice")


def test_no_system_and_no_user(shared, tmp_path):
    c = shared
    answer = c.must("ls", "--system", tmp_path / "nowhere", user="alice", code=NOT_FOUND)
    assert "nowhere" in answer.err
    c.must("ls", user="stranger", code=NOT_FOUND)


def test_names(shared):
    c = shared
    answer = c.must("enroll", "alice", user="alice", code=OTHER)
    assert "alice" in answer.err
    for name in ("../up", "A B", "", "x" * 80, "-x"):
        assert c.run("enroll", "--", name).code == USAGE, name
    moved = c.home / "alice.moved"
    (c.home / "alice.keystore").rename(moved)
    try:
        c.must("enroll", "alice", user="alice", code=OTHER)
        assert not (c.home / "alice.keystore").exists()
    finally:
        moved.rename(c.home / "alice.keystore")
    c.must("ls", user="alice")


def test_impossible_parameters(tmp_path, make_cluster):
    c = make_cluster(storage=1, k=1, key=1, threshold=1)
    for shape in (["--storage", "3", "--k", "4"], ["--key", "2", "--threshold", "3"], ["--k", "0"],
                  ["--storage", "256"], ["--storage", "many"], ["--threshold", "-1"]):
        where = tmp_path / "impossible"
        c.must("up", where, *shape, "--detach", code=USAGE)
        assert not (where / "system.myelin").exists()


def test_health_and_metrics(shared, tmp_path):
    c = shared
    c.put("alice", "measured", c.make("m.bin", 1000))
    c.get("alice", "measured")
    person = issue(c, "watcher", "user", tmp_path, days=2)
    for server, metric in (("storage-1", "myelin_storage_"), ("key-1", "myelin_key_")):
        where = address(c, server, "alice")
        assert request(where, *person, path="/healthz")[0] == 200
        status, text = request(where, *person, path="/metrics")
        assert status == 200 and metric in text and "# TYPE" in text
