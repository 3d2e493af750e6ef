// The console: every view shows what one endpoint of the API says. Values become text nodes, never markup.
"use strict";

const view = document.getElementById("view");
const said = document.getElementById("said");
let shown = 0; // counts views, so that a late answer for the last one is dropped
let timer = 0;
let stream = null;

// ---- the API

class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || "status " + status);
    this.status = status;
    this.problem = problem;
  }
}

async function ask(path, options = {}, code) {
  const headers = { ...options.headers };
  if (code) headers["Seawall-Code"] = code;
  const token = sessionStorage.getItem("token");
  if (token) headers.Authorization = "Bearer " + token;
  const answer = await fetch("/api/v1/" + path, { ...options, headers });
  if (options.raw && answer.ok) return answer;
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    // A token may ask for the code of the moment with every change.
    const detail = body.detail || "";
    if (detail.includes("Seawall-Code")) {
      const given = await asked("code");
      if (given) return ask(path, options, given);
    } else if (!detail.includes("code")) {
      // Asked before the token was there, answered after: that is no reason to ask for it once more.
      const now = sessionStorage.getItem("token");
      if (now && now !== token) return ask(path, options);
      login();
    }
  }
  if (!answer.ok) throw new Refused(answer.status, body);
  return body;
}

const post = (path, body) => ask(path, { method: "POST", body: body === undefined ? "" : JSON.stringify(body) });

// What a person writes into a dialog; null if it was closed without a word.
function asked(name) {
  const dialog = document.getElementById("ask-" + name), field = document.getElementById(name);
  if (dialog.open) return Promise.resolve(null);
  dialog.showModal();
  return new Promise(resolve => dialog.onclose = () => {
    resolve(field.value.trim() || null);
    field.value = "";
  });
}

async function login() {
  const token = await asked("token");
  if (!token) return;
  sessionStorage.setItem("token", token);
  show();
}

function say(text, failed) {
  said.textContent = text;
  said.className = failed ? "failed" : "";
}

// ---- making nodes

function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.flat().filter(c => c != null).map(c => c instanceof Node ? c : String(c)));
  return node;
}

const dash = value => value === null || value === undefined || value === "" ? "–" : value;
const when = ms => new Date(ms).toLocaleTimeString();
const bytes = n => n >= 1 << 30 ? (n / (1 << 30)).toFixed(1) + " GiB" : n >= 1 << 20 ? (n / (1 << 20)).toFixed(1) + " MiB" : n >= 1024 ? (n / 1024).toFixed(1) + " KiB" : n + " B";

// Columns: [title, cell of a row, class]
function table(caption, rows, columns, empty) {
  if (!rows.length) return el("p", { class: "soft" }, empty || "nothing here");
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    el("table", {},
      el("thead", {}, el("tr", {}, columns.map(c => el("th", { scope: "col", class: c[2] }, c[0])))),
      el("tbody", {}, rows.map(row => el("tr", {}, columns.map(c => el("td", { class: c[2], "data-title": c[0] }, dash(c[1](row)))))))));
}

const card = (name, value, note, line) => el("div", { class: "card" }, el("span", {}, name), el("b", {}, dash(value)), note ? el("span", {}, note) : null, line);

function spark(values, name) {
  const known = values.map(v => v ?? 0);
  if (known.length < 2) return null;
  const top = Math.max(...known, 1e-9);
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  svg.setAttribute("viewBox", "0 0 100 20");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", name + " over the last minutes, at most " + top.toFixed(1));
  const path = document.createElementNS(ns, "path");
  const x = i => i * 100 / (known.length - 1);
  path.setAttribute("d", known.map((v, i) => (i ? "L" : "M") + x(i).toFixed(2) + " " + (19 - 18 * v / top).toFixed(2)).join(""));
  svg.append(path);
  return svg;
}

function act(label, run, question) {
  return el("button", { type: "button", onclick: async event => {
    if (question && !confirm(question)) return;
    event.target.disabled = true;
    try { await run(); say(label + ": done"); } catch (error) { say(error.message, true); }
    refresh();
  } }, label);
}

// ---- views: what is fetched, how it is shown, whether again every two seconds

