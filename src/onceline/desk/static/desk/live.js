// What moves on a page: codes as they arrive, time as it passes, copying, the suggestions under the search field.
//
// The pages work without this. It puts only HTML of our own server into the document, and what the socket says it reads for
// ids alone. It remembers nothing beyond the page: two tabs know nothing of each other.

const POLL_MS = 4000, BEAT_S = 2, SILENCE_MS = 4500, GONE_MS = 20000, GATHER_MS = 30, GAP_MS = 400, CALM_MS = 1000, HIDDEN_MS = 2000, LEAVE_MS = 10000, MANY = 2, SOON_S = 120, DAYS_S = 172800, DRAIN_MS = 2500;
const NOT_ALLOWED = 4401, RESTARTING = 1012, TOO_MANY = 4429;

const byId = (id) => document.getElementById(id);
const told = byId("live-data")?.dataset ?? {};
const csrf = document.querySelector("meta[name=csrf]")?.content ?? "";
const still = matchMedia("(prefers-reduced-motion: reduce)");
const title = document.title;

// Requests ------------------------------------------------------------------------------------------------------------

async function ask(address, options = {}) {
  const headers = { "HX-Request": "true", ...options.headers };
  const answer = await fetch(address, { ...options, headers, redirect: "manual", credentials: "same-origin", signal: AbortSignal.timeout(10000) });
  if (answer.type === "opaqueredirect" || answer.headers.has("HX-Redirect")) { // logged out elsewhere: the log-in page is next
    stop();
    if (!leaving) location.reload();
    throw new Error("logged out");
  }
  return answer;
}

async function part(address, headers = {}) {
  const answer = await ask(address, { headers });
  return { status: answer.status, tag: answer.headers.get("ETag"), page: answer.status === 200 ? parsed(await answer.text()) : null };
}

const parsed = (text) => new DOMParser().parseFromString(text, "text/html");

// Cards ---------------------------------------------------------------------------------------------------------------

let skew = 0;
const now = () => Date.now() + skew;
const cards = (root) => [...root.querySelectorAll("[data-order]")];

function learnTime(card) {
  if (card) skew = Date.parse(card.dataset.now) - Date.now();
}

function put(found) {
  const old = byId(found.id), list = byId("live-list");
  if (old?.dataset.tag === found.dataset.tag || !(old || (list && told.list))) return;
  const fresh = document.importNode(found, true);
  if (old) {
    keepTyped(old, fresh);
    const held = old.contains(document.activeElement) && document.activeElement.closest("a, button, [tabindex], summary");
    const place = held ? [...old.querySelectorAll("a, button, [tabindex], summary")].indexOf(held) : -1;
    old.replaceWith(fresh);
    if (place >= 0) (fresh.querySelectorAll("a, button, [tabindex], summary")[place] ?? fresh.querySelector("a")).focus({ preventScroll: true });
  } else list.prepend(fresh);
  settle(fresh);
  if (+fresh.dataset.codes > +(old?.dataset.codes ?? 0) && fresh.dataset.code) tell(fresh.dataset);
}

function keepTyped(old, fresh) {
  const was = old.querySelector("details"), is = fresh.querySelector("details");
  if (!was?.open || !is) return;
  is.open = true;
  for (const field of was.querySelectorAll("input:not([type=hidden]), textarea")) {
    if (field.value !== field.defaultValue) is.querySelector(`[name="${field.name}"]`).value = field.value;
  }
}

function settle(card) {
  window.htmx?.process(card);
  learnTime(card);
  const list = byId("live-list");
  if (byId("live-empty") && list) byId("live-empty").hidden = list.childElementCount > 0;
  tick();
}

function merge(page) {
  const found = cards(page), ids = new Set(found.map((card) => card.id));
  for (const card of found.reverse()) put(card);
  for (const card of cards(byId("live-list"))) if (!ids.has(card.id)) card.remove();
  learnTime(found[0]);
}

let tag = byId("live-list")?.dataset.tag ?? null;
async function lookAtAll() {
  if (!byId("live-list") || !told.list) return Promise.all(cards(document).map((card) => lookAt(card.dataset.order)));
  const found = await part(told.list, tag ? { "If-None-Match": tag } : {});
  if (!found.page) return;
  tag = found.tag;
  merge(found.page);
}

async function lookAt(id) {
  const found = await part(told.card.replace("/0/", `/${id}/`));
  const card = found.page?.querySelector("[data-order]");
  if (card && (!told.kind || told.kind === card.dataset.kind)) put(card);
}

