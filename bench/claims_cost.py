"""Claim (d): what each algorithm costs. Claim (e): how a retrieval's cost grows."""
import claims_svg as svg
from claims_common import measure, size, stated, table, times

# name: (who runs it, {what is counted: formula})
PAIRING = {"miller": "1", "final": "1"}
SMALL = {"g1_small": "t - 1", "g2_small": "t - 1"}
ALGORITHMS = {
    "keygen": ("owner", {"g1": "1", "g2": "1"}),
    "keygen_prove": ("owner", {"g1": "1", "g2": "1", "hash": "1"}),
    "keygen_verify": ("key server", {"g1": "2", "g2": "2", "hash": "1"}),
    "share_keygen": ("owner", {"g1": "t", "g2": "t"}),
    "share_check": ("key server", {"g1": "1", "g2": "1", **SMALL}),
    "token": ("owner", {"g2": "1", "hash": "1"}),
    "enc_random_messages": ("owner", {"gt": "k"}),
    "enc": ("owner", {**PAIRING, "g1": "k", "gt": "k"}),
    "encode": ("owner or storage server", {"g1_terms": "k", "gt_terms": "k"}),
    "key_recover": ("owner", {"g1": "1"}),
    "rekeygen": ("owner", {"g2": "2", "hash": "1"}),
    "threshold_rekeygen_request": ("owner", {"g2": "2", "hash": "1"}),
    "threshold_rekeygen_part": ("key server", {"g2": "2"}),
    "threshold_rekeygen_combine": ("owner", {"g2_terms": "2t"}),
    "threshold_rekeygen_check": ("owner", {"miller": "4", "final": "2"}),
    "threshold_rekeygen_check_part": ("owner, after a lie", {"miller": "4", "final": "2", "g1_small": "t - 1"}),
    "reenc_prepare": ("storage server", {"lines": "1"}),
    "reenc": ("storage server", PAIRING),
    "share_dec": ("key server", {"g2": "1"}),
    "share_dec_prove, b = 0": ("key server", {"g1": "2", "g2": "1", "hash": "1"}),
    "share_dec_prove, b = 1": ("key server", {"g2": "3", "hash": "1"}),
    "partial_verify, b = 0": ("reader", {"g1": "2", "g2": "2", "g1_small": "t - 1", "hash": "1"}),
    "partial_verify, b = 1": ("reader", {"g2": "4", "g2_small": "t - 1", "hash": "1"}),
    "combine_partials": ("reader", {"g2_terms": "t"}),
    "combine_messages": ("reader", {"lines": "1", "miller": "k", "final": "k", "g1_terms": "k^2", "gt_terms": "k^2"}),
    "combine_product": ("reader", {"lines": "1", **PAIRING, "g1_terms": "k", "gt_terms": "k"}),
    "content_key": ("reader", {}),
    "share_refresh_deal": ("key server", {"g1": "t - 1", "g2": "t - 1"}),
    "share_dealing_check": ("key server", {"g1": "1", "g2": "1", **SMALL}),
    "share_refresh_apply": ("key server", {"g1": "1", "g2": "1", **SMALL}),
    "share_replace_deal": ("key server", {"g1": "t - 1", "g2": "t - 1", **SMALL}),
    "share_replace_combine": ("key server", {"g1": "1", "g2": "1", **SMALL}),
    "share_reshare_deal": ("key server", {"g1": "t", "g2": "t"}),
    "share_reshare_combine": ("key server", {"g1": "1", "g2": "1", "g1_terms": "t^2", "g2_terms": "t^2", **SMALL}),
}
KINDS = ("miller", "final", "lines", "g1", "g2", "gt", "g1_terms", "g2_terms", "gt_terms", "g1_small", "g2_small", "hash")


def value(formula, k, t):
    return {"1": 1, "2": 2, "3": 3, "4": 4, "k": k, "t": t, "2t": 2 * t, "t - 1": t - 1, "k^2": k * k, "t^2": t * t}[formula]


def pairings(formulas):
    if "miller" not in formulas:
        return "lines of 1" if "lines" in formulas else ""
    if formulas["miller"] == formulas["final"]:
        return formulas["miller"] + (" + lines" if "lines" in formulas else "")
    return f"{formulas['miller']} Miller, {formulas['final']} final"


def exponentiations(formulas, group):
    parts = [formulas[group]] if group in formulas else []
    parts += [f"({formulas[group + '_terms']})"] if group + "_terms" in formulas else []
    parts += [f"[{formulas[group + '_small']}]"] if group + "_small" in formulas else []
    return " + ".join(parts)


def counted(row):
    """The counts that are not zero, in the words of the formulas."""
    names = {"miller": "Miller", "lines": "lines", "g1_terms": "(G1)", "g2_terms": "(G2)", "gt_terms": "(GT)",
             "g1_small": "[G1]", "g2_small": "[G2]", "g1": "G1", "g2": "G2", "gt": "GT"}
    return ", ".join(f"{row[kind]} {names.get(kind, kind)}" for kind in KINDS if row[kind] > 0)


