// The viewer: one study, one series at a time, one picture on the screen.
import { byId, element, getOrthanc, showDate, showName, studyInAddress, studyTitle } from "./common.js";
import { watchKeys, watchPointers } from "./gestures.js";
import { imageIds, prepareLoader, Stack } from "./stack.js";

const place = byId("viewport");
let series = [];
let current = -1;
let stack = null;
let wanted = 0;
let shown = -1; // what the screen shows; -1: nothing
let kept = null; // zoom, pan and window while one goes through a stack
let tool = "scroll";
let player = 0;

// ------------------------------------------------------------------ the picture

function trouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = text === "";
  place.classList.toggle("broken", text !== "");
}

const isBroken = () => place.classList.contains("broken");

// What is on the screen, said once it is drawn.
function noteDrawn(event) {
  const index = stack ? stack.ids.indexOf(event.detail.image.imageId) : -1;
  if (index >= 0 && !isBroken()) place.dataset.shown = index + 1;
}

function label() {
  const count = stack ? stack.ids.length : 0;
  const loading = stack && shown !== wanted ? `\nloading ${wanted + 1} ...` : "";
  byId("position").textContent = count ? `${shown < 0 ? "-" : shown + 1} / ${count}${loading}` : "";
  byId("slice").value = wanted + 1;
  byId("slice").setAttribute("aria-valuetext", `slice ${wanted + 1} of ${count}`);
  const view = shown < 0 || isBroken() ? null : window.cornerstone.getViewport(place);
  byId("shades").textContent = view && view.voi ? `W ${Math.round(view.voi.windowWidth)}  L ${Math.round(view.voi.windowCenter)}\nzoom ${view.scale.toFixed(2)}` : "";
  byId("invert").setAttribute("aria-pressed", String(Boolean(view && view.invert)));
}

function draw(image) {
  const { cornerstone } = window;
  const view = cornerstone.getDefaultViewportForImage(place, image);
  if (kept) Object.assign(view, { scale: kept.scale, translation: { ...kept.translation }, invert: kept.invert });
  if (kept && kept.voi) view.voi = { ...kept.voi };
  cornerstone.displayImage(place, image, view);
  trouble("");
}

// Whatever was asked for last is what gets drawn; a picture never stands under another's number.
async function show(index) {
  const its = stack;
  if (!its || its.ids.length === 0) return;
  wanted = Math.max(0, Math.min(its.ids.length - 1, index));
  const mine = wanted;
  label();
  try {
    const image = await its.load(mine);
    if (its !== stack || mine !== wanted) return;
    draw(image);
    shown = mine;
  } catch (error) {
    if (its !== stack || mine !== wanted) return;
    shown = mine;
    delete place.dataset.shown;
    trouble(`Picture ${mine + 1} cannot be shown: ${whatIsWrong(error)}`);
  }
  label();
  say();
}

function whatIsWrong(error) {
  const reason = error && error.error ? error.error : error;
  if (reason && reason.status === 503) return "too few of the servers that hold the images answer now. Try again later.";
  if (reason && reason.status) return `Orthanc answers ${reason.status}. The log of Orthanc says why.`;
  return String((reason && reason.message) || "it holds no picture that this page can decode");
}

let speaking = 0;
function say() {
  clearTimeout(speaking);
  if (player) return;
  speaking = setTimeout(() => {
    byId("spoken").textContent = shown < 0 ? "" : `Picture ${shown + 1} of ${stack.ids.length}`;
  }, 600);
}

function change(alter) {
  if (shown < 0 || isBroken()) return;
  const view = window.cornerstone.getViewport(place);
  alter(view);
  window.cornerstone.setViewport(place, view);
  kept = { scale: view.scale, translation: view.translation, invert: view.invert, voi: kept && kept.voi };
  label();
}

function changeShades(alter) {
  change((view) => {
    alter(view.voi);
    view.voi.windowWidth = Math.max(1, view.voi.windowWidth);
    kept = { ...kept, voi: { ...view.voi } };
  });
}

const act = {
  scroll: (slices) => show(wanted + slices),
  zoom: (factor) => change((view) => { view.scale = Math.max(0.05, Math.min(50, view.scale * factor)); }),
  pan: (dx, dy) => change((view) => {
    view.translation.x += dx / view.scale;
    view.translation.y += dy / view.scale;
  }),
  window: (dx, dy) => changeShades((voi) => {
    const step = Math.max(0.5, voi.windowWidth / 300);
    voi.windowWidth += dx * step;
    voi.windowCenter += dy * step;
  }),
  invert: () => change((view) => { view.invert = !view.invert; }),
};

function reset() {
  kept = null;
  byId("preset").value = "";
  if (shown >= 0) show(wanted);
}

function preset() {
  const choice = byId("preset").value;
  const image = shown < 0 ? null : window.cornerstone.getImage(place);
  if (!image) return;
  if (choice === "") {
    kept = kept && { ...kept, voi: undefined };
    show(wanted);
    return;
  }
  const [width, center] = choice !== "full" ? choice.split(",").map(Number) : [
    (image.maxPixelValue - image.minPixelValue) * image.slope || 1,
    (image.maxPixelValue + image.minPixelValue) / 2 * image.slope + image.intercept];
  changeShades((voi) => Object.assign(voi, { windowWidth: width, windowCenter: center }));
}

// ------------------------------------------------------------------ cine