const views = {
  overview: { title: "Overview", again: true, async show() {
    const [status, signals] = await Promise.all([ask("status"), ask("signals")]);
    const samples = signals.samples, last = samples[samples.length - 1] || {};
    const column = name => samples.map(s => s[name]);
    const hit = last.hit_ratio === null || last.hit_ratio === undefined ? null : (last.hit_ratio * 100).toFixed(0) + " %";
    const failure = status.configuration.last_failure;
    return [
      el("div", { class: "cards" },
        card("Traffic", last.requests_s, "requests a second", spark(column("requests_s"), "requests")),
        card("Errors", last.errors_s, "5xx a second", spark(column("errors_s"), "errors")),
        card("Latency p50", dash(last.p50_ms) + " ms", "", spark(column("p50_ms"), "p50")),
        card("Latency p99", dash(last.p99_ms) + " ms", "", spark(column("p99_ms"), "p99")),
        card("Saturation", status.connections, "of " + dash(last.connections_max) + " connections", spark(column("connections"), "connections")),
        card("Cache hits", hit, "of what was looked up", spark(column("hit_ratio"), "hit ratio"))),
      failure ? [el("h2", { class: "bad" }, "The last reload failed; the configuration before it serves on"), el("pre", {}, failure)] : null,
      el("h2", {}, "Daemon"),
      table("Daemon", [status], [
        ["Version", s => s.version], ["Up", s => Math.round(s.uptime_s / 60) + " min"], ["Threads", s => s.threads, "n"],
        ["Configuration", s => s.configuration.path], ["Generation", s => s.configuration.generation, "n"],
        ["Workers before", s => s.workers_before, "n"]]),
      el("h2", {}, "Listeners"),
      table("Listeners", status.listeners, [["Address", l => l.address], ["TLS", l => l.tls ? "yes" : "no"]]),
      el("p", { class: "soft" }, "Also here: ", el("a", { href: "/api/v1/openapi.json" }, "OpenAPI"), ", ", el("a", { href: "/metrics" }, "metrics"), "."),
    ];
  } },

  sites: { title: "Sites", again: true, async show() {
    const sites = await ask("sites");
    return [el("h2", {}, "Sites"), table("Sites", sites, [
      ["Names", s => s.names.join(", ")], ["TLS", s => s.tls],
      ["Routes", s => el("details", {}, el("summary", {}, s.routes.length + " routes"), el("ul", {}, s.routes.map(r =>
        el("li", {}, el("code", {}, r.path), " " + r.content + (r.cache ? ", cached" : "") + (r.waf ? ", waf " + r.waf : "") + (r.auth ? ", asks who" : "")))))],
      ["2xx", s => s.requests["2xx"], "n"], ["4xx", s => s.requests["4xx"], "n"],
      ["5xx", s => el("span", { class: s.requests["5xx"] ? "bad" : "" }, s.requests["5xx"]), "n"],
      ["WAF denied", s => s.waf.denied, "n"], ["would deny", s => s.waf.detected, "n"]])];
  } },

  pools: { title: "Pools", again: true, async show() {
    const pools = await ask("pools");
    if (!pools.length) return el("p", { class: "soft" }, "no pools");
    return pools.map(pool => [
      el("h2", {}, pool.name + " ", el("span", { class: pool.up ? "good" : "bad" }, pool.up ? "up" : "down"), pool.breaker ? " breaker " + pool.breaker : ""),
      table(pool.name, pool.servers, [
        ["Server", s => el("code", {}, s.address)],
        ["State", s => el("span", { class: s.draining ? "warn" : s.state === "healthy" || s.state === "up" ? "good" : s.state === "down" ? "bad" : "warn" },
          s.state + (s.draining && !s.state.includes("drain") ? ", draining" : ""))],
        ["Weight", s => s.weight, "n"], ["In flight", s => s.in_flight, "n"], ["Answered", s => s.answered, "n"], ["Failed", s => s.failed, "n"],
        ["", s => {
          const at = "pools/" + encodeURIComponent(pool.name) + "/servers/" + encodeURIComponent(s.address) + "/";
          const drained = s.draining;
          return el("span", { class: "row" }, act(drained ? "Undrain" : "Drain", () => post(at + (drained ? "undrain" : "drain"))), pool.checked ? act("Check", () => post(at + "check")) : null);
        }],
        ["Last check", s => s.check_failure ? el("span", { class: "bad" }, s.check_failure) : pool.checked ? "fine" : null]])]);
  } },

  certificates: { title: "Certificates", again: false, async show() {
    const all = await ask("certs");
    const parts = [el("h2", {}, "Certificates"), table("Certificates", all, [
      ["Site", c => c.site || c.name], ["Source", c => c.source], ["Names", c => (c.names || []).join(", ")],
      ["Good until", c => c.not_after_unix_s ? new Date(c.not_after_unix_s * 1000).toLocaleString() : c.not_after],
      ["", c => {
        const name = (c.names || [c.site || c.name])[0];
        return el("span", { class: "row" },
          el("button", { type: "button", onclick: () => timeline(name) }, "Timeline"),
          c.source === "acme" ? act("Renew", () => post("certs/" + encodeURIComponent(name) + "/renew"), "Ask for a new certificate of " + name + "?") : null);
      }]], "no certificates: every site is plain"), el("div", { id: "timeline", "aria-live": "polite" })];
    return parts;
  } },

  cache: { title: "Cache", again: false, async show() {
    const [status, objects] = await Promise.all([ask("status"), ask("cache/objects?limit=100").catch(() => ({ objects: [] }))]);
    const what = el("select", { id: "what" }, ["url", "prefix", "tag", "site"].map(w => el("option", {}, w)));
    const value = el("input", { id: "value", size: 40, placeholder: "https://shop.test/assets/app.css" });
    const soft = el("input", { id: "soft", type: "checkbox" });
    return [el("h2", {}, "Caches"), table("Caches", status.caches, [
      ["Name", c => c.name], ["Objects", c => c.objects, "n"], ["Held", c => bytes(c.bytes) + " of " + bytes(c.memory_bytes), "n"],
      ["Hits", c => c.hits, "n"], ["Stale", c => c.stale, "n"], ["Misses", c => c.misses, "n"], ["Evicted", c => c.evictions, "n"],
      ["Disk", c => c.disk ? bytes(c.disk.bytes) + " of " + bytes(c.disk.size) : "none"]], "no cache is configured"),
      el("h2", {}, "Purge"),
      el("form", { class: "row", onsubmit: async event => {
        event.preventDefault();
        try {
          const done = await post("cache/purge", { [what.value]: value.value, ...(soft.checked ? { soft: true } : {}) });
          say(done.removed === false ? "nothing was stored for it" : "purged");
        } catch (error) { say(error.message, true); }
      } }, el("label", {}, "What", what), el("label", {}, "Value", value), el("label", {}, "Stale only", soft), el("button", { class: "main" }, "Purge")),
      el("h2", {}, "Objects in memory"),
      table("Objects", objects.objects || [], [
        ["URL", o => el("code", {}, o.url)], ["Status", o => o.status, "n"], ["Bytes", o => o.bytes, "n"], ["TTL", o => o.ttl_s, "n"],
        ["Age", o => o.age_s, "n"], ["Hits", o => o.hits, "n"], ["Cache", o => o.cache]], "nothing is cached yet")];
  } },

  waf: { title: "WAF", again: true, async show() {
    const { events } = await ask("waf/events?limit=100");
    return [el("h2", {}, "Refused, or would have been"), table("WAF events", events, [
      ["When", e => when(e.time_ms)], ["", e => el("span", { class: e.action === "denied" ? "bad" : "warn" }, e.action)],
      ["Client", e => e.client], ["Site", e => e.site], ["Request", e => el("code", {}, e.method + " " + e.path)], ["Score", e => e.score, "n"],
      ["Rules", e => el("details", {}, el("summary", {}, e.matches.length + " rules"), el("ul", {}, e.matches.map(m =>
        el("li", {}, el("b", {}, m.rule), " " + m.message + " at ", el("code", {}, m.variable), m.value ? [": ", el("code", {}, m.value)] : ""))), el("span", { class: "soft" }, "request id " + e.id))]],
      "nothing was refused since the daemon started")];
  } },

  config: { title: "Configuration", again: false, async show() {
    const [config, revisions] = await Promise.all([ask("config"), ask("config/revisions").catch(() => [])]);
    const text = el("textarea", { spellcheck: "false", "aria-label": "the configuration", id: "yaml" });
    text.value = config.text;
    const out = el("div", { id: "found", "aria-live": "polite" });
    const confirmed = el("input", { type: "checkbox", checked: true });
    const send = async (dry) => {
      const query = dry ? "?dry_run=true" : confirmed.checked ? "?confirm=120s" : "";
      try {
        const done = await ask("config" + query, { method: "PUT", body: text.value, headers: { "If-Match": '"' + config.hash + '"' } });
        out.replaceChildren(el("h2", { class: "good" }, dry ? "This would change" : "Live since now"), changes(done.changes), warnings(done.warnings));
        if (!dry) show();
      } catch (error) {
        out.replaceChildren(el("h2", { class: "bad" }, error.message), error.problem && error.problem.rendered ? el("pre", {}, error.problem.rendered) : "");
        const first = error.problem && (error.problem.diagnostics || []).find(d => d.line);
        if (first) select(text, first);
      }
    };
    return [
      config.pending ? el("div", { class: "row", role: "alert" }, el("span", { class: "warn" }, "A configuration waits: what was there comes back at " + new Date(config.pending.until_ms).toLocaleTimeString() + "."),
        act("Keep it", () => post("config/confirm").then(show)), act("Take it back", () => post("config/revert").then(show))) : null,
      el("h2", {}, config.path), text,
      el("div", { class: "row" }, el("button", { type: "button", onclick: () => send(true) }, "Check and compare"),
        el("button", { type: "button", class: "main", onclick: () => send(false) }, "Go over to it"),
        el("label", {}, "Take it back after 2 minutes unless confirmed", confirmed)),
      out,
      el("h2", {}, "Revisions"), table("Revisions", revisions, [
        ["", r => r.revision, "n"], ["Since", r => new Date(r.at).toLocaleString()], ["By", r => r.actor], ["", r => r.live ? "live" : act("Roll back", () => post("config/rollback", { revision: r.revision }).then(show), "Go back to revision " + r.revision + "?")]], "none kept")];
  } },

  tail: { title: "Live", again: false, async show() {
    const rows = el("tbody", {});
    const site = el("input", { placeholder: "shop.test" }), status = el("input", { placeholder: "5xx", size: 6 });
    const start = () => watch(rows, site.value, status.value);
    start();
    return [el("h2", {}, "Requests as they end"),
      el("form", { class: "row", onsubmit: event => { event.preventDefault(); start(); } }, el("label", {}, "Site", site), el("label", {}, "Status", status), el("button", {}, "Filter")),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "requests" }, el("table", { id: "tail" },
        el("thead", {}, el("tr", {}, ["When", "Client", "Status", "ms", "Request", "Decisions"].map(t => el("th", { scope: "col" }, t)))), rows))];
  } },

  audit: { title: "Audit", again: false, async show() {
    const log = await ask("audit?limit=200");
    return [el("h2", {}, "Who changed what"), el("p", { class: "soft" }, log.lines + " lines; the chain ends with ", el("code", {}, log.hash)),
      table("Audit log", log.entries, [["When", e => new Date(e.at).toLocaleString()], ["Who", e => e.actor], ["", e => e.status || e.phase], ["What", e => el("code", {}, e.action)], ["", e => e.detail]], "nothing was changed yet")];
  } },
};

