// Forward at A, accept and view at B, revoke at A; hostile texts; keys, mouse and fingers.
import assert from "node:assert/strict";
import { assertNoWrongs, given, launch, look, newPage, shot, shown, until, untilShown } from "./browser.mjs";

const pages = "/myelin/pages/";

async function explorerLeadsToThePages(page) {
  await page.goto(`${given.a}/app/explorer.html#study?uuid=${given.study}`);
  await page.locator("#myelin-forward").waitFor();
  await page.waitForTimeout(300);
  await shot(page, "01-explorer-study");
  await page.locator("#myelin-forward").click();
  await page.waitForURL(`**${pages}study.html?study=${given.study}`);
}

async function forwardAtA(page) {
  await page.locator("#own").waitFor();
  assert.match(await page.locator("#recipients").textContent(), /Nobody but you/);
  await page.getByLabel("Find in the directory").fill("BO");
  await shot(page, "02-study-before");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter"); // with the keyboard alone: the one colleague that is left is chosen
  await page.getByText("bob has the study now").waitFor();
  assert.deepEqual(await page.locator("#recipients td:first-child").allTextContents(), ["bob"]);
  assert.ok(!(await page.locator("#recipient option").allTextContents()).includes("bob"));
  assert.equal(await page.locator("#recipient").inputValue(), "", "nobody is chosen by himself");
  await shot(page, "03-study-forwarded");
}

async function acceptAtB(page) {
  await page.goto(`${given.b}/app/explorer.html`);
  await page.locator("#myelin-shared").waitFor();
  await shot(page, "04-explorer-lookup");
  await page.locator("#myelin-shared").click();
  await page.locator("#inbox button").first().waitFor();
  const line = page.locator("#inbox tr", { hasText: given.uid });
  assert.match(await line.textContent(), /alice/);
  await shot(page, "05-shared-before");
  await line.getByRole("button", { name: "Accept the study from alice" }).click();
  await page.getByText("Accepted: it is among your studies now").waitFor();
  assert.match(await line.textContent(), /Head, Example|Example, Head/);
  assert.equal(await line.getByRole("button").count(), 0);
  await shot(page, "06-shared-accepted");
  await line.getByRole("link", { name: "View the study from alice" }).click();
}

async function viewAtB(page) {
  await untilShown(page, 1);
  const first = await look(page);
  assert.ok(first.grey > 10000, `a CT is on the screen: ${first.grey}`);
  await shot(page, "07-viewer-first");

  await page.keyboard.press("End");
  await untilShown(page, given.slices);
  assert.notEqual((await look(page)).sum, first.sum);
  await page.keyboard.press("Home");
  await untilShown(page, 1);
  assert.equal((await look(page)).sum, first.sum, "the same slice is the same picture");
  await page.keyboard.press("PageDown");
  await untilShown(page, 11);
  await page.keyboard.press("ArrowUp");
  await untilShown(page, 10);
  await page.locator("#viewport").hover();
  await page.mouse.wheel(0, 100);
  await untilShown(page, 11);
  assert.equal(await page.locator("#slice").inputValue(), "11");
  const middle = await look(page);

  await page.getByLabel("Preset").selectOption({ label: "Bone" });
  assert.match(await page.locator("#shades").textContent(), /W 2500 {2}L 480/);
  await until(async () => (await look(page)).sum !== middle.sum, "another window is another picture");
  await page.keyboard.press("2");
  await drag(page, 60, 0);
  assert.doesNotMatch(await page.locator("#shades").textContent(), /W 2500 /);
  await page.keyboard.press("3");
  await drag(page, 0, -120);
  await page.keyboard.press("4");
  await drag(page, 80, 40);
  await page.keyboard.press("ArrowDown");
  await untilShown(page, 12);
  assert.doesNotMatch(await page.locator("#shades").textContent(), /W 2500 /, "the window stays while one scrolls");
  await shot(page, "08-viewer-window-zoom-pan");
  await page.keyboard.press("i");
  assert.equal(await page.locator("#invert").getAttribute("aria-pressed"), "true");
  await page.keyboard.press("r");
  await page.keyboard.press("ArrowUp");
  await untilShown(page, 11);
  assert.equal((await look(page)).sum, middle.sum, "reset gives the stored picture back");

  await page.keyboard.press("Space");
  await until(async () => Number(await shown(page)) >= 15, "cine runs");
  await page.keyboard.press("Space");
  assert.equal(await page.locator("#play").getAttribute("aria-pressed"), "false");
  const position = page.locator("#position");
  await until(async () => (await position.textContent()) === `${await shown(page)} / ${given.slices}`, "the last one is drawn");
  const stopped = await shown(page);
  await page.waitForTimeout(300);
  assert.equal(await shown(page), stopped);
}

