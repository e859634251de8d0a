// The servers, what waits to be sent, what the last verification found, and who opened what.
import { accessRow, byId, during, element, fillRows, gatherAccesses, get, post, row, say, showAge, showBytes, showTime, upperFirst }
  from "./common.js";

const ACCESSES_SHOWN = 200;
const REFRESH_MS = 10000;
const RUNNING_REFRESH_MS = 1000; // while a verification is running
let watching = 0;

function figure(name, value) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value));
}

function showFigures(status) {
  const spool = status.Spool;
  const waiting = spool.Attachments
    ? `${spool.Attachments} (${showBytes(spool.Bytes)}), oldest ${spool.OldestSeconds} s` : "nothing";
  byId("who").textContent = `Myelin ${status.Version} stores for ${status.User}. ${status.WritePolicy === "spool"
    ? "What is received is safe on this gateway's disk at first, and then sent to the storage servers."
    : "What is received is on the storage servers before its sender is told that it is safe."}`;
  byId("figures").replaceChildren(
    figure("Servers that answer", `${status.Servers.filter((one) => one.IsWell).length} of ${status.Servers.length}`),
    figure("Waiting to be sent", waiting),
    figure("Stored since the start", `${status.Stored}`),
    figure("Read since the start", `${status.Read}`),
    figure("Could not be read", `${status.ReadFailures}`),
    figure("Damage noticed", `${status.IntegrityFailures}`));
  if (status.Message) say(status.Message, "bad");
  else if (spool.Trouble) say(`Sending waits: ${spool.Trouble}`, "bad");
  else say("");
}

function serverRow(server) {
  return row(server.Name, server.IsKeyServer ? "key server" : "storage server",
    element("td", { class: "uid" }, server.Address),
    element("td", {}, element("span", { class: server.IsWell ? "state" : "state bad" }, server.IsWell ? "well" : server.Trouble || "no answer")),
    element("td", { class: "number" }, server.IsWell ? `${server.Milliseconds} ms` : ""));
}

function showVerify(verify) {
  const isRunning = verify.State === "running";
  const texts = {
    never: "What is stored was never checked.",
    running: "All that is stored is being checked at every storage server ...",
    good: "All that is stored was checked at every storage server, and all of it is good.",
    bad: "Something is lost or damaged, or could not be checked. Tell who looks after the servers: `myelin repair` mends it while enough of them are good.",
  };
  const text = texts[verify.State] || verify.State;
  const when = verify.TimeMs ? `${showAge(verify.TimeMs)} (${showTime(verify.TimeMs)})` : "";
  byId("verify-text").textContent =
    !when ? text : isRunning ? `${text} The last time was ${when}.` : `${upperFirst(when)}: ${text}`;
  byId("verify-text").className = `state ${verify.State === "bad" ? "bad" : verify.State === "good" ? "" : "soft"}`;
  const lines = verify.Findings.map((one) => `${one.Server}: ${one.State} ${one.Detail} (image ${one.Image})`);
  if (verify.Message) lines.unshift(verify.Message);
  byId("verify-findings").replaceChildren(...lines.map((line) => element("li", {}, line)));
  byId("verify").disabled = isRunning;
}

async function refreshStatus() {
  const status = await get("status");
  showFigures(status);
  fillRows(byId("servers"), status.Servers.map(serverRow), "The system has no servers.");
  byId("notices").replaceChildren(...status.Notices.reverse().map((notice) =>
    element("li", {}, `${showTime(notice.TimeMs)}: ${notice.Text}`)));
  byId("notices-part").hidden = status.Notices.length === 0;
  showVerify(status.Verify);
  return status.Verify.State === "running";
}

async function refreshAccesses() {
  try {
    const entries = gatherAccesses(await get("audit")).slice(0, ACCESSES_SHOWN);
    fillRows(byId("accesses"), entries.map((entry) => accessRow(entry, true)), "Nothing was opened yet.");
  } catch (error) {
    fillRows(byId("accesses"), [], error.message);
  }
}

byId("verify").addEventListener("click", async () => {
  await during(byId("verify"), () => post("verify", {}));
  watch();
});

async function watch() {
  clearTimeout(watching);
  const isRunning = await refreshStatus().catch((error) => say(error.message, "bad"));
  clearTimeout(watching);
  watching = setTimeout(watch, isRunning ? RUNNING_REFRESH_MS : REFRESH_MS);
}
watch();
refreshAccesses();