// News ----------------------------------------------------------------------------------------------------------------

const pause = (ms) => new Promise((over) => { setTimeout(over, ms); });

function paced(look, gap) { // at once after a quiet time; then one after the other, however much happens
  let isDue = false, isLooking = false;
  return async () => {
    isDue = true;
    if (isLooking) return;
    isLooking = true;
    while (isDue) {
      await pause(GATHER_MS);
      isDue = false;
      await look().catch(() => {});
      await pause(document.hidden ? HIDDEN_MS : gap);
    }
    isLooking = false;
  };
}

const changed = new Set();
const soon = [paced(lookAtNews, GAP_MS), paced(lookAtFigures, CALM_MS), paced(refresh, CALM_MS)];
function hear(event) {
  if (event.order) changed.add(String(event.order.id));
  for (const look of soon) look();
}

async function lookAtNews() {
  const ids = [...changed].filter((id) => byId("live-list") || byId(`order-${id}`));
  changed.clear();
  if (ids.length > MANY && byId("live-list") && told.list) return lookAtAll();
  tag = null;
  for (const id of ids) await lookAt(id).catch(() => {});
}

async function lookAtFigures() {
  const answer = await ask(told.figures);
  if (answer.status !== 200) return;
  const figures = await answer.json();
  for (const shown of document.querySelectorAll("[data-figure]")) shown.textContent = figures[shown.dataset.figure];
  const bell = document.querySelector(".bell");
  if (!bell) return;
  bell.setAttribute("aria-label", figures.bell);
  bell.querySelector(".count")?.remove();
  if (figures.unread) bell.append(Object.assign(document.createElement("span"), { className: "count", textContent: figures.unread, ariaHidden: "true" }));
}

async function refresh() { // parts that only the whole page knows
  const parts = [...document.querySelectorAll("[data-refresh]")];
  if (!parts.length) return;
  const page = parsed(await (await ask(location.href, { headers: { "HX-Request": "false" } })).text());
  for (const old of parts) {
    const found = page.getElementById(old.id);
    if (found) old.replaceWith(document.importNode(found, true));
  }
}

function tell({ say, code, service }) {
  announce(say);
  if (!told.sound) return;
  beep();
  if (!document.hasFocus()) document.title = `● ${code} · ${service}`;
}

function announce(text) {
  const place = byId("announcer");
  if (!place) return;
  place.textContent = "";
  setTimeout(() => { place.textContent = text; }, 50);
}

let audio = null;
function beep() {
  try {
    audio ??= new AudioContext();
    [[660, 0], [880, 0.14]].forEach(([pitch, at]) => {
      const tone = audio.createOscillator(), volume = audio.createGain(), start = audio.currentTime + at;
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.12, start);
      volume.gain.exponentialRampToValueAtTime(0.001, start + 0.13);
      tone.connect(volume).connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.14);
    });
  } catch { /* a browser without sound */ }
}

const quiet = () => { document.title = title; };
addEventListener("focus", quiet);

// The socket, and polling while there is none ---------------------------------------------------------------------------

let socket = null, isReady = false, cursor = null, epoch = null, tries = 0, stopped = true, polling = 0, retry = 0, silence = 0;
let leaving = false; // a form leads elsewhere: what ends meanwhile is no news

function show(state) {
  const shown = byId("connection");
  if (!shown || shown.dataset.state === state) return;
  shown.hidden = false;
  shown.dataset.state = state;
  shown.textContent = told[state];
}

function start() {
  stopped = false;
  tries = 0;
  connect();
  polling ||= setInterval(poll, POLL_MS);
}

function stop() {
  stopped = true;
  clearInterval(polling);
  clearTimeout(retry);
  clearTimeout(silence);
  polling = 0;
  drop();
}

function drop() {
  const old = socket;
  socket = null;
  if (old?.readyState === WebSocket.CONNECTING) old.onopen = () => old.close(); // earlier, browsers call it an error
  else old?.close();
}

let isPolling = false;
async function poll() {
  if (stopped || document.hidden || isReady || isPolling) return;
  isPolling = true;
  try {
    await lookAtAll();
    await lookAtFigures();
    if (!isReady) show("polling");
  } catch {
    if (!stopped) show("offline");
  } finally {
    isPolling = false;
  }
}

