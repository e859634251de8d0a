// What colleagues forwarded: accept it, look at it.
import { byId, confirm, during, element, fillRows, get, post, postOrthanc, row, say, showBytes, showName, showTime, studyPerson,
  studyTitle, upperFirst }
  from "./common.js";

// Orthanc's study of this UID; null where it has none.
async function studyOf(uid) {
  const found = await postOrthanc("tools/find", { Level: "Study", Expand: true, Query: { StudyInstanceUID: uid } });
  return found.find((study) => study.MainDicomTags.StudyInstanceUID === uid) || null;
}

function tell(report) {
  if (!report.Imported && !report.Existing) say("Nothing was accepted: it holds no DICOM that Orthanc takes.", "bad");
  else if (report.Skipped) say(`Accepted, but for ${report.Skipped} of its objects, which are no DICOM that Orthanc takes.`, "bad");
  else say("Accepted: it is among your studies now.");
}

// A person of another name under the same patient ID is merged only when somebody says so.
async function accept(button, shared) {
  const body = { Owner: shared.Owner, Image: shared.Image };
  await during(button, async () => {
    let report;
    try {
      report = await post("accept", body);
    } catch (error) {
      if (error.status !== 409) throw error;
      if (!await confirm(`${upperFirst(error.message.replaceAll(/\^+/g, ", "))}.`)) return;
      report = await post("accept", { ...body, MergePatient: true });
    }
    await refresh();
    tell(report);
  });
}

function actions(shared, study) {
  const made = [];
  if (shared.Accepted < shared.Objects || !study) {
    made.push(element("button", { type: "button", onclick: (event) => accept(event.currentTarget, shared),
      "aria-label": `Accept the study from ${shared.Owner}` }, shared.Accepted ? "Accept the rest" : "Accept"));
  }
  if (study) {
    made.push(" ", element("a", { class: "button quiet", href: `viewer.html?study=${study.ID}`,
      "aria-label": `View the study from ${shared.Owner}` }, "View"));
  }
  return element("td", { class: "actions" }, ...made);
}

function sharedRow(shared, study) {
  const what = study ? [element("div", {}, showName(study.PatientMainDicomTags.PatientName)),
    element("div", {}, studyTitle(study)), element("div", { class: "under" }, studyPerson(study))] : [];
  const images = shared.Accepted && shared.Accepted < shared.Objects ? `${shared.Accepted} of ${shared.Objects}` : `${shared.Objects}`;
  return row(shared.Owner, element("td", {}, ...what, element("div", { class: "uid" }, shared.Image)),
    showTime(shared.TimeMs), element("td", { class: "number" }, images),
    element("td", { class: "number" }, showBytes(shared.SealedBytes)), actions(shared, study));
}

async function refresh() {
  const [inbox, status] = await Promise.all([get("inbox"), get("status")]);
  inbox.sort((a, b) => b.TimeMs - a.TimeMs);
  const studies = await Promise.all(inbox.map((one) => (one.Accepted ? studyOf(one.Image) : null)));
  fillRows(byId("inbox"), inbox.map((one, i) => sharedRow(one, studies[i])), "Nobody has forwarded a study to you.");
  byId("notices").replaceChildren(...status.Notices.reverse().map((notice) =>
    element("li", {}, `${showTime(notice.TimeMs)}: ${notice.Text}`)));
  byId("notices-part").hidden = status.Notices.length === 0;
}

refresh().catch((error) => {
  say(error.message, "bad");
  fillRows(byId("inbox"), [], "The list could not be had.");
});
