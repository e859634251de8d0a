"""Claim (a): how often an image comes back, against v. Claim (c): storage and upload."""
import math
from concurrent.futures import ThreadPoolExecutor

import claims_svg as svg
from claims_common import A, GIB, measure, size, stated, table

FORMS = {1: "n = 2k", 1.5: "n = 2k^1.5"}
LOSSES = [(0, svg.GREEN, "none lost"), (0.5, svg.BLUE, "half of n - k lost"),
          (0.9, svg.ORANGE, "90 % of n - k lost"), (1, svg.RED, "all n - k lost: k are left")]


def servers(k, c):
    return math.ceil(A * k ** c - 1e-9)


def copies(k, n, c=1.0):
    """v just above 5a k^(c-1) ln k, but no more copies than servers."""
    return min(n, math.floor(5 * A * k ** (c - 1) * math.log(k)) + 1)


def probability(counts, alive):
    """That `alive` survivors decode."""
    return sum(counts[1:alive + 1]) / sum(counts)


def predicted(n, k, v):
    """With k survivors: no server without a block, no block without a server, taken as Poisson."""
    empty = (1 - v / n) ** k
    missing = math.prod(max(0, 1 - k / (n - i)) for i in range(v))
    return math.exp(-k * (empty + missing))


def interval(share, trials):
    """The Wilson interval's lower end at 99 %."""
    z = 2.576
    middle = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (middle - spread) / (1 + z * z / trials)


def v_grid(n, marks):
    grid = {round(n ** (i / 24)) for i in range(25)} | {min(n, max(1, round(v))) for v in marks}
    return sorted(grid)


def panel_marks(k, c):
    marks = [(A * math.log(k), "a ln k", svg.GREY), (5 * A * math.log(k), "b ln k, b = 5a", svg.BLACK)]
    if c > 1:
        marks += [(A * math.sqrt(k) * math.log(k), "a √k ln k", svg.GREY),
                  (5 * A * math.sqrt(k) * math.log(k), "b √k ln k, b = 5a", svg.BLACK)]
    return marks


def curves(options, c, k, seed):
    n = servers(k, c)
    trials = 100 if options.quick else 1500
    return n, trials, measure("claims_dispersal_bench", "blocks", seed, trials, n, k,
                              *v_grid(n, [v for v, _, _ in panel_marks(k, c)]))


def curve_panel(c, k, n, found):
    def make(box):
        panel = svg.Panel(box, f"{FORMS[c]}:  k = {k}, n = {n}", "v, copies of each block",
                          "probability of retrieval", (1, n), (0, 1.04), x_log=True)
        for share, color, words in LOSSES:
            alive = n - round(share * (n - k))
            panel.line([(f["v"], probability(f["zr"], alive)) for f in found], color, words, marks=True)
        panel.line([(f["v"], predicted(n, k, f["v"])) for f in found], svg.BLACK,
                   "k left, by formula", "4 3", width=1.3)
        panel.line([(1, 1), (n, 1)], svg.PURPLE, "symbols, any loss; and 1 - k/p over Zr", "7 3")
        for v, words, color in panel_marks(k, c):
            panel.mark_x(v, words, color, 0.62)
        return panel
    return make


def retrieval_figure(options):
    places = [(1, 16), (1.5, 16), (1, 64), (1.5, 64)]
    if options.quick:
        places = places[:2]
    seeds = [options.seed + i for i in range(len(places))]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda a: curves(options, *a[0], a[1]), zip(places, seeds)))
    panels = [curve_panel(c, k, n, found) for (c, k), (n, _, found) in zip(places, results)]
    svg.figure(options.out / "claims-retrieval.svg", "Retrieval after a dispersal of blocks, coefficients in Zr",
               [panels[i:i + 2] for i in range(0, len(panels), 2)], (470, 310))
    return f"Seeds {seeds[0]} to {seeds[-1]}, {results[0][1]} trials a point."


