// `node fleet.js JSON`: an operator at the page of a proxy with many clusters of four nodes each, in a real Chromium, on a screen and on a
// phone. JSON: the admin address, how many clusters there are, the node that is down; `shots`, a folder for screenshots, if they are
// wanted. The clusters are called app-000, app-001, …, their nodes n1 to n4. Ends with an error if the page is not as it should be.
const assert = require("node:assert/strict");
const { launch, until, within } = require("./page.js");

const { admin, clusters, sick, shots } = JSON.parse(process.argv[2]);
const { accessible, shot } = within(admin, shots);
const DEVICES = [["screen", 1280, 800, "light"], ["phone", 390, 844, "dark"]];
// what a view may be high, in screens, and weigh, in bytes
const HIGHEST = 5, HEAVIEST = 100_000;

const row = (page, cluster, name) => page.locator(`#node-${cluster}-${name}`);
const notice = (page) => page.locator("#notice");
const change = (cluster, name, verb) => fetch(`http://${admin}/api/clusters/${cluster}/nodes/${name}/${verb}`, { method: "POST" });

async function fits(page, what) {
  const [high, wide, width, height] = await page.evaluate("[document.documentElement.scrollHeight, document.documentElement.scrollWidth, innerWidth, innerHeight]");
  assert(high <= HIGHEST * height, `${what} is ${high} pixels high, ${(high / height).toFixed(1)} screens`);
  assert(wide <= width, `${what} is ${wide} pixels wide on ${width}`);
}

async function weighs(view) {
  const { length } = await (await fetch(`http://${admin}/${view}`)).text();
  assert(length < HEAVIEST, `${view} has ${length} bytes`);
}

// Two steps, whatever there is: what is not ready, and there it is. One, where it is named already.
async function findsTheSick(page) {
  const [cluster, name] = sick.split("/");
  await page.getByLabel("Only what is not ready").check();
  await row(page, cluster, name).locator(".state", { hasText: "down" }).waitFor();
  assert.match(await row(page, cluster, name).innerText(), /refused/, "it says why");
  assert.match(await page.locator("#found").innerText(), /^1 node found/);
  await fits(page, "what is not ready");
  await page.getByRole("link", { name: "All clusters" }).click();
  await page.locator("#clusters").waitFor();
  assert.equal(await page.getByLabel("Only what is not ready").isChecked(), false);
  await page.locator("#attention").getByRole("link", { name: sick }).click();
  await row(page, cluster, name).waitFor();
  assert.equal(await page.getByLabel("Search").inputValue(), sick);
  await page.goBack();
  await page.locator("#clusters").waitFor();
  assert.equal(await page.getByLabel("Search").inputValue(), "", "the way back is the browser's");
}

async function search(page, words, count) {
  await page.getByLabel("Search").fill(words);
  await page.locator("#found", { hasText: `${count} nodes found` }).waitFor();
}

// Ten at once, by a pattern: listed, asked once, told one by one; and who it was is known.
async function drainsTen(page, reason) {
  await search(page, "app-01*/n1", 10);
  await fits(page, "what is found");
  await page.locator("#bulk").getByRole("button", { name: "Drain…" }).click();
  await notice(page).waitFor();
  const asked = notice(page).getByRole("checkbox");
  assert.equal(await asked.count(), 10);
  for (let n = 0; n < 10; n += 1) assert.equal(await asked.nth(n).inputValue(), `app-01${n}/n1`);
  assert(await notice(page).evaluate((asked) => asked === document.activeElement), "the question has the focus");
  await fits(page, "the question");
  await notice(page).getByLabel("Reason").fill(reason);
  await notice(page).getByRole("button", { name: "Drain 10 nodes" }).click();
  await page.getByRole("heading", { name: "Drain: done for 10 of 10 nodes" }).waitFor();
  for (let n = 0; n < 10; n += 1) await row(page, `app-01${n}`, "n1").locator(".state", { hasText: "drain" }).waitFor();
  const changes = page.locator("#changes");
  await changes.locator("tbody tr", { hasText: "app-010/n1" }).first().waitFor();
  const told = await changes.locator("tbody tr").allInnerTexts();
  assert.equal(told.filter((line) => /operator[^]*127\.0\.0\.1[^]*drain[^]*app-01\d\/n1/.test(line) && line.includes(reason)).length, 10, told.join("\n"));
  await notice(page).getByRole("link", { name: "Close" }).click();
  await notice(page).waitFor({ state: "detached" });
  await page.locator("#bulk").getByRole("button", { name: "Enable…" }).click();
  await notice(page).getByRole("button", { name: "Enable 10 nodes" }).click();
  await page.getByRole("heading", { name: "Enable: done for 10 of 10 nodes" }).waitFor();
  await row(page, "app-019", "n1").locator(".state", { hasText: "ready" }).waitFor();
  await notice(page).getByRole("link", { name: "Close" }).click();
}

