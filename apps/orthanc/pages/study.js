// One study: who has it, forwarding it, taking it back, who opened it.
import { accessRow, byId, confirm, during, element, fillRows, gatherAccesses, get, getOrthanc, post, row, say, showName,
  studyInAddress, studyPerson, studyTitle, upperFirst } from "./common.js";

const id = studyInAddress();
let image = "";
let users = [];
let recipients = [];

function showDirectory() {
  const part = byId("filter").value.trim().toLowerCase();
  const names = users.filter((name) => !recipients.includes(name) && name.toLowerCase().includes(part));
  byId("recipient").replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  // Only what somebody typed chooses: a second press of the key must not forward to whoever is left.
  if (part && names.length === 1) byId("recipient").selectedIndex = 0;
  byId("forward-button").disabled = names.length === 0;
}

function showRecipients() {
  fillRows(byId("recipients"), recipients.map((name) => row(name, element("td", { class: "actions" },
    element("button", { class: "danger", type: "button", "aria-label": `Revoke from ${name}`, onclick: (event) => revoke(event.currentTarget, name) },
      "Revoke")))), "Nobody but you.");
}

async function showAccesses() {
  try {
    const entries = await get(`audit?image=${encodeURIComponent(image)}`);
    fillRows(byId("accesses"), gatherAccesses(entries).map((entry) => accessRow(entry, false)), "Nobody yet.");
  } catch (error) {
    fillRows(byId("accesses"), [], error.message);
  }
  byId("accesses-part").hidden = false;
}

// What still waits to be sent is the user's own too, though no storage server lists it yet.
async function refresh() {
  const own = (await get("images")).find((one) => one.Image === image);
  const from = own ? null : (await get("inbox")).find((one) => one.Image === image);
  recipients = own ? own.Recipients : [];
  byId("own").hidden = Boolean(from);
  byId("foreign").hidden = !from;
  if (from) byId("foreign-text").textContent = `${from.Owner} forwarded it to you. Only its owner can forward it.`;
  showRecipients();
  showDirectory();
  await showAccesses();
}

async function forward(event) {
  event.preventDefault();
  const name = byId("recipient").value;
  if (!name) return say("Choose a colleague first.", "bad");
  return during(byId("forward-button"), async () => {
    const done = await post("forward", { Study: id, To: [name] });
    await refresh();
    byId("filter").value = "";
    showDirectory();
    say(done.State === "waiting" ? `${name} gets the study as soon as all of it is on the storage servers.`
      : `${name} has the study now.`);
  });
}

async function revoke(button, name) {
  if (!await confirm(`Take the study back from ${name}? It cannot be opened there any more. What was saved before stays saved.`)) return;
  await during(button, async () => {
    await post("revoke", { Study: id, From: name });
    await refresh();
    say(`${name} no longer has the study.`);
    byId("filter").focus();
  });
}

async function start() {
  if (!id) return say("The address names no study.", "bad");
  const study = await getOrthanc(`studies/${id}`);
  image = study.MainDicomTags.StudyInstanceUID;
  byId("patient").textContent = showName(study.PatientMainDicomTags.PatientName);
  byId("title").textContent = studyTitle(study);
  byId("person").textContent = upperFirst(studyPerson(study));
  document.title = `${showName(study.PatientMainDicomTags.PatientName)} - Myelin`;
  byId("view").href = `viewer.html?study=${id}`;
  byId("view").hidden = false;
  byId("filter").addEventListener("input", showDirectory);
  byId("forward").addEventListener("submit", forward);
  const [all, status] = await Promise.all([get("users"), get("status")]);
  users = all.filter((name) => name !== status.User).sort();
  return refresh();
}

start().catch((error) => say(error.message, "bad"));
