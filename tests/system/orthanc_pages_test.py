"""What the plugin serves to browsers, and verifications that are asked for there."""
import urllib.error
import urllib.request

import pytest
from orthanc_test import cluster, gateway, study  # noqa: F401

PAGES = "/myelin/pages/"


def headers_of(node, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{node.http}{path}", timeout=10) as answer:
        return answer.headers


def test_pages_have_their_types_and_policies_and_nothing_else_is_served(cluster, gateway):  # noqa: F811
    node = gateway()
    for name, kind in (("study.html", "text/html"), ("viewer.html", "text/html"), ("common.js", "text/javascript"),
                       ("style.css", "text/css"), ("icon.svg", "image/svg+xml")):
        headers = headers_of(node, PAGES + name)
        assert headers["Content-Type"].startswith(kind)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
    for name in ("", "nothing.html", "..%2forthanc.json", "study.html/x", "a" * 5000):
        assert node.request("GET", PAGES + name)[0] == 404, name
    for method in ("POST", "PUT", "DELETE"):
        assert node.request(method, PAGES + "study.html", b"{}" if method != "DELETE" else None)[0] == 405
    assert b"myelin" in node.request("GET", "/plugins/explorer.js")[1]


def verified(node):
    """What the next verification comes to."""
    node.post("/myelin/verify", {})
    node.wait(lambda: node.get("/myelin/status")["Verify"]["State"] != "running")
    return node.get("/myelin/status")["Verify"]


@pytest.mark.parametrize("state", ["unreachable", "bad"])
def test_a_verification_says_what_is_wrong_and_where(cluster, gateway, state):  # noqa: F811
    node = gateway()
    assert node.get("/myelin/status")["Verify"]["State"] == "never"
    folder, uid = study(cluster, f"4{state == 'bad':d}", slices=2)
    node.store(folder)
    good = verified(node)
    assert (good["State"], good["Message"], good["Findings"]) == ("good", "", []) and good["Images"] >= 1
    if state == "unreachable":
        cluster.kill("storage-2")
    else:
        for path in cluster.store("storage-2").rglob("*"):
            if path.is_file() and path.stat().st_size > 10_000:
                data = bytearray(path.read_bytes())
                data[len(data) // 2] ^= 1
                path.write_bytes(data)
    found = verified(node)
    assert found["State"] == "bad" and "storage-2" in found["Message"]
    assert {(f["Server"], f["State"]) for f in found["Findings"]} == {("storage-2", state)}
    assert "ALARM: a verification found" in node.log()
    node.kill()
    node.start()
    assert node.get("/myelin/status")["Verify"] == found, "kept over a restart"
    cluster.must("up", cluster.system, "--detach")


def test_orthanc_ends_while_a_verification_hangs(cluster, gateway):  # noqa: F811
    node = gateway()
    folder, _ = study(cluster, 43, slices=1)
    node.store(folder)
    cluster.freeze("storage-3")
    try:
        node.post("/myelin/verify", {})
        assert node.post("/myelin/verify", {}, code=409)["Error"] == "conflict"
        node.stop(timeout=20)
    finally:
        cluster.thaw("storage-3")