async function connect() {
  clearTimeout(retry);
  try {
    const answer = await ask(told.ticket, { method: "POST", headers: { "X-CSRFToken": csrf } });
    if (answer.status !== 200) throw new Error("no ticket");
    const { ticket } = await answer.json();
    if (stopped) return;
    const opened = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/live`);
    socket = opened;
    opened.onopen = () => opened.send(JSON.stringify({ type: "auth", ticket, heartbeat_s: BEAT_S, ...(cursor === null ? {} : { after: cursor, epoch }) }));
    opened.onmessage = (message) => opened === socket && read(JSON.parse(message.data));
    opened.onclose = (end) => opened === socket && cut(end.code, end.reason);
    silence = setTimeout(again, GONE_MS);
  } catch {
    cut(0, "");
  }
}

function read(frame) {
  hearken();
  isReady = true; // the first frame is `ready`
  show("live");
  if (frame.type === "ready") {
    tries = 0;
    epoch = frame.epoch;
    if (cursor === null) {
      cursor = frame.seq;
      lookAtAll().catch(() => {}); // what happened between the page and now
    }
  } else if (frame.type === "event") {
    cursor = frame.seq;
    hear(frame.event);
  } else if (frame.type === "resync") {
    ({ seq: cursor, epoch } = frame);
    tag = null;
    lookAtAll().catch(() => {});
    lookAtFigures().catch(() => {});
  } else if (frame.type === "heartbeat" && frame.seq > cursor) {
    again();
  }
}

function hearken() {
  clearTimeout(silence);
  silence = setTimeout(doubt, SILENCE_MS);
}

function doubt() { // two heartbeats are missing: poll meanwhile, for a server that is only slow needs no new sockets
  isReady = false;
  show("polling");
  poll();
  silence = setTimeout(again, GONE_MS);
}

function again() {
  drop();
  cut(0, "");
}

function cut(code, reason) {
  isReady = false;
  clearTimeout(silence);
  clearTimeout(retry);
  if (leaving) retry = setTimeout(cut, LEAVE_MS, code, reason); // unless the form only fetched a file
  if (stopped || leaving) return;
  show(navigator.onLine ? "polling" : "offline");
  setTimeout(poll, 500);
  if (code === NOT_ALLOWED) lookAtFigures().catch(() => {}); // leads to the log-in when the session has ended
  const asked = code === RESTARTING && /reconnect in ([0-9.]+)s/.exec(reason);
  const wait = asked ? +asked[1] * 1000 : Math.min(30000, (code === TOO_MANY ? 15000 : 500) * 2 ** tries) * (0.5 + Math.random());
  tries = Math.min(tries + 1, 7);
  retry = setTimeout(connect, wait);
}

// Time ----------------------------------------------------------------------------------------------------------------

function tick() {
  for (const card of document.querySelectorAll("[data-ends]")) {
    const left = Math.max(0, Math.round((Date.parse(card.dataset.ends) - now()) / 1000)), bar = card.querySelector(".time-line");
    bar.value = left;
    bar.toggleAttribute("data-soon", left <= SOON_S);
    if (left < DAYS_S) card.querySelector("[data-left]").textContent = written(left);
    if (!left && !card.dataset.over) {
      card.dataset.over = "1";
      setTimeout(hear, DRAIN_MS, { order: { id: card.dataset.order } });
    }
  }
  for (const button of document.querySelectorAll("[data-from]")) {
    button.disabled = Date.parse(button.dataset.from) > now();
    if (button.disabled) continue;
    button.textContent = button.dataset.then;
    button.removeAttribute("data-from");
  }
}

function written(seconds) {
  const two = (n) => String(n).padStart(2, "0"), minutes = Math.floor(seconds / 60), hours = Math.floor(minutes / 60);
  return hours ? `${hours}:${two(minutes % 60)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

// Copying -------------------------------------------------------------------------------------------------------------

async function copy(button) {
  const text = button.dataset.copy ?? button.parentElement.querySelector("code")?.textContent ?? "";
  const done = await navigator.clipboard?.writeText(text).then(() => true, () => false) || copyByHand(text, button);
  toast(done ? told.copied : told.copyFailed);
  if (!done) return;
  button.dataset.copied = "";
  setTimeout(() => delete button.dataset.copied, 1500);
}

function copyByHand(text, button) { // without https there is no clipboard
  const field = Object.assign(document.createElement("textarea"), { value: text, className: "visually-hidden", readOnly: true });
  button.after(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  button.focus();
  return done;
}

function toast(text) {
  const shown = Object.assign(document.createElement("div"), { className: "toast" });
  shown.append(Object.assign(document.createElement("span"), { textContent: text }));
  byId("toasts")?.replaceChildren(shown);
  setTimeout(() => shown.remove(), 3000);
}

// Questions before something is lost ------------------------------------------------------------------------------------

document.addEventListener("htmx:confirm", (event) => {
  const form = event.detail.elt, question = form.dataset?.ask && document.querySelector(`[data-question="${form.dataset.ask}"]`);
  const dialog = byId("ask");
  if (!question || !dialog) return;
  event.preventDefault();
  for (const name of ["title", "text", "yes", "no"]) byId(`ask-${name}`).textContent = question.dataset[name];
  dialog.returnValue = "no";
  dialog.onclose = () => {
    if (dialog.returnValue !== "yes") return;
    form.elements.sure.value = "1";
    event.detail.issueRequest(true);
  };
  dialog.showModal();
});

// The search field ------------------------------------------------------------------------------------------------------

const field = byId("q");
const options = () => [...document.querySelectorAll("#suggestions [role=option]")];
const isOpen = () => Boolean(byId("suggestions") && !byId("suggestions").hidden);

function open(opened) {
  const list = byId("suggestions");
  if (list) list.hidden = !opened || !list.childElementCount;
  field.ariaExpanded = String(isOpen());
  if (!isOpen()) field.removeAttribute("aria-activedescendant");
}

function stand(step) {
  const all = options(), at = all.findIndex((one) => one.ariaSelected === "true");
  if (!all.length) return;
  const next = all[at < 0 ? (step > 0 ? 0 : all.length - 1) : (at + step + all.length) % all.length];
  for (const one of all) one.ariaSelected = String(one === next);
  field.setAttribute("aria-activedescendant", next.id);
  next.scrollIntoView({ block: "nearest" });
}

function choose(option) {
  field.value = option.dataset.name;
  byId("chosen").value = option.dataset.service;
  if (option.dataset.country) byId("country").value = option.dataset.country;
  open(false);
  byId("search").requestSubmit();
}

field?.addEventListener("keydown", (event) => {
  const chosen = options().find((one) => one.ariaSelected === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    event.preventDefault();
    if (isOpen()) stand(event.key === "ArrowDown" ? 1 : -1);
    else window.htmx?.trigger(field, "look");
  } else if (event.key === "Enter" && isOpen() && chosen) {
    event.preventDefault();
    choose(chosen);
  } else if (event.key === "Enter") open(false);
  else if (event.key === "Escape" && isOpen()) {
    event.preventDefault();
    open(false);
  }
});
field?.addEventListener("focus", () => field.value || window.htmx?.trigger(field, "look"));
field?.addEventListener("blur", () => setTimeout(open, 150, false));

// Everywhere --------------------------------------------------------------------------------------------------------------

document.addEventListener("mousedown", (event) => event.target.closest("#suggestions") && event.preventDefault());
document.addEventListener("click", (event) => {
  const copied = event.target.closest(".copy"), option = event.target.closest("#suggestions [role=option]");
  if (copied) copy(copied);
  if (option) choose(option);
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && field && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input, textarea, select, dialog")) {
    event.preventDefault();
    field.focus();
    field.select();
  }
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("htmx:afterSwap", (event) => {
  const { target } = event.detail;
  if (byId("suggestions") && document.activeElement === field && event.detail.elt === byId("suggestions")) open(true);
  if (target.id !== "live-list") return learnTime(target.closest("[data-order]"));
  const seen = new Set();
  for (const card of cards(target)) seen.has(card.id) ? card.remove() : seen.add(card.id); // the socket may have been faster
  settle(target.firstElementChild);
  target.firstElementChild.scrollIntoView({ block: "nearest", behavior: still.matches ? "auto" : "smooth" });
});

cards(document).forEach((card, place) => place || learnTime(card));
tick();
setInterval(tick, 1000);
if (told.ticket) {
  start();
  document.addEventListener("submit", (event) => {
    if (event.defaultPrevented || event.target.getAttribute("method") === "dialog") return; // htmx and dialogs stay here
    leaving = true;
    setTimeout(() => { leaving = false; }, LEAVE_MS - 1);
  });
  addEventListener("offline", () => { if (!stopped) again(); });
  addEventListener("online", () => { tries = 0; if (!stopped && !isReady) connect(); });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", (event) => { if (event.persisted) { leaving = false; lookAtAll().catch(() => {}); start(); } });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !stopped && !isReady) poll(); });
}
