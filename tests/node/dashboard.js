// `node dashboard.js JSON`: an operator at the page of a running proxy, in a real Chromium. JSON: admin, proxy and announce addresses, the
// conf file, a join token, a node's name and URL; `shots`, a folder for screenshots, if they are wanted; `picture`, a file for a picture
// of the page and nothing else. Ends with an error if the page is not as it should be.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const { text } = require("node:stream/consumers");
const { chromium } = require("playwright-core");

const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const { admin, proxy, announce, conf, token, node, shots, picture } = JSON.parse(process.argv[2]);
const row = (page, name) => page.locator(`#node-app-${name}`);
const is = (page, name, state) => row(page, name).locator(".state", { hasText: state }).waitFor();
const shot = async (page, name) => shots && page.screenshot({ path: `${shots}/${name}.png`, fullPage: true });

// Waits until it is so; evaluated from here, for the page's policy lets nothing be evaluated in it.
async function until(what, check) {
  const end = Date.now() + 20_000;
  for (let last; ; await new Promise((wake) => setTimeout(wake, 50))) {
    if ((last = await check()) === true) return;
    assert(Date.now() < end, `${what}: still ${last}`);
  }
}

// A request on a connection of its own: the proxy takes what comes on one connection for one client.
function get(headers) {
  return new Promise((done, failed) => {
    const ask = http.get(`http://${proxy}/`, { agent: false, headers }, async (answer) => {
      const cookie = (answer.headers["set-cookie"] ?? []).map((line) => line.split(";")[0]).join("; ");
      done({ cookie, node: JSON.parse(await text(answer)).node });
    });
    ask.on("error", failed);
  });
}

// Visitors, each of whom comes back once, until some are on the node; the cookie of one of them.
async function visit(name) {
  const there = [];
  for (let n = 0; there.length < 3; n += 1) {
    assert(n < 100, `no session came to ${name}`);
    const { cookie, node } = await get({});
    assert.equal((await get({ cookie })).node, node);
    if (node === name) there.push(cookie);
  }
  return there[0];
}

// What axe-core finds wrong in a page, each with the elements that it is wrong at. The page's policy lets no script in but its own, so
// that these pages are opened without it.
async function faults(page) {
  await page.evaluate(axe);
  const { violations, passes } = await page.evaluate("axe.run(document, { resultTypes: ['violations', 'passes'] })");
  assert(passes.length > 20, `only ${passes.length} rules were looked at`);
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html, any }) => `${html} ${any[0]?.message ?? ""}`).join("\n  ")}`);
}

// Nobody is kept out by colours, sizes or missing words: in light and dark, on a screen, a phone and a wall.
async function accessible(browser, what, prepare = () => {}) {
  for (const [device, colorScheme, width, height] of [["screen", "light", 1440, 900], ["phone", "dark", 390, 800], ["wall", "dark", 3000, 1400]]) {
    const page = await browser.newPage({ bypassCSP: true, colorScheme, viewport: { width, height } });
    page.setDefaultTimeout(20_000);
    await page.goto(`http://${admin}/`);
    await prepare(page);
    assert.deepEqual(await faults(page), [], `${what}, ${colorScheme}, ${device}`);
    const wide = await page.evaluate("document.documentElement.scrollWidth > innerWidth");
    assert(!wide, `${what}: nobody has to scroll sideways on a ${device}`);
    await shot(page, `${what}-${device}-${colorScheme}`);
    await page.close();
  }
}

async function sessions(page, name) {
  return Number((await row(page, name).locator("[data-label=Sessions]").innerText()).match(/\d+/)[0]);
}

