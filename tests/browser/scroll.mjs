// A reader who holds the key down: from each key to its picture on the screen, in milliseconds, on stdout.
// Given {address: of a viewer page, rate: keys a second}.
import { given, launch, newPage, untilShown } from "./browser.mjs";

// Runs in the page. A picture that a later one overtakes counts until the later one is there.
async function hold(rate) {
  const place = document.getElementById("viewport");
  const count = Number(document.getElementById("slice").max);
  const asked = [];
  const times = [];
  const drawn = () => {
    while (asked.length && asked[0].picture <= Number(place.dataset.shown)) times.push(performance.now() - asked.shift().at);
  };
  place.addEventListener("cornerstoneimagerendered", drawn);
  for (let picture = 2; picture <= count; picture++) {
    asked.push({ picture, at: performance.now() });
    place.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }));
    await new Promise((resolve) => setTimeout(resolve, 1000 / rate));
  }
  for (const end = performance.now() + 30000; asked.length && performance.now() < end;) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return { times, count };
}

const browser = await launch();
try {
  const page = await newPage(browser);
  await page.goto(given.address);
  await untilShown(page, 1);
  const { times, count } = await page.evaluate(hold, given.rate);
  if (times.length !== count - 1) throw new Error(`${times.length} of ${count - 1} pictures came`);
  console.log(JSON.stringify(times));
} finally {
  await browser.close();
}