def at_paper(options):
    """At v just above 5a ln k, and for k^1.5 at 5a sqrt(k) ln k too: the table, and what it says."""
    trials = 200 if options.quick else 10000
    ks = [4, 8, 16, 32] if options.quick else [4, 8, 16, 32, 64]
    jobs = [(c, k, exponent) for c in FORMS for k in ks for exponent in ([1] if c == 1 else [1, 1.5])]

    def one(job):
        index, (c, k, exponent) = job
        n = servers(k, c)
        v = copies(k, n, exponent)
        return measure("claims_dispersal_bench", "blocks", options.seed + 100 + index, trials, n, k, v)[0]

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(jobs, pool.map(one, enumerate(jobs))))
    rows, last = [], {}
    for (c, k, exponent), f in found.items():
        n, v = servers(k, c), f["v"]
        p = last[c, k, exponent] = probability(f["zr"], k)
        good = [s for s in range(k, n + 1) if probability(f["zr"], s) >= 0.99]
        rows.append([FORMS[c], k, n, f"{'b ln k' if exponent == 1 else 'b √k ln k'} = {v}" + (" = n" if v == n else ""),
                     f"{p:.4f}", f"{predicted(n, k, v):.4f}",
                     f"{n - good[0]} of {n - k}" if good else "none", f"{probability(f['zr'], n):.4f}"])
    top, low = ks[-1], min(k for k in ks if copies(k, servers(k, 1)) < servers(k, 1))
    out = table(["form", "k", "n", "v", "P, all n - k lost", "by formula", "lost servers with P ≥ 0.99",
                 "P, none lost"], rows)
    enough = min(interval(last[1, k, 1], trials) for k in ks)
    out += "\n" + stated(enough >= 0.95 if options.quick else enough >= 0.998,
                         f"**Where v = b ln k is enough.** With n = ak and b > 5a an image comes back from any k "
                         f"survivors: the least probability in the table is {min(last[1, k, 1] for k in ks):.4f}, "
                         f"at the 99 % confidence bound {enough:.4f}. For small k it says little, since "
                         f"5a ln k ≥ n = ak there means that every server holds every block: "
                         f"for a = {A} the code is sparse from k = {low} on in this table.") + "\n"
    out += "\n" + stated(last[1.5, top, 1] < last[1.5, 16, 1] < 0.9,
                         f"**Where v = b ln k is not enough.** With n = a k^1.5 and all n − k lost it fails, and fails "
                         f"more surely as k grows: {last[1.5, 16, 1]:.3f} at k = 16, {last[1.5, top, 1]:.4f} at "
                         f"k = {top}. A server then holds v k / n = b ln k / (a √k) blocks on average, which falls below "
                         f"the ln k that coverage needs. It is enough only while more survivors answer, as the column "
                         f"of tolerated losses says.") + "\n"
    least = min(interval(last[1.5, k, 1.5], trials) for k in ks)
    out += "\n" + stated(least >= (0.95 if options.quick else 0.998),
                         f"With n = a k^1.5 it takes v = b √k ln k: at least {least:.4f} with 99 % confidence.") + "\n"
    return f"Seeds {options.seed + 100} to {options.seed + 99 + len(jobs)}, {trials} trials a row.\n\n" + out


def quantile(counts, share):
    total, seen = sum(counts), 0
    for v, count in enumerate(counts):
        seen += count
        if seen >= share * total:
            return v
    return len(counts) - 1


