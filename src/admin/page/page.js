// Keeps the page live: fetches what the server renders and puts only what differs into the page that is open, so that focus, open
// details and what is being typed stay. Without this script the page is the same, and its forms work.
"use strict";
(() => {
  const EVERY = 1000;
  const at = (id) => document.getElementById(id);
  let timer, events, asking = false;

  // What a node is told apart by among its siblings.
  const key = (node) => (node.nodeType === 1 && node.id) || null;
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && key(a) === key(b);

  function morph(old, now) {
    if (old.nodeType !== 1) {
      if (old.nodeValue !== now.nodeValue) old.nodeValue = now.nodeValue;
      return;
    }
    if (old.hasAttribute("data-keep") || old.isEqualNode(now)) return;
    for (const { name } of [...old.attributes]) if (name !== "open" && !now.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of now.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    let next = old.firstChild;
    for (const child of [...now.childNodes]) {
      let match = next;
      while (match && !alike(match, child)) match = key(child) ? match.nextSibling : null;
      if (match) {
        // what stands between is gone
        while (next !== match) [next] = [next.nextSibling, next.remove()];
        next = match.nextSibling;
        morph(match, child);
      } else old.insertBefore(document.importNode(child, true), next);
    }
    while (next) [next] = [next.nextSibling, next.remove()];
  }

  function show(html) {
    const now = new DOMParser().parseFromString(html, "text/html");
    if (!now.getElementById("main")) return location.reload();
    // a refusal stays until somebody has answered it
    const notice = at("notice");
    if (notice && !now.getElementById("notice")) now.getElementById("main").prepend(document.importNode(notice, true));
    if (document.title !== now.title) document.title = now.title;
    morph(document.body, now.body);
  }

  function link(text) {
    if (at("link").textContent !== text) at("link").textContent = text;
    document.body.toggleAttribute("data-stale", text !== "");
  }

  const say = (text) => { at("said").textContent = text; };

  async function refresh() {
    if (asking) return;
    asking = true;
    clearTimeout(timer);
    try {
      show(await (await fetch("/", { signal: AbortSignal.timeout(10_000) })).text());
      link("");
    } catch {
      link("The proxy does not answer; what you see is what was last heard. Trying again.");
    }
    asking = false;
    if (!document.hidden) timer = setTimeout(refresh, EVERY);
  }

  function follow() {
    events = new EventSource("/api/events");
    events.addEventListener("state", (event) => {
      const { cluster, node, state, why } = JSON.parse(event.data);
      say(`${cluster}/${node} is ${state}: ${why}`);
      refresh();
    });
    events.addEventListener("reload", (event) => {
      say(JSON.parse(event.data).ok ? "The conf file was applied" : "The conf file was refused");
      refresh();
    });
    events.addEventListener("stopping", () => say("The proxy is stopping"));
  }

  // A page that nobody sees asks for nothing.
  function wake() {
    clearTimeout(timer);
    events?.close();
    if (document.hidden) return;
    follow();
    refresh();
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const path = new URL(form.action).pathname;
    if (!path.startsWith("/api/")) return;
    event.preventDefault();
    const row = form.closest("tr")?.id;
    const buttons = form.querySelectorAll("button");
    buttons.forEach((button) => { button.disabled = true; });
    try {
      const body = new URLSearchParams(new FormData(form));
      if (form.closest("#notice")) at("notice").remove();
      const answer = await fetch(path, { method: "POST", body });
      form.closest("details")?.removeAttribute("open");
      show(await answer.text());
      // whoever works by keyboard goes on where he was
      if (at("notice")) at("notice").focus();
      else if (document.activeElement === document.body) at(row)?.querySelector("th").focus({ preventScroll: true });
    } catch {
      link("The proxy does not answer: it is not known whether this was done.");
    }
    buttons.forEach((button) => { button.disabled = false; });
  });

  document.addEventListener("click", (event) => {
    if (!event.target.closest("#notice a")) return;
    event.preventDefault();
    at("notice").remove();
  });

  document.addEventListener("visibilitychange", wake);
  wake();
})();