// A picture that cannot be had is named in its place; the one before does not stay under its number.
async function aLostPictureIsNamed(browser) {
  const page = await newPage(browser);
  let asked = 0;
  await page.route("**/instances/*/file", (route) => (++asked === 3 ? route.fulfill({ status: 500, body: "{}" }) : route.continue()));
  await page.goto(`${given.a}${pages}viewer.html?study=${given.study}`);
  await untilShown(page, 1);
  await until(() => asked >= given.slices, "all pictures are loaded ahead");
  await page.waitForLoadState("networkidle");
  assert.equal(asked, given.slices, "each once");
  await page.route("**/instances/*/file", (route) => route.fulfill({ status: 500, body: "{}" }));
  let broken = 0;
  for (let number = 1; number <= given.slices; number++) {
    if (await page.locator("#trouble").isVisible()) {
      broken++;
      assert.match(await page.locator("#trouble").textContent(), new RegExp(`Picture ${number} cannot be shown: Orthanc answers 500`));
      assert.ok(await page.locator("#viewport canvas").isHidden());
      assert.equal(await shown(page), null);
      await shot(page, "20-viewer-lost-picture");
    }
    if (number === given.slices) break;
    await page.keyboard.press("ArrowDown");
    await until(async () => (await page.locator("#position").textContent()) === `${number + 1} / ${given.slices}`, `picture ${number + 1}`);
  }
  assert.equal(broken, 1);
  await page.context().close();
}

async function drag(page, dx, dy) {
  const box = await page.locator("#viewport").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await page.mouse.move(x + dx, y + dy, { steps: 4 });
  await page.mouse.up();
}

// A tablet: 768 pixels wide, fingers.
async function viewOnTablet(browser) {
  const page = await newPage(browser, { viewport: { width: 768, height: 1024 }, hasTouch: true });
  await page.goto(`${given.a}${pages}viewer.html?study=${given.study}`);
  await untilShown(page, 1);
  const touch = await page.context().newCDPSession(page);
  const box = await page.locator("#viewport").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const fingers = (type, ...points) => touch.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([px, py], id) => ({ x: px, y: py, id })) });
  await fingers("touchStart", [x, y]);
  for (let step = 1; step <= 10; step++) await fingers("touchMove", [x, y + 8 * step]);
  await fingers("touchEnd");
  await until(async () => Number(await shown(page)) >= 9, "a finger goes through the stack");
  const before = await page.locator("#shades").textContent();
  await fingers("touchStart", [x - 50, y], [x + 50, y]);
  for (let step = 1; step <= 5; step++) await fingers("touchMove", [x - 50 - 12 * step, y], [x + 50 + 12 * step, y]);
  await fingers("touchEnd");
  assert.notEqual(await page.locator("#shades").textContent(), before, "two fingers zoom");
  await shot(page, "09-viewer-tablet");
  await nothingIsWiderThanThePage(page);
  for (const name of ["shared.html", "storage.html", `study.html?study=${given.study}`]) {
    await page.goto(given.a + pages + name);
    await page.waitForLoadState("networkidle");
    await nothingIsWiderThanThePage(page);
    await shot(page, `10-tablet-${name.split(".")[0]}`);
  }
  assertNoWrongs(page);
  await page.context().close();
}

