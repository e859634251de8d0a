// Mouse, fingers and keys on the picture, as calls of what they mean:
//     scroll(slices) window(dx, dy) zoom(factor) pan(dx, dy)

const PIXELS_A_SLICE = 8;
const ZOOM_A_PIXEL = 1.006;

export function watchPointers(place, getTool, act) {
  const pointers = new Map();
  let rest = 0; // of a slice, from dragging

  function drag(tool, dx, dy) {
    if (tool === "window") act.window(dx, dy);
    else if (tool === "zoom") act.zoom(ZOOM_A_PIXEL ** -dy);
    else if (tool === "pan") act.pan(dx, dy);
    else {
      rest += dy / PIXELS_A_SLICE;
      const slices = Math.trunc(rest);
      rest -= slices;
      if (slices) act.scroll(slices);
    }
  }

  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { distance: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };

  place.addEventListener("pointerdown", (event) => {
    place.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    rest = 0;
  });

  place.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    const pinched = pointers.size === 2 ? spread() : null;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (pinched) {
      const now = spread();
      if (pinched.distance > 10 && now.distance > 10) act.zoom(now.distance / pinched.distance);
      act.pan(now.x - pinched.x, now.y - pinched.y);
    } else if (pointers.size === 1) {
      const tool = event.buttons & 2 ? "window" : event.buttons & 4 ? "pan" : getTool();
      drag(tool, event.clientX - before.x, event.clientY - before.y);
    }
  });

  for (const end of ["pointerup", "pointercancel"]) {
    place.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  place.addEventListener("contextmenu", (event) => event.preventDefault());
  place.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) act.zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
    else if (event.deltaY) act.scroll(Math.sign(event.deltaY));
  }, { passive: false });
}

// Keys work wherever the focus is, but for places that use them: lists, sliders, the help.
export function watchKeys(keys) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
    const target = event.target;
    if (target.matches("select, input")) return;
    if (target.matches("button, a") && (event.key === " " || event.key === "Enter")) return;
    const name = event.shiftKey && event.key.startsWith("Arrow") ? `Shift+${event.key}` : event.key;
    const act = keys[name.length === 1 ? name.toLowerCase() : name];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
