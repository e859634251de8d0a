#!/usr/bin/python3
"""What the source tree promises about itself: who includes whom, what each program contains, and
that the documents name things that exist. Usage: structure_test.py SOURCE_DIR BINARY_DIR"""
import pathlib
import re
import subprocess
import sys

SOURCE, BINARY = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
problems = []


def layer_table():
    """{layer: {layers it may include}} as CMakeLists.txt declares it."""
    text = (SOURCE / "CMakeLists.txt").read_text()
    return {name: set(uses.split()) | {name}
            for name, uses in re.findall(r"^myelin_layer\((\w+)\s+USES([\w ]*)\)", text, re.M)}


def includes(path):
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(errors="replace"), re.M)


def check_layers(layers):
    """Lower never includes higher; a foreign library's header is included in its one place."""
    only_in = {  # header prefix: layers that may include it
        "blst": {"group"}, "isa-l": {"code"}, "microhttpd": {"net"}, "curl/": {"net"},
        "zstd": {"codec"}, "charls": {"codec"}, "dcmtk": {"codec"},
        "sodium": {"base", "system", "keys"}, "protobuf-c": {"format"},
    }
    seen = 0
    for path in sorted((SOURCE / "src").rglob("*")):
        if path.suffix not in (".c", ".h", ".cc"):
            continue
        layer = path.relative_to(SOURCE / "src").parts[0]
        if layer not in layers:
            problems.append(f"{path}: its folder is no layer of CMakeLists.txt")
            continue
        for header in includes(path):
            seen += 1
            top = header.split("/")[0]
            if "/" in header and top in layers and top not in layers[layer]:
                problems.append(f"{path}: layer {layer} may not include {header}")
            for prefix, homes in only_in.items():
                if header.startswith(prefix) and layer not in homes:
                    problems.append(f"{path}: {header} is included only in {sorted(homes)}")
    if seen < 100:
        problems.append(f"only {seen} includes were found: is {SOURCE} the source tree?")


def symbols(program):
    path = BINARY / "bin" / program
    out = subprocess.run(["nm", "--defined-only", "--extern-only", str(path)], capture_output=True, text=True,
                         check=True).stdout
    return {line.split()[-1] for line in out.splitlines() if line.strip()}


def check_link_graph():
    """A storage server can neither use a share nor combine; a key server has no bulk code; neither
    has what only an owner computes."""
    never = {
        "myelin-storaged": r"^(share_|scheme_)?(share_dec|share_decrypt|combine|key_recover|keygen|"
                           r"content_key|codec|seal|keystore)\w*|^open_segment",
        "myelin-keyd": r"^(code_|seal_|codec_|ec_encode|ec_init|gf_|combine|scheme_combine|reenc|"
                       r"scheme_reenc|keystore)\w*",
    }
    must = {"myelin-storaged": r"reenc", "myelin-keyd": r"share_dec"}
    for program, pattern in never.items():
        names = symbols(program)
        for name in sorted(names):
            if re.match(pattern, name):
                problems.append(f"{program} contains {name}")
        if not any(re.search(must[program], name) for name in names):
            problems.append(f"{program}: no symbol matches {must[program]}: the check sees nothing")


def check_documents():
    """Paths that documents name exist; links between documents lead somewhere."""
    for path in [*SOURCE.glob("*.md"), *(SOURCE / "docs").glob("*.md")]:
        text = path.read_text()
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if "://" not in target and not (path.parent / target).exists():
                problems.append(f"{path.name}: the link to {target} leads nowhere")
        for name in re.findall(r"`((?:src|apps|tests|docs|bench|proto|deps|cmake|demo)/[\w./-]+)`", text):
            if not (SOURCE / name).exists() and not list(SOURCE.glob(name + "*")):
                problems.append(f"{path.name}: {name} does not exist")


def documents():
    return {path.name: path.read_text() for path in [*SOURCE.glob("*.md"), *(SOURCE / "docs").glob("*.md")]}


