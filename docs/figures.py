#!/usr/bin/python3
"""Draws docs/audit.svg and docs/collusion.svg beside itself: python3 docs/figures.py"""
import html
import pathlib

FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"
BLUE, RED, GREEN, GREY, BLACK, PALE = "#0072b2", "#d55e00", "#009e73", "#777777", "#222222", "#eef4fa"


def text(x, y, words, size=13, anchor="middle", color=BLACK, bold=False):
    weight = " font-weight='bold'" if bold else ""
    return f"<text x='{x}' y='{y}' font-size='{size}' text-anchor='{anchor}' fill='{color}'{weight}>{html.escape(words)}</text>"


def box(x, y, width, height, fill=PALE, stroke=BLUE, dash=False):
    dashes = " stroke-dasharray='5 4'" if dash else ""
    return f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='4' fill='{fill}' stroke='{stroke}'{dashes}/>"


def arrow(x1, y1, x2, y2, color=BLACK, dash=False):
    dashes = " stroke-dasharray='5 4'" if dash else ""
    return f"<line x1='{x1}' y1='{y1}' x2='{x2}' y2='{y2}' stroke='{color}' stroke-width='1.5' marker-end='url(#tip)'{dashes}/>"


def figure(name, width, height, parts):
    tip = ("<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' markerHeight='7' orient='auto'>"
           f"<path d='M0 0 8 4 0 8z' fill='{BLACK}'/></marker></defs>")
    svg = (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' height='{height}' {FONT}>"
           f"<rect width='{width}' height='{height}' fill='white'/>{tip}{''.join(parts)}</svg>\n")
    pathlib.Path(__file__).with_name(name).write_text(svg)


def segment(x, y, name, first, count, anchored, archived=False):
    """A segment: its anchor, then its entries, each chained to the one before it."""
    parts = [box(x, y, 200, 74, fill="#f4f4f4" if archived else PALE, stroke=GREY if archived else BLUE, dash=archived),
             text(x + 8, y + 18, name, 12, "start", bold=True)]
    if anchored:
        parts += [box(x + 8, y + 30, 44, 34, fill="white", stroke=GREEN),
                  text(x + 30, y + 45, "anchor", 10, color=GREEN), text(x + 30, y + 58, str(first - 1), 10, color=GREEN)]
    for i in range(count):
        left = x + 60 + 34 * i
        parts += [box(left, y + 30, 28, 34, fill="white", stroke=BLACK), text(left + 14, y + 52, str(first + i), 12)]
        if i or anchored:
            parts.append(arrow(left, y + 47, left - 6, y + 47))
    return parts


def audit():
    parts = [text(12, 26, "a key server's log", 14, "start", bold=True)]
    parts += segment(12, 60, "access.log", 1, 4, False, archived=True)
    parts += segment(232, 60, "access.log.1", 5, 4, True)
    parts += segment(452, 60, "access.log.2", 9, 3, True)
    parts += [text(112, 50, "taken to an archive", 12, color=GREY), text(332, 50, "only read", 12, color=GREY),
              text(552, 50, "written to", 12, color=GREY)]
    parts += [box(250, 186, 190, 46, fill="white", stroke=RED), text(345, 205, "alice's head of it", 12, bold=True),
              text(345, 222, "entry 8, hash, signed", 12),
              box(470, 186, 190, 46, fill="white", stroke=RED), text(565, 205, "bob's head of it", 12, bold=True),
              text(565, 222, "entry 11, hash, signed", 12),
              arrow(380, 186, 408, 128, dash=True), arrow(575, 186, 594, 128, dash=True),
              text(12, 205, "what users keep from", 12, "start"), text(12, 222, "their last opening", 12, "start"),
              text(12, 262, "Cut after 10 or put back from a backup: bob knows. Cut after 7 or written anew: both know.", 12, "start"),
              text(12, 282, "Any change within: the chain of hashes breaks, and shows where.", 12, "start")]
    figure("audit.svg", 672, 296, parts)


def collusion():
    """How much of an image is readable to how many servers of each kind."""
    left, top, cell = 150, 60, 62
    k, n, t, m = 3, 6, 3, 5
    parts = [text(left + (n + 1) * cell / 2, 26, "storage servers that collude, of n = 6 (k = 3)", 13, bold=True),
             text(12, top + 20, "key servers", 13, "start", bold=True), text(12, top + 38, "that collude,", 13, "start"),
             text(12, top + 56, "of m = 5", 13, "start"), text(12, top + 74, "(t = 3)", 13, "start")]
    for s in range(n + 1):
        parts.append(text(left + (s + 0.5) * cell, top - 10, str(s), 12))
        for j in range(m + 1):
            kind = 0 if j < t else 1 if s == 0 else 2 if s < k else 3
            fill = ("#d8efe6", "#fdf0d5", "#fadfb8", "#f6c9ad")[kind]
            parts += [box(left + s * cell, top + j * cell * 0.62, cell - 3, cell * 0.62 - 3, fill=fill, stroke="white"),
                      text(left + (s + 0.48) * cell, top + (j + 0.6) * cell * 0.62,
                           ("–", "keys", "asks", "all")[kind], 12)]
    for j in range(m + 1):
        parts.append(text(left - 14, top + (j + 0.6) * cell * 0.62, str(j), 12))
    bottom = top + (m + 1) * cell * 0.62 + 22
    for i, (fill, words) in enumerate((("#d8efe6", "nothing of the content: sizes, times, names"),
                                       ("#fdf0d5", "users' keys, content keys and IDs, nothing of the bulk"),
                                       ("#fadfb8", "every image, by asking honest storage servers for slices, as if to mend"),
                                       ("#f6c9ad", "every image; but no signature: nothing can be altered or forwarded"))):
        parts += [box(left, bottom + 22 * i - 12, 16, 16, fill=fill, stroke=GREY),
                  text(left + 26, bottom + 22 * i, words, 12, "start")]
    figure("collusion.svg", left + (n + 1) * cell + 32, int(bottom + 88), parts)


if __name__ == "__main__":
    audit()
    collusion()
