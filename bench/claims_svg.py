"""Line plots as SVG, for bench/claims.py: panels with linear or logarithmic axes, a legend each."""
import html
import math

BLUE, RED, GREEN, PURPLE, ORANGE, SKY, GREY, BLACK = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#777777", "#222222")
FONT = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif'"


def text(x, y, words, size=12, anchor="middle", color=BLACK, rotate=0, bold=False, halo=False):
    turn = f" transform='rotate({rotate} {x:.1f} {y:.1f})'" if rotate else ""
    weight = " font-weight='bold'" if bold else ""
    around = " stroke='white' stroke-width='3' paint-order='stroke'" if halo else ""
    return (f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='{color}'"
            f"{weight}{around}{turn}>{html.escape(words)}</text>")


def tick_label(value):
    if value == 0:
        return "0"
    if abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    if abs(value) >= 1e4:
        return f"{value / 1e3:g}k"
    return f"{value:g}"


class Axis:
    """From values to pixels, and the ticks between."""

    def __init__(self, low, high, start, end, log=False):
        self.log, self.low, self.high, self.start, self.end = log, low, high, start, end

    def at(self, value):
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def inside(self, value):
        return self.low * (1 - 1e-9) <= value <= self.high * (1 + 1e-9)

    def ticks(self):
        if not self.log:
            raw = (self.high - self.low) / 5
            step = min((m * 10 ** math.floor(math.log10(raw)) for m in (1, 2, 2.5, 5, 10)),
                       key=lambda s: abs(s - raw))
            count = int((self.high - self.low) / step + 1e-9)
            return [round(self.low + i * step, 10) for i in range(count + 1)]
        decades = math.log10(self.high / self.low)
        steps = (1, 2, 5) if decades <= 3.5 else (1,)
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        return [t for p in powers for s in steps if self.inside(t := s * 10.0 ** p)]


class Panel:
    """One pair of axes in the box (left, top, width, height) of a figure."""

    def __init__(self, box, title, x_label, y_label, x, y, x_log=False, y_log=False):
        left, top, width, height = box
        self.box, self.title, self.labels = box, title, (x_label, y_label)
        self.x = Axis(*x, left + 58, left + width - 12, x_log)
        self.y = Axis(*y, top + height - 44, top + 26, y_log)
        self.parts, self.words, self.legend = [], [], []

    def line(self, points, color, label=None, dash="", marks=False, width=2):
        seen = [(self.x.at(a), self.y.at(min(max(b, self.y.low), self.y.high)))
                for a, b in points if self.x.inside(a)]
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in seen)
        self.parts.append(f"<polyline points='{path}' fill='none' stroke='{color}' "
                          f"stroke-width='{width}' stroke-dasharray='{dash}' stroke-linejoin='round'/>")
        if marks:
            self.parts += [f"<circle cx='{a:.1f}' cy='{b:.1f}' r='3.2' fill='{color}'/>" for a, b in seen]
        if label:
            self.legend.append((color, dash, marks, label))

    def mark_x(self, value, words, color=GREY, high=0.5):
        """A vertical line with words along it, at `high` of the height."""
        if not self.x.inside(value):
            return
        at, bottom, top = self.x.at(value), self.y.start, self.y.end
        self.parts.append(f"<line x1='{at:.1f}' y1='{bottom}' x2='{at:.1f}' y2='{top}' stroke='{color}' "
                          "stroke-dasharray='2 3' stroke-width='1.3'/>")
        self.words.append(text(at - 4, bottom + (top - bottom) * high, words, 11, "middle", color, -90, halo=True))

    def grid(self):
        out = []
        for value in self.x.ticks():
            at = self.x.at(value)
            out.append(f"<line x1='{at:.1f}' y1='{self.y.start}' x2='{at:.1f}' y2='{self.y.end}' stroke='#e6e6e6'/>")
            out.append(text(at, self.y.start + 16, tick_label(value), 11))
        for value in self.y.ticks():
            at = self.y.at(value)
            out.append(f"<line x1='{self.x.start}' y1='{at:.1f}' x2='{self.x.end}' y2='{at:.1f}' stroke='#e6e6e6'/>")
            out.append(text(self.x.start - 6, at + 4, tick_label(value), 11, "end"))
        out.append(f"<rect x='{self.x.start}' y='{self.y.end}' width='{self.x.end - self.x.start}' "
                   f"height='{self.y.start - self.y.end}' fill='none' stroke='#999999'/>")
        return out

    def svg(self):
        left, top, width, height = self.box
        middle_x, middle_y = (self.x.start + self.x.end) / 2, (self.y.start + self.y.end) / 2
        clip = f"c{left:.0f}-{top:.0f}"
        return "\n".join([
            f"<clipPath id='{clip}'><rect x='{self.x.start - 4}' y='{self.y.end - 4}' "
            f"width='{self.x.end - self.x.start + 8}' height='{self.y.start - self.y.end + 8}'/></clipPath>",
            *self.grid(), f"<g clip-path='url(#{clip})'>", *self.parts, *self.words, "</g>",
            text(middle_x, top + 16, self.title, 13, bold=True),
            text(middle_x, top + height - 8, self.labels[0], 12),
            text(left + 14, middle_y, self.labels[1], 12, rotate=-90)])


def legend(entries, left, top, width):
    """Entries (color, dash, marks, words) in rows that wrap; the height that they take."""
    out, x, y = [], left, top
    for color, dash, marks, words in entries:
        need = 44 + 6.7 * len(words)
        if x > left and x + need > left + width:
            x, y = left, y + 20
        out.append(f"<line x1='{x}' y1='{y - 4}' x2='{x + 26}' y2='{y - 4}' stroke='{color}' "
                   f"stroke-width='2.4' stroke-dasharray='{dash}'/>")
        if marks:
            out.append(f"<circle cx='{x + 13}' cy='{y - 4}' r='3.2' fill='{color}'/>")
        out.append(text(x + 32, y, words, 12, "start"))
        x += need
    return out, y - top + 20


def figure(path, title, rows_of_panels, panel_size=(440, 300)):
    """Writes panels, made by make(box) for each place, under one title with one legend.
    rows_of_panels: lists of callables."""
    width = panel_size[0] * max(len(row) for row in rows_of_panels) + 20
    panels = [make((10 + column * panel_size[0], 34 + row * panel_size[1], *panel_size))
              for row, line in enumerate(rows_of_panels) for column, make in enumerate(line)]
    entries = list(dict.fromkeys(entry for panel in panels for entry in panel.legend))
    bottom = 34 + panel_size[1] * len(rows_of_panels)
    key, key_height = legend(entries, 68, bottom + 20, width - 80)
    height = bottom + key_height + 14
    path.write_text("\n".join([
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' "
        f"height='{height}' {FONT}>", f"<title>{html.escape(title)}</title>",
        f"<rect width='{width}' height='{height}' fill='white'/>",
        text(width / 2, 22, title, 15, bold=True), *(panel.svg() for panel in panels), *key, "</svg>", ""]))
