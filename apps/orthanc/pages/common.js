// What all pages share. Texts come from other people: they go into a page by textContent alone.

const MYELIN = "../";
const ORTHANC = "../../";

// Asks a route; gives its JSON, or throws an Error with the route's own words and .status.
async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("Orthanc does not answer: is it running?");
  }
  const text = await answer.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // Orthanc's own errors need not be JSON.
  }
  if (answer.ok && body !== null) return body;
  const error = new Error((body && body.Message) || `Orthanc answers ${answer.status} ${answer.statusText}`);
  error.status = answer.status;
  throw error;
}

export const get = (route) => ask(MYELIN + route);
export const getOrthanc = (path) => ask(ORTHANC + path);

const posting = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});
export const post = (route, body) => ask(MYELIN + route, posting(body));
export const postOrthanc = (path, body) => ask(ORTHANC + path, posting(body));

export const byId = (id) => document.getElementById(id);

// element("td", {class: "number"}, "3", otherElement): attributes are set, never parsed as HTML.
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") made.addEventListener("click", value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// A table's rows again, or one row that says why there are none.
export function fillRows(body, rows, nothing) {
  const columns = body.closest("table").querySelectorAll("thead th").length;
  body.replaceChildren(...(rows.length ? rows : [
    element("tr", {}, element("td", { colspan: columns, class: "nothing" }, nothing)),
  ]));
}

export const row = (...cells) =>
  element("tr", {}, ...cells.map((cell) => (cell instanceof Node && cell.nodeName === "TD" ? cell : element("td", {}, cell))));

// What happened, for eyes and for screen readers.
export function say(text, kind = "good") {
  const place = byId("message");
  place.className = kind;
  place.textContent = text;
  place.hidden = text === "";
}

// Runs what a button does: the button rests meanwhile, and an error is said.
export async function during(button, work) {
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    return await work();
  } catch (error) {
    say(error.message, "bad");
    return undefined;
  } finally {
    button.disabled = false;
    button.removeAttribute("aria-busy");
  }
}

// Asks in the page's dialog; true where the answer was yes.
export function confirm(text) {
  const dialog = byId("ask");
  byId("ask-text").textContent = text;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export const showTime = (ms) => (ms ? new Date(ms).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : "");

export const upperFirst = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

// "3 days ago", of a time since 1970.
export function showAge(ms) {
  const seconds = Math.max(0, Math.round((Date.now() - ms) / 1000));
  const units = [["day", 86400], ["hour", 3600], ["minute", 60]];
  const [unit, length] = units.find(([, one]) => seconds >= one) || ["second", 1];
  return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(-Math.floor(seconds / length), unit);
}

export function showBytes(bytes) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit++;
  }
  return `${unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

export const showDate = (dicom) => (/^\d{8}$/.test(dicom || "") ? `${dicom.slice(0, 4)}-${dicom.slice(4, 6)}-${dicom.slice(6)}` : dicom || "");

// "DOE^JANE^^DR" as people write it.
export const showName = (dicom) => (dicom || "").split("=")[0].split("^").filter(Boolean).join(", ") || "no name";

// Orthanc's identifier of the study in the page's address; "" for what is none.
export function studyInAddress() {
  const id = new URLSearchParams(location.search).get("study") || "";
  return /^[0-9a-f]{8}(-[0-9a-f]{8}){4}$/.test(id) ? id : "";
}

export const studyTitle = (study) => {
  const tags = study.MainDicomTags;
  return [tags.StudyDescription, showDate(tags.StudyDate)].filter(Boolean).join(", ") || "Study without a description";
};

// Whose it is, as far as a name does not say.
export const studyPerson = (study) => {
  const tags = study.PatientMainDicomTags;
  return [tags.PatientID && `patient ID ${tags.PatientID}`,
    tags.PatientBirthDate ? `born ${showDate(tags.PatientBirthDate)}` : "no birth date"].filter(Boolean).join(", ");
};

const ACTIONS = { open: "opened", rekey: "forwarded", revoke: "revoked", enroll: "enrolled" };

// The key servers each log an opening: those that belong together are one line.
export function gatherAccesses(entries) {
  const seen = new Map();
  for (const entry of entries) {
    const key = JSON.stringify([entry.User, entry.Action, entry.Image, entry.Owner, entry.Recipient, entry.Outcome,
      Math.round(entry.TimeMs / 5000)]);
    const known = seen.get(key);
    if (known) known.Servers.add(entry.Server);
    else seen.set(key, { ...entry, Servers: new Set([entry.Server]) });
  }
  return [...seen.values()].sort((a, b) => b.TimeMs - a.TimeMs);
}

export const accessRow = (entry, withImage) => row(
  showTime(entry.TimeMs), entry.User,
  `${ACTIONS[entry.Action] || entry.Action}${entry.Recipient ? ` to ${entry.Recipient}` : ""}`,
  ...(withImage ? [element("td", { class: "uid" }, entry.Image || "(not told)")] : []),
  entry.Outcome, `${entry.Servers.size}`);
