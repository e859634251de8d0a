// Debian's Chromium, watched: no script error, no request to anywhere else, no breach of the policy.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

export const given = JSON.parse(process.argv[2]);

export async function launch() {
  return chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
}

// A page that remembers what went wrong; `allowed` are answers that are meant to be errors.
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  page.wrongs = [];
  page.on("pageerror", (error) => page.wrongs.push(`error: ${error.message}`));
  page.on("console", (line) => {
    if (line.type() === "error") page.wrongs.push(`console: ${line.text()} ${line.location().url}`);
  });
  page.on("request", (request) => {
    const url = new URL(request.url());
    if (!["data:", "blob:"].includes(url.protocol) && url.hostname !== "127.0.0.1") page.wrongs.push(`asks ${url}`);
  });
  page.setDefaultTimeout(15000);
  return page;
}

export function assertNoWrongs(page, ...allowed) {
  const wrongs = page.wrongs.filter((text) => !allowed.some((pattern) => pattern.test(text)));
  page.wrongs.length = 0;
  assert.deepEqual(wrongs, []);
}

export const shot = (page, name) => page.screenshot({ path: `${given.screenshots}/${name}.png` });

// Until it is true, or fails with what it last was.
export async function until(what, text, timeout = 15000) {
  const end = Date.now() + timeout;
  let value;
  while (!(value = await what())) {
    assert.ok(Date.now() < end, `${text}: never (last: ${value})`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return value;
}

// How many of the canvas's pixels are neither black nor white, and a sum that tells pictures apart.
export const look = (page) => page.evaluate(() => {
  const canvas = document.querySelector("#viewport canvas");
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let grey = 0;
  let sum = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] > 8 && data[i] < 247) grey++;
    sum = (sum * 31 + data[i]) >>> 0;
  }
  return { grey, sum };
});

export const shown = (page) => page.locator("#viewport").getAttribute("data-shown");

export const untilShown = (page, number) =>
  until(async () => (await shown(page)) === String(number), `picture ${number} is shown`);