function pause() {
  clearInterval(player);
  player = 0;
  byId("play").setAttribute("aria-pressed", "false");
  byId("play").textContent = "Play";
}

// A picture that is late is waited for, not left out.
function play() {
  if (player) return pause();
  if (!stack || stack.ids.length < 2) return undefined;
  player = setInterval(() => {
    if (shown === wanted) show((wanted + 1) % stack.ids.length);
  }, 1000 / Number(byId("rate").value));
  byId("play").setAttribute("aria-pressed", "true");
  byId("play").textContent = "Pause";
  return undefined;
}

// ------------------------------------------------------------------ series

function seriesName(one, index) {
  return one.MainDicomTags.SeriesDescription || `Series ${one.MainDicomTags.SeriesNumber || index + 1}`;
}

function seriesButton(one, index) {
  const tags = one.MainDicomTags;
  const thumbnail = element("img", { alt: "", loading: "lazy", src: `../../instances/${one.Instances[one.Instances.length >> 1]}/preview` });
  thumbnail.addEventListener("error", () => thumbnail.remove());
  return element("li", {}, element("button", { type: "button", onclick: () => open(index) }, thumbnail,
    element("span", {}, seriesName(one, index),
      element("small", {}, `${tags.Modality || "?"}, ${one.Instances.length} ${one.Instances.length === 1 ? "file" : "files"}`))));
}

async function open(index) {
  pause();
  if (stack) stack.end();
  [current, stack, shown, wanted, kept] = [index, null, -1, 0, null];
  delete place.dataset.shown;
  byId("preset").value = "";
  const one = series[index];
  [...byId("series").querySelectorAll("button")].forEach((button, i) =>
    button.setAttribute("aria-current", String(i === index)));
  byId("which").textContent = `${seriesName(one, index)}\n${one.MainDicomTags.Modality || ""}`;
  label();
  try {
    const instances = await getOrthanc(`series/${one.ID}/instances`);
    if (current !== index) return;
    stack = new Stack(imageIds(instances));
  } catch (error) {
    trouble(error.message);
    return;
  }
  byId("slice").max = stack.ids.length;
  place.focus({ preventScroll: true });
  await show(0);
}

function step(by) {
  if (series.length) open((current + by + series.length) % series.length);
}

// ------------------------------------------------------------------ start

function choose(name) {
  tool = name;
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }
}

function listen() {
  watchPointers(place, () => tool, act);
  document.querySelectorAll("[data-tool]").forEach((button) => button.addEventListener("click", () => choose(button.dataset.tool)));
  place.addEventListener("cornerstoneimagerendered", noteDrawn);
  byId("preset").addEventListener("change", preset);
  byId("invert").addEventListener("click", act.invert);
  byId("reset").addEventListener("click", reset);
  byId("play").addEventListener("click", play);
  byId("rate").addEventListener("change", () => { if (player) { pause(); play(); } });
  byId("slice").addEventListener("input", () => show(Number(byId("slice").value) - 1));
  byId("help-button").addEventListener("click", () => byId("help").showModal());
  new ResizeObserver(() => {
    window.cornerstone.resize(place, !kept);
    label();
  }).observe(place);
  const shade = (dx, dy) => () => act.window(dx, dy);
  watchKeys({
    ArrowUp: () => act.scroll(-1), ArrowDown: () => act.scroll(1), ArrowLeft: () => act.scroll(-1), ArrowRight: () => act.scroll(1),
    PageUp: () => act.scroll(-10), PageDown: () => act.scroll(10), Home: () => show(0), End: () => show(Infinity),
    "Shift+ArrowUp": () => act.pan(0, -20), "Shift+ArrowDown": () => act.pan(0, 20),
    "Shift+ArrowLeft": () => act.pan(-20, 0), "Shift+ArrowRight": () => act.pan(20, 0),
    1: () => choose("scroll"), 2: () => choose("window"), 3: () => choose("zoom"), 4: () => choose("pan"),
    "+": () => act.zoom(1.15), "=": () => act.zoom(1.15), "-": () => act.zoom(1 / 1.15),
    w: shade(0, -10), s: shade(0, 10), a: shade(10, 0), d: shade(-10, 0),
    i: act.invert, r: reset, " ": play, n: () => step(1), p: () => step(-1), "?": () => byId("help").showModal(),
  });
}

async function start() {
  const id = studyInAddress();
  if (!id) throw new Error("The address names no study.");
  prepareLoader();
  window.cornerstone.enable(place);
  listen();
  const study = await getOrthanc(`studies/${id}`);
  const patient = study.PatientMainDicomTags;
  byId("patient").textContent = showName(patient.PatientName);
  byId("title").textContent = studyTitle(study);
  byId("study-link").href = `study.html?study=${id}`;
  document.title = `${showName(patient.PatientName)} - Viewer`;
  byId("who").textContent = [showName(patient.PatientName), `${patient.PatientID || ""}  ${showDate(patient.PatientBirthDate)}`].join("\n");
  series = (await getOrthanc(`studies/${id}/series`)).filter((one) => one.Instances.length > 0)
    .sort((a, b) => (Number(a.MainDicomTags.SeriesNumber) || 0) - (Number(b.MainDicomTags.SeriesNumber) || 0));
  byId("series").replaceChildren(...series.map(seriesButton));
  if (series.length === 0) throw new Error("The study has no series.");
  await open(0);
}

start().catch((error) => trouble(error.message));