function changes(list) {
  if (!list || !list.length) return el("p", { class: "soft" }, "nothing changes");
  return table("Changes", list, [["", c => c.kind], ["What", c => el("code", {}, c.path)], ["From", c => c.from], ["To", c => c.to], ["Line", c => c.line, "n"]]);
}

function warnings(list) {
  return list && list.length ? el("ul", {}, list.map(w => el("li", { class: "warn" }, (w.line ? "line " + w.line + ": " : "") + w.message))) : "";
}

function select(area, at) {
  const lines = area.value.split("\n");
  let from = 0;
  for (let i = 0; i < at.line - 1 && i < lines.length; i++) from += lines[i].length + 1;
  area.focus();
  area.setSelectionRange(from + at.column - 1, from + Math.max(at.column, (at.end_column || at.column + 1) - 1));
}

async function timeline(name) {
  const place = document.getElementById("timeline");
  try {
    const one = await ask("certs/" + encodeURIComponent(name));
    const steps = one.timeline || [];
    place.replaceChildren(el("h2", {}, name), steps.length
      ? el("ol", { class: "timeline" }, steps.map(s => el("li", {}, (s.at_unix_s ? new Date(s.at_unix_s * 1000).toLocaleString() + " " : "") + (s.text || s.what || s.event || JSON.stringify(s)))))
      : el("p", { class: "soft" }, "no steps: this one is not of a CA"));
  } catch (error) { place.replaceChildren(el("p", { class: "bad" }, error.message)); }
}