def cost(options):
    rounds = 5 if options.quick else 51
    shapes = [(3, 3, 5), (16, 5, 9)] if options.quick else [(3, 3, 5), (16, 5, 9), (64, 16, 31)]
    found = {shape: measure("claims_cost_bench", rounds if shape[0] < 64 else max(3, rounds // 10), *shape)
             for shape in shapes}
    equal = 0
    for (k, t, m), rows in found.items():
        stated([r["name"] for r in rows] == list(ALGORITHMS), "every algorithm is measured and has a formula")
        for row in rows:
            formulas = ALGORITHMS[row["name"]][1]
            for kind in KINDS:
                expected = value(formulas[kind], k, t) if kind in formulas else 0
                stated(row[kind] == expected, f"{row['name']} at k={k} t={t} m={m}: {row[kind]} {kind}, by formula {expected}")
                equal += row[kind] == expected
    rows = []
    for i, (name, (who, formulas)) in enumerate(ALGORITHMS.items()):
        small, *others = (found[shape][i] for shape in shapes)
        rows.append([f"`{name}`", who, pairings(formulas), *(exponentiations(formulas, g) for g in ("g1", "g2", "gt")),
                     counted(small), f"{small['us']:.0f}", *(f"{o['us']:.0f}" for o in others)])
    heads = [f"µs at k={k}, t={t}, m={m}" for k, t, m in shapes]
    out = table(["algorithm", "at", "pairings", "G1", "G2", "GT", f"counted at k={shapes[0][0]}, t={shapes[0][1]}", *heads],
                rows)
    total = len(shapes) * len(ALGORITHMS) * len(KINDS)
    return out + "\n" + stated(equal == total, f"All {total} counts, of {len(ALGORITHMS)} algorithms at {len(shapes)} "
                               f"sizes, are what the formulas say; times are medians of {rounds} runs on one core"
                               + (f" (k = 64: of {max(3, rounds // 10)})." if len(shapes) == 3 else ".")) + "\n"


# ------------------------------------------------------------------ (e)

CLIENT = ("parse_partials", "parse_symbols", "combine_partials", "combine_choose", "combine_product", "content_key",
          "code_decoder")
SERIES = [("parse_symbols", svg.BLUE, "validating codeword symbols"),
          ("combine_product", svg.GREEN, "combining k symbols"), ("combine_choose", svg.ORANGE, "choosing k independent"),
          ("combine_partials", svg.PURPLE, "combining t partials"), ("parse_partials", svg.SKY, "validating partials")]


def client(row):
    """A reader's whole work for an envelope, in microseconds."""
    return sum(row[part] for part in CLIENT)


def growth_panel(title, axis, rows, limits):
    def make(box):
        panel = svg.Panel(box, title, axis, "ms at the reader", limits, (0.002, 200), True, True)
        panel.line([(r[axis[0]], client(r) / 1e3) for r in rows], svg.BLACK, "all of it", marks=True, width=2.4)
        for part, color, words in SERIES:
            panel.line([(r[axis[0]], r[part] / 1e3) for r in rows], color, words, width=1.6)
        return panel
    return make


def slope(rows, axis):
    """How many times more for the last than for the first, beside the same for the axis."""
    return client(rows[-1]) / client(rows[0]), rows[-1][axis] / rows[0][axis]


def scale(options):
    ks = [2, 8, 32] if options.quick else [1, 2, 4, 8, 16, 32, 64]
    ts = [2, 8, 32] if options.quick else [1, 2, 4, 8, 16, 32, 64, 128, 255]
    ns = [8, 32, 128] if options.quick else [8, 16, 32, 64, 128, 255]
    shapes = [f"{k}:3:{k}" for k in ks] + [f"3:{t}:3" for t in ts] + [f"8:3:{n}" for n in ns]
    rows = measure("claims_scale_bench", 3 if options.quick else 11, *shapes)
    by_k, by_t, by_n = rows[:len(ks)], rows[len(ks):len(ks) + len(ts)], rows[len(ks) + len(ts):]
    svg.figure(options.out / "claims-scale.svg", "What opening one envelope costs its reader", [[
        growth_panel("k symbols of k, t = 3", "k", by_k, (ks[0], ks[-1])),
        growth_panel("t partials, k = 3", "t", by_t, (ts[0], ts[-1])),
        growth_panel("n symbols read, k = 8, t = 3", "n", by_n, (ns[0], ns[-1]))]], (370, 320))
    header = ["k", "t", "symbols", "bytes answered", "reader, in all", "validate", "D", "choose", "combine",
              "GF(2^8) matrix", "decode 1 MiB", "one key server", "Encode", "ReEnc"]
    body = [[r["k"], r["t"], r["n"], size(r["answer_bytes"]), f"**{times(client(r))}**",
             times(r["parse_partials"] + r["parse_symbols"]), times(r["combine_partials"]), times(r["combine_choose"]),
             times(r["combine_product"]), times(r["code_decoder"]), times(r["decode_mib"]), times(r["share_dec"]),
             times(r["encode"]), times(r["reenc"])] for r in rows]
    out = "![Cost of opening against k, t and n](claims-scale.svg)\n\n" + table(header, body)
    top = by_k[-1]
    words = []
    for axis, part in (("k", by_k), ("t", by_t), ("n", by_n)):
        more, of = slope(part, axis)
        words.append(f"{more:.0f} times more for {of:.0f} times the {axis}")
    out += "\n" + stated(client(top) < 1e6, f"The reader's part grows: {', '.join(words)}. At k = {top['k']} it is "
                         f"{times(client(top))}, however large the image is. A key server's part is one exponentiation "
                         "whatever k, t and n; it is the storage servers it must ask that grow. A reader needs no more "
                         "than k symbols, so n counts for him only where he reads more than he needs.") + "\n"
    return out
