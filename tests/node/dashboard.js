// `node dashboard.js JSON`: an operator at the page of a running proxy, in a real Chromium. JSON: admin, proxy and announce addresses, the
// conf file, a join token, a node's name and URL; `shots`, a folder for screenshots, if they are wanted; `picture`, a file for a picture
// of the page and nothing else. Ends with an error if the page is not as it should be.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const http = require("node:http");
const { text } = require("node:stream/consumers");
const { launch, until, within } = require("./page.js");

const { admin, proxy, announce, conf, token, node, shots, picture } = JSON.parse(process.argv[2]);
const { accessible, shot } = within(admin, shots);
const row = (page, name) => page.locator(`#node-app-${name}`);
const is = (page, name, state) => row(page, name).locator(".state", { hasText: state }).waitFor();

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
  await until("who cannot see it hears it", async () => /app\/n1 is draining/.test(await page.locator("#said").innerText()));

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
  const browser = await launch();
  try {
    if (picture) {
      const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
      await page.goto(`http://${admin}/`);
      return await page.screenshot({ path: picture });
    }
    const page = await browser.newPage();
    page.setDefaultTimeout(60_000);
    const errors = [];
    page.on("console", (message) => message.type() === "error" && !message.text().includes("409") && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(String(error)));
    await operate(browser, page, errors).catch(async (error) => {
      console.error(errors, await page.locator("body").innerText());
      throw error;
    });
    const context = await browser.newContext({ javaScriptEnabled: false });
    const plain = await context.newPage();
    plain.setDefaultTimeout(60_000);
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