// ---- the live tail, by fetch: an EventSource sends no Authorization

async function watch(rows, site, status) {
  if (stream) stream.abort();
  const mine = stream = new AbortController();
  const query = new URLSearchParams();
  if (site) query.set("site", site);
  if (status) query.set("status", status);
  rows.replaceChildren();
  try {
    const answer = await ask("tail?" + query, { raw: true, signal: mine.signal });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      held += value;
      const events = held.split("\n\n");
      held = events.pop();
      for (const event of events) {
        const data = event.split("\n").find(l => l.startsWith("data: "));
        if (data && !event.startsWith("event: missed")) rows.prepend(request(JSON.parse(data.slice(6))));
      }
      while (rows.rows.length > 200) rows.lastElementChild.remove();
    }
  } catch (error) { if (error.name !== "AbortError") say(error.message, true); }
}

function request(r) {
  const decision = t => t.step === "upstream" ? t.result + " " + t.status
    : t.step + " " + t.result + (t.why ? ": " + t.why : "") + (t.rule ? " by " + t.rule + ", score " + t.score : "");
  const decisions = r.trace.filter(t => t.step !== "head" || t.why || t.ms).map(t => decision(t) + (t.ms ? " in " + t.ms + " ms" : "")).join(" › ");
  const kind = r.status >= 500 ? "bad" : r.status >= 400 ? "warn" : "good";
  const asked = r.method ? r.method + " " + r.host + r.target : "–";
  return el("tr", {}, el("td", { "data-title": "When" }, when(r.at_ms)), el("td", { "data-title": "Client" }, r.client),
    el("td", { "data-title": "Status", class: kind }, r.status), el("td", { "data-title": "ms", class: "n" }, r.ms),
    el("td", { "data-title": "Request" }, el("code", {}, asked)), el("td", { "data-title": "Decisions", class: "soft" }, decisions));
}