async function nothingIsWiderThanThePage(page) {
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${page.url()} is too wide`);
}

// Each control has a name that a screen reader can say.
async function everythingHasAName(page) {
  const nameless = await page.evaluate(() => [...document.querySelectorAll("button, a[href], input, select, [role=region], table")]
    .filter((one) => one.nodeName !== "TABLE" && !(one.textContent.trim() || one.getAttribute("aria-label") || one.getAttribute("aria-labelledby") ||
      (one.labels && one.labels.length))).map((one) => one.outerHTML));
  assert.deepEqual(nameless, []);
}

async function compressedPicturesAreShown(page) {
  await page.goto(`${given.a}${pages}viewer.html?study=${given.compressed}`);
  for (let number = 1; number <= given.compressedCount; number++) {
    await until(async () => (await page.locator("#series button").nth(number - 1).getAttribute("aria-current")) === "true", `series ${number}`);
    await until(async () => (await shown(page)) === "1" || page.locator("#trouble").isVisible(), "a picture");
    const name = await page.locator("#series button").nth(number - 1).textContent();
    assert.equal(await page.locator("#trouble").textContent(), "", name);
    assert.ok((await look(page)).grey > 500, `${name}: a picture is on the screen`);
    if (number === 1) await shot(page, "11-viewer-compressed");
    await page.keyboard.press("n");
    await page.waitForTimeout(50);
  }
  for (let number = 1; number <= given.noPictureCount; number++) {
    const button = page.locator("#series button").nth(given.compressedCount + number - 1);
    await until(async () => (await button.getAttribute("aria-current")) === "true", await button.textContent());
    await page.locator("#trouble").waitFor();
    assert.match(await page.locator("#trouble").textContent(), /^Picture 1 cannot be shown: ./);
    assert.equal(await shown(page), null);
    await shot(page, `22-viewer-no-picture-${number}`);
    await page.keyboard.press("n");
    await page.waitForTimeout(50);
  }
  await untilShown(page, 1); // the first series again
  assertNoWrongs(page, /415 .*preview/); // a thumbnail that Orthanc itself cannot make
}

async function hostileTextsStayTexts(a, b) {
  await a.goto(`${given.a}${pages}study.html?study=${given.hostile}`);
  await a.locator("#own").waitFor();
  assert.ok((await a.locator("h1").textContent()).includes("<b>Bold</b>"));
  assert.equal(await a.locator("main b, main script, main img").count(), 0);
  await shot(a, "12-hostile-study");
  await a.goto(`${given.a}${pages}viewer.html?study=${given.hostile}`);
  await untilShown(a, 1);
  assert.ok((await a.locator("#series").textContent()).includes("<script>"));
  await shot(a, "13-hostile-viewer");
  await b.goto(`${given.b}${pages}shared.html`);
  await b.locator("#inbox", { hasText: given.attack }).waitFor();
  await b.locator("#inbox tr", { hasText: given.attack }).getByRole("button").click();
  await b.locator("#message.bad").waitFor(); // it is no study
  await shot(b, "14-hostile-shared");
  for (const wrong of ["x", "../../../system", "<script>", ""]) {
    await b.goto(`${given.b}${pages}study.html?study=${encodeURIComponent(wrong)}`);
    await b.getByText("The address names no study").waitFor();
  }
  for (const page of [a, b]) {
    assert.equal(await page.evaluate(() => window.attacked), undefined);
    assert.equal(await page.locator("img[src=x]").count(), 0);
    assertNoWrongs(page);
  }
}

// Another person under the same patient ID: asked about, and merged only on a yes.
async function anotherPersonIsAskedAbout(a, b) {
  await a.goto(`${given.a}${pages}study.html?study=${given.namesake}`);
  await a.locator("#recipient").selectOption("bob");
  await a.getByRole("button", { name: "Forward", exact: true }).click();
  await a.getByText("bob has the study now").waitFor();
  await b.goto(`${given.b}${pages}shared.html`);
  const line = b.locator("#inbox tr", { hasText: given.namesakeUid });
  await line.getByRole("button", { name: "Accept" }).click();
  await b.locator("#ask[open]").waitFor();
  assert.match(await b.locator("#ask-text").textContent(), /Other, Person, born 1970-01-01/);
  await shot(b, "21-another-person");
  await b.getByRole("button", { name: "Do not accept" }).click();
  assert.equal(await line.getByRole("link").count(), 0, "nothing was imported");
  await line.getByRole("button", { name: "Accept" }).click();
  await b.getByRole("button", { name: "It is the same person: accept" }).click();
  await b.getByText("Accepted: it is among your studies now").waitFor();
  assertNoWrongs(b, /409/);
}

async function storageTellsWhoOpenedWhat(page) {
  await page.goto(`${given.a}${pages}storage.html`);
  await until(async () => (await page.locator("#servers tr").count()) === 11, "six storage and five key servers");
  await page.locator("#accesses", { hasText: "bob" }).waitFor();
  const line = page.locator("#accesses tr", { hasText: given.uid }).filter({ hasText: "bob" }).filter({ hasText: "opened" });
  assert.ok(await line.count() >= 1);
  await page.getByRole("button", { name: "Check all of it now" }).click();
  await page.getByText("all of it is good").waitFor();
  assert.ok((await page.locator("#verify-text").textContent()).includes(`${new Date().getFullYear()}`));
  await shot(page, "15-storage");
  await everythingHasAName(page);
}

async function revokeAtA(a, b) {
  await a.goto(`${given.a}${pages}study.html?study=${given.study}`);
  await a.locator("#accesses", { hasText: "bob" }).waitFor();
  await a.getByRole("button", { name: "Revoke from bob" }).click();
  await a.locator("#ask").waitFor();
  await shot(a, "16-revoke-asks");
  await a.keyboard.press("Escape");
  assert.deepEqual(await a.locator("#recipients td:first-child").allTextContents(), ["bob"], "Escape changes nothing");
  await a.getByRole("button", { name: "Revoke from bob" }).click();
  await a.locator("#ask-yes").click();
  await a.getByText("bob no longer has the study").waitFor();
  await shot(a, "17-revoked");
  await everythingHasAName(a);

  await until(async () => {
    await b.goto(`${given.b}${pages}shared.html`);
    await b.locator("#inbox td").first().waitFor();
    return b.getByText("no longer forwards").isVisible();
  }, "B is told");
  assert.equal(await b.locator("#inbox tr", { hasText: given.uid }).count(), 0);
  await shot(b, "18-shared-revoked");
  await everythingHasAName(b);
  const study = await (await b.request.post(`${given.b}/tools/find`, { data: { Level: "Study", Query: { StudyInstanceUID: given.uid } } })).json();
  assert.deepEqual(study, []);
}

// Debian's own viewer beside the plugin.
async function otherViewersStillWork(page) {
  const series = (await (await page.request.get(`${given.a}/studies/${given.study}`)).json()).Series[0];
  await page.goto(`${given.a}/web-viewer/app/viewer.html?series=${series}`);
  await page.locator("canvas").first().waitFor();
  await page.waitForTimeout(1000);
  await shot(page, "19-orthanc-webviewer");
  const web = await page.request.get(`${given.a}/dicom-web/studies/${given.uid}/instances`);
  assert.equal((await web.json()).length, given.slices);
}

const browser = await launch();
try {
  const a = await newPage(browser);
  const b = await newPage(browser);
  const steps = [
    ["explorer", () => explorerLeadsToThePages(a)], ["forward", () => forwardAtA(a)], ["accept", () => acceptAtB(b)],
    ["view", () => viewAtB(b)], ["nothing wrong", async () => { assertNoWrongs(a); assertNoWrongs(b); await everythingHasAName(b); }],
    ["lost picture", () => aLostPictureIsNamed(browser)],
    ["tablet", () => viewOnTablet(browser)], ["compressed", () => compressedPicturesAreShown(a)],
    ["hostile", () => hostileTextsStayTexts(a, b)], ["another person", () => anotherPersonIsAskedAbout(a, b)],
    ["storage", () => storageTellsWhoOpenedWhat(a)],
    ["revoke", () => revokeAtA(a, b)], ["nothing wrong", async () => { assertNoWrongs(a); assertNoWrongs(b); }],
    ["others", () => otherViewersStillWork(a)],
  ];
  for (const [name, step] of steps) {
    const start = Date.now();
    try {
      await step();
    } catch (error) {
      await shot(a, "failed-a");
      await shot(b, "failed-b");
      throw new Error(`${name}: ${error.stack}\nA: ${a.wrongs.join("\n")}\nB: ${b.wrongs.join("\n")}`);
    }
    console.log(`${name}: ${Date.now() - start} ms`);
  }
} finally {
  await browser.close();
}