async function operate(browser, page, errors) {
  await page.goto(`http://${admin}/`);
  await Promise.all(["n1", "n2"].map((name) => is(page, name, "ready")));
  await accessible(browser, "drain-form", (other) => row(other, "n1").locator("summary").click());
  const one = await visit("n1");
  await until("three sessions on n1", async () => (await sessions(page, "n1")) >= 3 || sessions(page, "n1"));

  // a drain with a deadline: the details stay open and what is typed stays while the page renews itself
  await row(page, "n1").locator("summary").click();
  const deadline = row(page, "n1").getByLabel("Deadline");
  await deadline.fill("90s");
  const renewed = await page.locator("footer time").innerText();
  await until("the page renews itself", async () => (await page.locator("footer time").innerText()) !== renewed || renewed);
  assert.equal(await deadline.inputValue(), "90s");
  assert(await deadline.evaluate((field) => field === document.activeElement), "the focus stays");
  await row(page, "n1").getByRole("button", { name: "Drain app/n1", exact: true }).click();
  await is(page, "n1", "draining");
  assert.match(await row(page, "n1").locator(".countdown").innerText(), /in 0:01:(2\d|30)/);
  await shot(page, "draining");
  assert.match(await page.locator("#said").innerText(), /app\/n1 is draining/, "who cannot see it hears it");

  // the last node is not taken out without force
  await row(page, "n2").getByRole("button", { name: /^Maintenance/ }).click();
  const notice = page.locator("#notice");
  await notice.waitFor();
  assert.match(await notice.innerText(), /last/);
  assert(await notice.getByRole("button", { name: "Do it all the same" }).isVisible());
  await notice.getByRole("link").click();
  await notice.waitFor({ state: "detached" });
  await is(page, "n2", "ready");

  // its sessions fall: one user goes on for a while, then nobody is left
  const before = await sessions(page, "n1");
  assert(before >= 3, `${before} sessions`);
  const goesOn = async () => assert.equal((await get({ cookie: one })).node, "n1", "a drained node keeps whom it has");
  await until("all but one have gone", async () => {
    await goesOn();
    const left = await sessions(page, "n1");
    return left === 1 || left;
  });
  await is(page, "n1", "draining");
  await is(page, "n1", "drained");
  assert.equal(await sessions(page, "n1"), 0);
  await accessible(browser, "refused", async (other) => {
    await row(other, "n2").getByRole("button", { name: /^Maintenance/ }).click();
    await other.locator("#notice").waitFor();
  });
  await row(page, "n1").getByRole("button", { name: /^Enable/ }).press("Enter");
  await is(page, "n1", "ready");
  assert(await row(page, "n1").evaluate((row) => row.contains(document.activeElement)), "whoever works by keyboard stays in the row");

  // a node announces itself and is accepted
  const beat = () => fetch(`http://${announce}/heartbeat`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ cluster: "app", node: node.name, url: node.url, load: 10 }),
  });
  assert.equal((await beat()).status, 200);
  const beats = setInterval(beat, 3000);
  await is(page, node.name, "pending");
  await accessible(browser, "pending");
  await page.locator("#attention").getByRole("button", { name: `Accept ${node.name}` }).click();
  await is(page, node.name, "ready");

  // a reload error appears, and goes
  const good = fs.readFileSync(conf, "utf8");
  fs.writeFileSync(conf, good.replace("[cluster.app]", "[cluster.app]\nballance = 'random'"));
  await page.locator("#attention pre", { hasText: "ballance" }).waitFor();
  assert.match(await page.locator("#reloads").innerText(), /refused/);
  await accessible(browser, "reload-refused");
  fs.writeFileSync(conf, good);
  await page.locator("#attention.quiet").waitFor();
  clearInterval(beats);
  assert.deepEqual(errors, [], "the console is quiet");
}

// The same without JavaScript: forms that lead back to the page.
async function plainly(page) {
  await page.goto(`http://${admin}/`);
  await row(page, "n2").locator("summary").click();
  await row(page, "n2").getByRole("button", { name: "Drain app/n2", exact: true }).click();
  await page.waitForURL(/#node-app-n2$/);
  await is(page, "n2", "drain");
  const out = (name) => row(page, name).getByRole("button", { name: /^Maintenance/ });
  await out("n1").click();
  await is(page, "n1", "maintenance");
  await out(node.name).click();
  assert.match(await page.locator("#notice").innerText(), /last/);
  await page.getByRole("button", { name: "Do it all the same" }).click();
  await is(page, node.name, "maintenance");
  for (const name of ["n1", "n2", node.name]) {
    const enable = row(page, name).getByRole("button", { name: /^Enable/ });
    await enable.click();
    await enable.waitFor({ state: "detached" });
  }
  await page.reload();
  await is(page, "n1", "ready");
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    if (picture) {
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
      await page.goto(`http://${admin}/`);
      return await page.screenshot({ path: picture });
    }
    const page = await browser.newPage();
    page.setDefaultTimeout(20_000);
    const errors = [];
    page.on("console", (message) => message.type() === "error" && !message.text().includes("409") && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    await operate(browser, page, errors).catch(async (error) => {
      console.error(errors, await page.locator("body").innerText());
      throw error;
    });
    const context = await browser.newContext({ javaScriptEnabled: false });
    const plain = await context.newPage();
    plain.setDefaultTimeout(20_000);
    await plainly(plain);
    await accessible(browser, "quiet");
    console.log("good");
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