def sources():
    """The tree's own files that are text, documents aside, by path."""
    folders = ("src", "apps", "include", "proto", "tests", "bench", "demo", "cmake", "packaging", "docs")
    for path in [SOURCE / "run", SOURCE / "CMakeLists.txt", *(p for f in folders for p in (SOURCE / f).rglob("*"))]:
        if path.is_file() and path.suffix not in (".md", ".svg") and not {"corpus", "node_modules"} & {*path.parts}:
            yield path, path.read_text(errors="replace")


def check_names_in_documents():
    """What a document names by itself exists: files, functions, tests, fields, metrics."""
    words, files = {"pg_dump"}, set()  # not ours, and named
    for path, text in sources():
        words.update(re.findall(r"\w+", text))
        files.add(path.name)
        words.add(path.stem.removesuffix("_fuzz"))
    checked = 0
    for name, text in documents().items():
        for token in re.findall(r"`([^`\n]+)`", text):
            word = re.fullmatch(r"(?:myelin_(?:storage|key)_)?([a-z]\w*_\w+)(?:\(\))?", token)
            if word:
                checked += 1
                if not {word[1], token.removesuffix("()")} & words:
                    problems.append(f"{name}: {token} is nowhere in the tree")
            elif re.fullmatch(r"[\w.-]+\.(?:c|h|py|cc|proto|cmake|mjs|js|html|sh)", token):
                checked += 1
                if token not in files:
                    problems.append(f"{name}: there is no file {token}")
    if checked < 100:
        problems.append(f"documents: only {checked} names were found")


def check_sections():
    """`FILE.md, "Section"` in a document or a comment names a section that FILE.md has."""
    texts = documents()
    titles = {name: [re.sub(r"[`*]", "", heading or bold).strip() for heading, bold in
                     re.findall(r"^#+ (.*)$|\*\*([^*\n]+)\*\*", text, re.M)] for name, text in texts.items()}
    checked = 0
    for where, text in [*texts.items(), *((path.name, text) for path, text in sources())]:
        flat = re.sub(r"\n\s*(?:\*|#|//)?\s*", " ", text)
        for name, section in re.findall(r'\b(\w+)(?:\.md|\]\([^)]*\)), "([^"]{2,60})"', flat):
            if f"{name}.md" not in titles:
                continue
            checked += 1
            if not any(title.startswith(section.rstrip(".,")) for title in titles[f"{name}.md"]):
                problems.append(f'{where}: {name}.md has no section "{section}"')
    if checked < 10:
        problems.append(f"only {checked} references to sections were found")


def check_named_functions():
    """In docs/PAPER.md's tables a name that follows a path stands in that file."""
    checked = 0
    for line in (SOURCE / "docs" / "PAPER.md").read_text().splitlines():
        for cell in line.split("|") if line.startswith("|") else []:
            text = None
            for path, name in re.findall(r"`(?:((?:src|apps|tests|bench)/[\w./-]+)|(\w+))`", cell):
                if path:
                    text = (SOURCE / path).read_text() if (SOURCE / path).exists() else ""
                elif text is not None:
                    checked += 1
                    if not re.search(rf"\b{name}\b", text):
                        problems.append(f"PAPER.md: {name} is not where it is said to be: {cell.strip()}")
    if checked < 50:
        problems.append(f"PAPER.md: only {checked} names were found")


def check_headers_stand_alone():
    """Every header compiles by itself."""
    for header in sorted((SOURCE / "src").rglob("*.h")):
        if header.parent.name == "format" or "pb-c" in header.read_text():
            extra = ["-I", str(BINARY / "proto")]
        else:
            # blst's header stands where cmake/dependencies.cmake finds it.
            extra = ["-isystem", str(SOURCE / "deps/blst/node_modules/c-kzg/deps/blst/bindings")]
        run = subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-fsyntax-only", "-x", "c",
                              "-I", str(SOURCE / "src"), "-I", str(BINARY / "proto"), *extra, str(header)],
                             capture_output=True, text=True)
        if run.returncode != 0:
            problems.append(f"{header}: does not compile by itself: {run.stderr.splitlines()[0]}")


check_layers(layer_table())
check_link_graph()
check_documents()
check_names_in_documents()
check_sections()
check_named_functions()
check_headers_stand_alone()
for problem in problems:
    print(problem)
print(f"structure: {len(problems)} problems")
sys.exit(1 if problems else 0)