def copies_figure(options):
    trials = 60 if options.quick else 1000
    ks = [4, 8, 16, 32] if options.quick else [4, 8, 16, 32, 64, 128]
    jobs = [(c, k) for c in FORMS for k in ks]
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(jobs, pool.map(lambda j: measure(
            "claims_dispersal_bench", "copies", options.seed + 200 + j[0], trials, servers(j[1][1], j[1][0]),
            j[1][1])[0]["copies"], enumerate(jobs))))
    v99 = {job: quantile(counts, 0.99) for job, counts in found.items()}
    v50 = {job: quantile(counts, 0.5) for job, counts in found.items()}

    def make(c):
        def panel(box):
            p = svg.Panel(box, f"{FORMS[c]}, all n - k lost", "k", "v, copies of each block", (ks[0], ks[-1]),
                          (2, 2000), True, True)
            p.line([(k, v99[c, k]) for k in ks], svg.RED, "least v that decodes in 99 %", marks=True)
            p.line([(k, v50[c, k]) for k in ks], svg.ORANGE, "in 50 %", marks=True)
            p.line([(k, A * math.log(k)) for k in ks], svg.BLUE, "a ln k", "3 3")
            p.line([(k, 5 * A * math.log(k)) for k in ks], svg.BLUE, "5a ln k")
            if c > 1:
                p.line([(k, A * math.sqrt(k) * math.log(k)) for k in ks], svg.GREEN, "a √k ln k", "3 3")
                p.line([(k, 5 * A * math.sqrt(k) * math.log(k)) for k in ks], svg.GREEN, "5a √k ln k")
            p.line([(k, servers(k, c)) for k in ks], svg.GREY, "n: every server holds every block", "8 4")
            return p
        return panel

    svg.figure(options.out / "claims-copies.svg", "How many copies any k survivors need",
               [[make(1), make(1.5)]], (470, 320))
    rows = [[k, *(x for c in FORMS for x in (servers(k, c), v50[c, k], v99[c, k],
                                             f"{v99[c, k] / (A * math.log(k)):.2f}"))] for k in ks]
    out = f"Seeds {options.seed + 200} to {options.seed + 199 + len(jobs)}, {trials} trials a row.\n\n"
    out += table(["k", "n = 2k", "v, 50 %", "v, 99 %", "b/a", "n = 2k^1.5", "v, 50 %", "v, 99 %", "b/a"], rows)
    sparse = [k for k in ks if k >= 16]
    out += "\n" + stated(all(v99[1, k] < 5 * A * math.log(k) for k in sparse),
                         "b > 5a is more than n = ak needs: from k = 16 on, 99 % of the images come back with b = "
                         + ", ".join(f"{v99[1, k] / (A * math.log(k)):.1f}a (k = {k})" for k in sparse)
                         + ". For n = a k^1.5 the b that it takes grows with √k.") + "\n"
    return out


