// What the tests of the page have in common: a real Chromium, and what is asked of every view of it.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const { chromium } = require("playwright-core");

const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const DEVICES = [["screen", "light", 1440, 900], ["phone", "dark", 390, 800], ["narrow", "light", 360, 740], ["wall", "dark", 3000, 1400]];

const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });

// Waits until it is so; evaluated from here, for the page's policy lets nothing be evaluated in it.
async function until(what, check) {
  const end = Date.now() + 60_000;
  for (let last; ; await new Promise((wake) => setTimeout(wake, 50))) {
    if ((last = await check()) === true) return;
    assert(Date.now() < end, `${what}: still ${last}`);
  }
}

// What axe-core finds wrong in a page, each with the elements that it is wrong at. The page's policy lets no script in but its own, so
// that these pages are opened without it.
async function faults(page) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate("axe.run(document, { resultTypes: ['violations', 'passes'] })");
  assert(passes.length > 20, `only ${passes.length} rules were looked at`);
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ""}`).join("\n  ")}`);
}

// For the page at this address; `shots` is a folder for screenshots, if they are wanted.
function within(admin, shots) {
  const shot = async (page, name) => shots && page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });

  // Nobody is kept out by colours, sizes or missing words: in light and dark, on a screen, a phone and a wall.
  async function accessible(browser, what, prepare = () => {}, devices = DEVICES) {
    for (const [device, colorScheme, width, height] of devices) {
      const page = await browser.newPage({ bypassCSP: true, colorScheme, viewport: { width, height } });
      page.setDefaultTimeout(60_000);
      await page.goto(`http://${admin}/`);
      await prepare(page);
      assert.deepEqual(await faults(page), [], `${what}, ${colorScheme}, ${device}`);
      const wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
      assert(!wide, `${what}: nobody has to scroll sideways on a ${device}`);
      await shot(page, `${what}-${device}-${colorScheme}`);
      await page.close();
    }
  }

  return { accessible, shot };
}

module.exports = { launch, until, within };
