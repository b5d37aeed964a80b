// Keeps the page live: fetches what the server renders and puts only what differs into the page that is open, so that scroll, selection,
// focus, open details and what is being typed stay. What is looked at stands in the address. Without this script the page is the same,
// and its links and forms work.
"use strict";
(() => {
  const EVERY = 1000, STORE = "homing-view";
  const at = (id) => document.getElementById(id);
  let timer, typing, events, asking, took = 0;

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
    children(old, now);
  }

  // What has a name goes where it belongs now; the rest is told apart by its place.
  function children(old, now) {
    const named = new Map([...old.children].filter(key).map((child) => [child.id, child]));
    const stay = new Set([...now.children].map(key));
    let next = old.firstChild;
    const drop = () => { [next] = [next.nextSibling, next.remove()]; };
    for (const child of [...now.childNodes]) {
      while (next && key(next) && !stay.has(next.id)) drop();
      let match = key(child) ? named.get(child.id) : next;
      if (match && !alike(match, child)) match = null;
      if (!match) {
        old.insertBefore(document.importNode(child, true), next);
        continue;
      }
      if (match === next) next = next.nextSibling;
      else if (old.moveBefore) old.moveBefore(match, next);
      else old.insertBefore(match, next);
      morph(match, child);
    }
    while (next) drop();
  }

  function show(html) {
    const now = new DOMParser().parseFromString(html, "text/html");
    if (!now.getElementById("main")) return location.reload();
    // what was said to a form stays until somebody has answered it
    const notice = at("notice");
    if (notice && !now.getElementById("notice")) now.getElementById("main").prepend(document.importNode(notice, true));
    if (document.title !== now.title) document.title = now.title;
    morph(document.body, now.body);
    count();
  }

  function link(text) {
    if (at("link").textContent !== text) at("link").textContent = text;
    document.body.toggleAttribute("data-stale", text !== "");
  }

  // Says what happened to who cannot see it; of many things at once, the latest and how many there were.
  let told = 0, telling;
  function say(text) {
    told += 1;
    clearTimeout(telling);
    telling = setTimeout(() => {
      at("said").textContent = told > 1 ? `${text}; ${told - 1} more changes` : text;
      told = 0;
    }, 300);
  }

  // A proxy that takes its time is asked less often: at most a twentieth of it goes into this page.
  function later(least) {
    clearTimeout(timer);
    if (!document.hidden) timer = setTimeout(refresh, Math.max(least, 20 * took));
  }

  async function refresh() {
    clearTimeout(timer);
    asking?.abort();
    const mine = asking = new AbortController();
    const began = performance.now();
    try {
      const signal = AbortSignal.any([mine.signal, AbortSignal.timeout(10_000)]);
      const html = await (await fetch(`/${location.search}`, { signal })).text();
      if (mine.signal.aborted) return;
      took = performance.now() - began;
      show(html);
      link("");
    } catch {
      if (mine.signal.aborted) return;
      link("The proxy does not answer; what you see is what was last heard. Trying again.");
    }
    asking = null;
    later(EVERY);
  }

  // Something happened: soon, but not while an answer is on its way, and many things at once are one.
  const soon = () => asking || later(50);

  function follow() {
    events = new EventSource("/api/events");
    events.addEventListener("state", (event) => {
      const { cluster, node, state, why } = JSON.parse(event.data);
      say(`${cluster}/${node} is ${state}: ${why}`);
      soon();
    });
    events.addEventListener("reload", (event) => {
      say(JSON.parse(event.data).ok ? "The conf file was applied" : "The conf file was refused");
      soon();
    });
    events.addEventListener("change", soon);
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

  // Looks at something else; what is open and how it is sorted is known again the next time.
  function go(href, replace) {
    history[replace ? "replaceState" : "pushState"](null, "", href);
    const kept = new URLSearchParams(location.search);
    ["q", "only", "page"].forEach((name) => kept.delete(name));
    try { localStorage.setItem(STORE, kept); } catch { /* a browser that keeps nothing */ }
    return refresh();
  }

  // How what is not chosen is sorted: what is not ready, from the worst on.
  const usual = () => (new URLSearchParams(location.search).has("only") ? "state" : "file");

  function look(replace) {
    const asked = new URLSearchParams(new FormData(at("search")));
    if (!asked.get("q")) asked.delete("q");
    if (asked.get("sort") === usual()) asked.delete("sort");
    go(`/?${asked}`, replace);
  }

  // The fields say what is looked at, also when it was not them that chose it.
  function fields() {
    const view = new URLSearchParams(location.search);
    at("q").value = view.get("q") ?? "";
    at("only").checked = view.has("only");
    at("sort").value = view.get("sort") ?? usual();
  }

  const ticks = () => [...document.querySelectorAll("main td.tick input")];

  function count() {
    const all = at("tick-all"), ticked = at("ticked"), boxes = ticks();
    if (!all) return;
    const n = boxes.filter((box) => box.checked).length;
    all.hidden = false;
    [all.firstChild.checked, all.firstChild.indeterminate] = [n > 0 && n === boxes.length, n > 0 && n < boxes.length];
    const text = n > 0 ? `${n} ticked` : "";
    if (ticked.textContent !== text) ticked.textContent = text;
  }

  async function send(form, button) {
    const row = form.closest("tr")?.id;
    const buttons = form.querySelectorAll("button");
    const body = new URLSearchParams(new FormData(form, button));
    buttons.forEach((one) => { one.disabled = true; });
    try {
      const answer = await fetch(form.action, { method: "POST", body });
      const html = await answer.text();
      if (form.closest("#notice")) at("notice").remove();
      form.closest("details")?.removeAttribute("open");
      if (body.has("confirmed")) ticks().forEach((box) => { box.checked = false; });
      show(html);
      // whoever works by keyboard goes on where he was
      if (at("notice")) at("notice").focus();
      else if (document.activeElement === document.body) (at(row)?.querySelector("th") ?? at("main")).focus({ preventScroll: true });
    } catch {
      link("The proxy does not answer: it is not known whether this was done.");
    }
    buttons.forEach((one) => { one.disabled = false; });
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.id === "search") {
      event.preventDefault();
      clearTimeout(typing);
      look(false);
    } else if (["/api/", "/bulk"].some((path) => form.action.startsWith(location.origin + path))) {
      event.preventDefault();
      send(form, event.submitter);
    }
  });

  document.addEventListener("input", (event) => {
    if (event.target.id !== "q") return;
    clearTimeout(typing);
    typing = setTimeout(look, 250, true);
  });

  document.addEventListener("change", (event) => {
    if (["only", "sort"].includes(event.target.id)) look(false);
    else if (event.target.parentNode.id === "tick-all") ticks().forEach((box) => { box.checked = event.target.checked; });
    count();
  });

  document.addEventListener("click", async (event) => {
    const to = event.target.closest("a[data-view], a[data-leave]");
    if (!to || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (to.hasAttribute("data-leave")) {
      at("notice").remove();
      at("main").focus({ preventScroll: true });
      return;
    }
    const done = go(to.href, false);
    fields();
    await done;
    if (to.rel) at("fleet").scrollIntoView();
  });

  document.addEventListener("visibilitychange", wake);
  window.addEventListener("popstate", () => {
    fields();
    refresh();
  });
  // whoever comes without saying what he wants to see sees what he saw the last time
  let kept = null;
  try { kept = localStorage.getItem(STORE); } catch { /* a browser that keeps nothing */ }
  if (kept && !location.search) history.replaceState(null, "", `/?${kept}${location.hash}`);
  count();
  wake();
})();