def field_table(options):
    """The k/p of 1 - k/p - o(1): nothing over Zr, and over GF(2^8) not what it says."""
    trials = 500 if options.quick else 20000
    rows = []
    worst = 0
    for index, k in enumerate([8, 32] if options.quick else [8, 32, 64]):
        n, seed = servers(k, 1), options.seed + 300 + 2 * index
        v = copies(k, n)
        blocks = measure("claims_dispersal_bench", "blocks", seed, trials, n, k, v)[0]
        symbols = measure("claims_dispersal_bench", "symbols", seed + 1, max(trials // 20, 50), n, k)[0]
        lost = [1 - probability(blocks["both"], k + extra) for extra in (0, 1, 2)]
        worst = max(worst, lost[0])
        good = probability(symbols["both"], k)
        rows.append([k, n, v, f"{1 - probability(blocks['zr'], k):.5f}", *(f"{x:.5f}" for x in lost),
                     f"{k / 256:.3f}", f"{1 - good:.5f}"])
        stated(good == 1, f"symbols: every choice of k = {k} of n = {n} servers decodes")
    out = f"Seeds from {options.seed + 300}, {trials} trials a row (`symbols`: a twentieth).\n\n"
    out += table(["k", "n", "v", "envelope (Zr), k left", "envelope and slices, k left", "k + 1 left", "k + 2 left",
                  "k/p, p = 256", "`symbols`, k left"], rows)
    out += "\n" + stated(worst < 0.008,
                         "Over Zr, k/p is 2^-249: what fails, fails for lack of copies. Slices are coded over GF(2^8), where "
                         "a server that draws its own coefficients makes one image in about 255 undecodable by exactly k "
                         "survivors, at any k and any v: far from the bound's k/p, and each further survivor divides it by "
                         "some 256. The `symbols` dispersal has no such chance: its rows are a Cauchy matrix's, and the "
                         "owner has checked the envelope's.") + "\n"
    return out


def retrieval(options):
    first = retrieval_figure(options)
    return ("![Probability of retrieval against v](claims-retrieval.svg)\n\n" + first + "\n\n" + at_paper(options)
            + "\n![Copies needed against k](claims-copies.svg)\n\n" + copies_figure(options)
            + "\n" + field_table(options))


# ------------------------------------------------------------------ (c)

def storage_rows(image, n, k):
    """[scheme, per server, on all servers, upload] by formula, and checked with what the code makes."""
    made = measure("claims_storage_bench", image, n, k)
    v = copies(k, n)
    envelope, block = made["symbol"], made["ciphertext"]
    by_formula = image / k
    stated(abs(made["slices"] / by_formula - 1) < 0.001 + 40 * k / image,
           f"slices of {image} bytes on {n} servers, k = {k}: {made['slices']} bytes are image / k = {by_formula:.0f}")
    stated(720 + 32 * k <= envelope <= 720 + 34 * k + 24,
           f"an envelope symbol of k = {k}: {envelope} bytes are 720 + 32 k and its framing")
    server = made["slices"] + envelope
    whole = n - k + 1
    return [
        (f"{whole} whole copies", image, image * whole, image * whole),
        (f"({n}, {k}) code", made["slices"], made["slices"] * n, made["slices"] * n),
        ("`symbols`", server, server * n, server * n),
        (f"`blocks`, v = {v}", server, server * n, v * k * (made["slices"] + block)),
    ]


def storage_panels(options):
    k, ns = 16, [16, 24, 32, 48, 64, 96, 128, 192, 255]
    made = measure("claims_storage_bench", GIB, 32, k)

    def per_server(box):
        p = svg.Panel(box, f"stored by one server, k = {k}", "n, storage servers", "x the image's size", (16, 256),
                      (0.01, 2), True, True)
        p.line([(n, 1) for n in ns], svg.RED, "whole copies that survive n - k losses")
        p.line([(n, 1 / k) for n in ns], svg.BLUE, "(n, k) code; symbols")
        p.line([(n, made["slices"] / GIB) for n in ns], svg.GREEN, "blocks, v = 5a ln k for a = n/k", "6 5", True)
        return p

    def uploaded(box):
        p = svg.Panel(box, f"sent for a put, k = {k}", "n, storage servers", "x the image's size", (16, 256),
                      (0.9, 300), True, True)
        p.line([(n, n - k + 1) for n in ns], svg.RED, "whole copies that survive n - k losses")
        p.line([(n, n / k) for n in ns], svg.BLUE, "(n, k) code; symbols")
        p.line([(n, min(n, 5 * n / k * math.log(k))) for n in ns], svg.GREEN, "blocks, v = 5a ln k for a = n/k", "6 5",
               True)
        return p

    svg.figure(options.out / "claims-storage.svg", "Storage and upload, formulas in n",
               [[per_server, uploaded]], (470, 300))


def storage(options):
    storage_panels(options)
    rows = []
    for image in (130 * 1000, GIB):
        for n, k in ((6, 3), (32, 16), (128, 64)):
            for name, one, every, sent in storage_rows(image, n, k):
                rows.append([size(image), f"{n}, {k}", name, size(one), f"{every / image:.3g}", f"{sent / image:.3g}"])
    n, k = 128, 64
    whole, _, symbols, blocks = (row[3] for row in storage_rows(GIB, n, k))
    return ("![Storage and upload against n](claims-storage.svg)\n\n"
            + table(["image", "n, k", "how", "one server stores", "all store, x image", "a put sends, x image"], rows)
            + "\n" + stated(4 * math.log(k) < blocks / symbols < 6 * math.log(k),
                            f"What `blocks` buys, that nobody has to know or compute the code, is paid for at the put: it "
                            f"sends v k/n = 5 ln k times what `symbols` sends ({blocks / symbols:.0f} times at n = {n}, "
                            f"k = {k}), {blocks / whole:.2f} times what {n - k + 1} whole copies would send. What is "
                            "stored is the same.") + "\n")