// ---- going about

const named = () => location.hash.slice(1) in views ? location.hash.slice(1) : "overview";

async function show() {
  const name = named(), mine = ++shown;
  clearTimeout(timer);
  if (stream) { stream.abort(); stream = null; }
  for (const a of document.querySelectorAll("#tabs a")) {
    if (a.hash === "#" + name) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
  }
  document.title = views[name].title + " · Seawall";
  await draw(name, mine);
}

async function draw(name, mine) {
  try {
    const nodes = [await views[name].show()].flat(Infinity).filter(n => n != null);
    if (mine !== shown) return;
    // What a person has in hand is not drawn anew under it.
    const busy = view.contains(document.activeElement) && document.activeElement !== view && view.querySelector("details[open], :focus");
    if (!busy || !view.childElementCount) view.replaceChildren(...nodes);
    say("as of " + new Date().toLocaleTimeString());
  } catch (error) {
    if (mine !== shown) return;
    if (!view.childElementCount) view.replaceChildren(el("p", { class: "bad" }, error.message));
    say("the daemon does not answer (" + error.message + ")", true);
  }
  if (views[name].again) timer = setTimeout(() => draw(name, mine), 2000);
}

function refresh() {
  if (document.activeElement) document.activeElement.blur();
  draw(named(), shown);
}

document.getElementById("tabs").append(...Object.entries(views).map(([name, v]) => el("li", {}, el("a", { href: "#" + name }, v.title))));
addEventListener("hashchange", () => { view.replaceChildren(); show(); view.focus(); });
show();
