"""The plugin's viewer in Chromium, on an Orthanc with the plugin and, its pages as files, on one without."""
import json
import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[1]
SERVE_FOLDERS = "/usr/share/orthanc/plugins/libServeFolders.so"
MODULES = ROOT / "deps/viewer/node_modules"


def pages_as_files(folder):
    """Configuration by which an Orthanc without the plugin serves the same pages from `folder`."""
    folder.mkdir(parents=True)
    loader = MODULES / "cornerstone-wado-image-loader/dist/dynamic-import"
    for path in [*(ROOT / "apps/orthanc/pages").iterdir(), *loader.glob("*.js"), *loader.glob("*.wasm"),
                 MODULES / "cornerstone-core/dist/cornerstone.min.js", MODULES / "dicom-parser/dist/dicomParser.min.js"]:
        shutil.copy(path, folder)
    return {"ServeFolders": {"/myelin/pages": str(folder)}}


def scroll(node, study, rate):
    """The 95th percentile of the seconds from key to picture."""
    given = {"address": f"http://127.0.0.1:{node.http}/myelin/pages/viewer.html?study={study}", "rate": rate}
    with node.network:
        done = subprocess.run(["node", str(ROOT / "tests/browser/scroll.mjs"), json.dumps(given)], capture_output=True,
                              text=True, timeout=120, env={**os.environ, "HOME": str(node.folder)})
    assert done.returncode == 0, done.stderr[-3000:]
    times = sorted(json.loads(done.stdout))
    return times[int(0.95 * len(times))] / 1000
