// `node cookies.js URL`: a real Chromium visits /php and /wsgi behind URL, five times each, with more cookies than one. Ends with an
// error if it does not speak HTTP/2, or if one of the applications has lost its session or did not see every cookie.
const assert = require("node:assert/strict");
const { chromium } = require("playwright-core");

const [url] = process.argv.slice(2);

(async () => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  for (const [path, own] of [["/php", ["PHPSESSID", "theme", "lang"]], ["/wsgi", ["sid", "colour", "size"]]]) {
    for (let visit = 1; visit <= 5; visit += 1) {
      const answer = await page.goto(url + path);
      assert.equal(answer.status(), 200, await answer.text());
      assert.equal(await page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol"), "h2");
      const said = await answer.json();
      assert.equal(said.n, visit, `${path}, visit ${visit}: ${JSON.stringify(said)}`);
      if (visit > 1) {
        for (const name of own) assert(said.cookies.includes(name), `${path} has not seen ${name}: ${JSON.stringify(said)}`);
      }
      assert(!said.line?.includes(","), `commas between cookies: ${said.line}`);
    }
  }
  await browser.close();
  console.log("good");
})().catch((error) => {
  console.error(error);
  process.exit(1);
});