// Those that are ticked, and no others; what would stop a cluster is not done.
async function keepsTheLast(page) {
  await search(page, "app-003/*", 4);
  for (const name of ["n1", "n2"]) await page.getByLabel(`Choose app-003/${name}`).check();
  await page.locator("#ticked", { hasText: "2 ticked" }).waitFor();
  await page.locator("#bulk").getByRole("button", { name: "Maintenance…" }).click();
  await notice(page).getByRole("button", { name: "Maintenance 2 nodes" }).click();
  await page.getByRole("heading", { name: "Maintenance: done for 2 of 2 nodes" }).waitFor();
  assert.equal(await page.locator("td.tick input:checked").count(), 0, "what is done is not ticked any more");
  await notice(page).getByRole("link", { name: "Close" }).click();
  await page.locator("#bulk").getByRole("button", { name: "Maintenance…" }).click();
  await notice(page).getByLabel("app-003/n1").uncheck();
  await notice(page).getByRole("button", { name: "Maintenance 4 nodes" }).click();
  await page.getByRole("heading", { name: "Maintenance: done for 2 of 3 nodes" }).waitFor();
  assert.match(await notice(page).locator("li", { hasText: "app-003/n4" }).innerText(), /refused[^]*last/);
  assert(await notice(page).getByRole("button", { name: "Do it all the same to 1 node" }).isVisible());
  await notice(page).getByRole("link", { name: "Close" }).click();
  await page.locator("#bulk").getByRole("button", { name: "Enable…" }).click();
  await notice(page).getByRole("button", { name: "Enable 4 nodes" }).click();
  await page.getByRole("heading", { name: "Enable: done for 4 of 4 nodes" }).waitFor();
  await notice(page).getByRole("link", { name: "Close" }).click();
}

// A cluster is opened, and is open the next time; what happens changes what it is about, and nothing else.
async function staysAsItIs(page) {
  await page.getByRole("link", { name: "All clusters" }).click();
  await page.locator("#clusters").waitFor();
  const fold = page.locator("#cluster-app-040").getByRole("link");
  assert.equal(await fold.getAttribute("aria-expanded"), "false");
  assert.equal(await row(page, "app-040", "n1").count(), 0, "what is closed is not sent");
  await fold.click();
  await row(page, "app-040", "n4").waitFor();
  assert.match(await page.locator("#cluster-app-040-all").innerText(), /rule 41: host app-040\.example\.com/, "what leads there");
  await page.goto(`http://${admin}/`);
  await row(page, "app-040", "n4").waitFor();
  await page.getByLabel("Choose app-040/n3").check();
  await row(page, "app-040", "n1").locator("summary").click();
  await row(page, "app-040", "n1").getByLabel("Deadline").fill("90s");
  const before = await page.evaluate("[scrollY, document.activeElement.name, document.activeElement.selectionStart]");
  assert(before[0] > 0, "the page is scrolled");
  assert.equal((await change("app-040", "n2", "drain")).status, 200);
  await row(page, "app-040", "n2").locator(".state", { hasText: "drain" }).waitFor();
  assert.deepEqual(await page.evaluate("[scrollY, document.activeElement.name, document.activeElement.selectionStart]"), before);
  assert.equal(await row(page, "app-040", "n1").getByLabel("Deadline").inputValue(), "90s");
  assert(await page.getByLabel("Choose app-040/n3").isChecked());
  assert.equal((await change("app-040", "n2", "enable")).status, 200);
  await row(page, "app-040", "n2").locator(".state", { hasText: "ready" }).waitFor();
  await fold.press("Enter");
  await row(page, "app-040", "n1").waitFor({ state: "detached" });
  assert(await fold.evaluate((link) => link === document.activeElement), "whoever works by keyboard stays there");
}

