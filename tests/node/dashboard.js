// `node dashboard.js JSON`: an operator at the page of a running proxy, in a real Chromium. JSON: admin, proxy and announce addresses, the
// conf file, a join token, a node's name and URL; `shots`, a folder for screenshots, if they are wanted. Ends with an error if the page
// is not as it should be.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const { text } = require("node:stream/consumers");
const { chromium } = require("playwright-core");

const { admin, proxy, announce, conf, token, node, shots } = JSON.parse(process.argv[2]);
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

// Visitors, each of whom comes back once, until some are on the node.
async function visit(name) {
  for (let n = 0, there = 0; there < 3; n += 1) {
    assert(n < 100, `no session came to ${name}`);
    const { cookie, node } = await get({});
    assert.equal((await get({ cookie })).node, node);
    if (node === name) there += 1;
  }
}

async function sessions(page, name) {
  return Number((await row(page, name).locator("[data-label=Sessions]").innerText()).match(/\d+/)[0]);
}

async function operate(page, errors) {
  await page.goto(`http://${admin}/`);
  await Promise.all(["n1", "n2"].map((name) => is(page, name, "ready")));
  await visit("n1");
  await until("three sessions on n1", async () => (await sessions(page, "n1")) >= 3 || sessions(page, "n1"));

  // a drain with a deadline: the details stay open and what is typed stays while the page renews itself
  await row(page, "n1").locator("summary").click();
  const deadline = row(page, "n1").getByLabel("Deadline");
  await deadline.fill("90s");
  const renewed = await page.locator("footer time").innerText();
  await until("the page renews itself", async () => (await page.locator("footer time").innerText()) !== renewed || renewed);
  assert.equal(await deadline.inputValue(), "90s");
  assert(await deadline.evaluate((field) => field === document.activeElement), "the focus stays");
  await shot(page, "drain-form");
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
  await shot(page, "refused");
  await notice.getByRole("link").click();
  await notice.waitFor({ state: "detached" });
  await is(page, "n2", "ready");

  // its sessions fall to none
  const before = await sessions(page, "n1");
  assert(before >= 3, `${before} sessions`);
  await is(page, "n1", "drained");
  assert.equal(await sessions(page, "n1"), 0);
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
  await is(page, node.name, "pending");
  await shot(page, "pending");
  await page.locator("#attention").getByRole("button", { name: `Accept ${node.name}` }).click();
  await is(page, node.name, "ready");

  // a reload error appears, and goes
  const good = fs.readFileSync(conf, "utf8");
  fs.writeFileSync(conf, good.replace("[cluster.app]", "[cluster.app]\nballance = 'random'"));
  await page.locator("#attention pre", { hasText: "ballance" }).waitFor();
  assert.match(await page.locator("#reloads").innerText(), /refused/);
  await shot(page, "reload-refused");
  fs.writeFileSync(conf, good);
  await page.locator("#attention.quiet").waitFor();
  assert.deepEqual(errors, [], "the console is quiet");
}

// The same without JavaScript: forms that lead back to the page.
async function plainly(page) {
  await page.goto(`http://${admin}/`);
  await row(page, "n2").locator("summary").click();
  await row(page, "n2").getByRole("button", { name: "Drain app/n2", exact: true }).click();
  await page.waitForURL(/#node-app-n2$/);
  await is(page, "n2", "drain");
  for (const name of ["n1", node.name]) await row(page, name).getByRole("button", { name: /^Maintenance/ }).click();
  assert.match(await page.locator("#notice").innerText(), /last/);
  await page.getByRole("button", { name: "Do it all the same" }).click();
  await is(page, node.name, "maintenance");
  for (const name of ["n1", "n2", node.name]) await row(page, name).getByRole("button", { name: /^Enable/ }).click();
  await page.reload();
  await is(page, "n1", "ready");
}

async function looks(browser) {
  if (!shots) return;
  for (const [name, colorScheme, width] of [["light", "light", 1440], ["dark", "dark", 1440], ["phone", "light", 390], ["phone-dark", "dark", 390], ["wall", "dark", 3000]]) {
    const page = await browser.newPage({ colorScheme, viewport: { width, height: 900 } });
    await page.goto(`http://${admin}/`);
    await shot(page, name);
    await page.close();
  }
}

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(20_000);
    const errors = [];
    page.on("console", (message) => message.type() === "error" && !message.text().includes("409") && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    await operate(page, errors).catch(async (error) => {
      console.error(errors, await page.locator("body").innerText());
      throw error;
    });
    const context = await browser.newContext({ javaScriptEnabled: false });
    const plain = await context.newPage();
    plain.setDefaultTimeout(20_000);
    await plainly(plain);
    await looks(browser);
    console.log("good");
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