// Sorted, the worst first; and the index leads to the last of all.
async function sortsAndJumps(page) {
  const first = () => page.locator("#clusters section h3").first().innerText();
  await page.getByLabel("Sort by").selectOption("worst state");
  await until("the worst is first", async () => (await first()) === sick.split("/")[0] || first());
  await page.getByLabel("Sort by").selectOption("as in the file");
  await until("as in the file", async () => (await first()) === "app-000" || first());
  const last = `app-${String(clusters - 1).padStart(3, "0")}`;
  await page.locator("#index summary").click();
  const pages = page.locator("#index .pages a");
  if ((await pages.count()) > 0) await pages.last().click();
  await page.locator("#index").getByRole("link", { name: last, exact: true }).click();
  await page.locator(`#cluster-${last}`).waitFor();
  await until(`${last} is in sight`, () => page.locator(`#cluster-${last}`).evaluate((heading) => heading.getBoundingClientRect().top < innerHeight));
  await page.locator("#index summary").click();
}

async function work(browser, [device, width, height, colorScheme]) {
  // the page's own policy holds but for what is evaluated from here
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, bypassCSP: true });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  const errors = [];
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error)));
  await page.goto(`http://${admin}/`);
  await page.locator("#clusters section").first().waitFor();
  assert.equal(await page.locator("#clusters section").count(), Math.min(clusters, 50));
  await fits(page, "the page");
  await shot(page, `fleet-${clusters}-${device}`);
  await findsTheSick(page);
  await drainsTen(page, `kernel update on a ${device}`);
  await shot(page, `drained-${clusters}-${device}`);
  if (clusters <= 50) await keepsTheLast(page);
  await staysAsItIs(page);
  await sortsAndJumps(page);
  assert.deepEqual(errors, [], "the console is quiet");
  await context.close();
}

// The same without JavaScript: links and forms that lead from page to page.
async function plainly(browser) {
  const context = await browser.newContext({ javaScriptEnabled: false });
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  await page.goto(`http://${admin}/`);
  await page.locator("#cluster-app-002").getByRole("link").click();
  await row(page, "app-002", "n1").waitFor();
  await page.getByLabel("Search").fill("app-01*/n2");
  await page.getByRole("button", { name: "Search" }).click();
  await page.locator("#found", { hasText: "10 nodes found" }).waitFor();
  for (const cluster of ["app-011", "app-013"]) await page.getByLabel(`Choose ${cluster}/n2`).check();
  await page.locator("#bulk").getByRole("button", { name: "Drain…" }).click();
  await notice(page).getByLabel("Reason").fill("without a script");
  await notice(page).getByRole("button", { name: "Drain 2 nodes" }).click();
  await page.getByRole("heading", { name: "Drain: done for 2 of 2 nodes" }).waitFor();
  assert.match(await page.locator("#changes").innerText(), /without a script/);
  await notice(page).getByRole("link", { name: "Close" }).click();
  await page.locator("#found", { hasText: "10 nodes found" }).waitFor();
  for (const cluster of ["app-011", "app-013"]) {
    await row(page, cluster, "n2").getByRole("button", { name: /^Enable/ }).click();
    await row(page, cluster, "n2").locator(".state", { hasText: "ready" }).waitFor();
    await page.locator("#found", { hasText: "10 nodes found" }).waitFor();
  }
  await context.close();
}

(async () => {
  const browser = await launch();
  try {
    for (const view of ["", "?q=app-01*%2Fn1", "?only=not-ready", "?open=app-001&open=app-002", `?list=rules&list=changes`]) await weighs(view);
    for (const device of DEVICES) await work(browser, device);
    if (clusters <= 50) {
      await plainly(browser);
      await accessible(browser, "fleet");
      await accessible(browser, "found", async (page) => {
        await search(page, "n1", 50);
        await page.locator("#bulk").getByRole("button", { name: "Drain…" }).click();
        await notice(page).waitFor();
      });
      await accessible(browser, "lists", async (page) => {
        for (const list of ["Rules", "Reloads", "Listeners"]) await page.getByRole("link", { name: list, exact: true }).click();
        await page.locator("#listeners li").waitFor();
        await page.locator("#cluster-app-001").getByRole("link").click();
        await row(page, "app-001", "n1").waitFor();
      });
    }
    console.log("good");
  } finally {
    await browser.close();
  }
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
