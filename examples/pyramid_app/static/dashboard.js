"use strict";

const left = document.querySelector("#left");
const bar = document.querySelector("#bar");
const refreshes = document.querySelector("#refreshes");
const log = document.querySelector("#log");
const buttons = document.querySelectorAll("[data-requests]");
let endsAt = performance.now() + 1000 * Number(left.dataset.seconds);

function countDown() {
  const seconds = Math.max(0, (endsAt - performance.now()) / 1000);
  left.textContent = Math.ceil(seconds);
  bar.value = seconds;
}

function say(text) {
  const line = document.createElement("li");
  line.textContent = text;
  log.prepend(line);
}

async function ask(times) {
  const before = Number(refreshes.textContent);
  const began = performance.now();
  const one = () => fetch("/api/me", { headers: { Accept: "application/json" }, cache: "no-store" });
  const answers = await Promise.all(Array.from({ length: times }, one));
  const took = Math.round(performance.now() - began);
  const good = answers.filter((answer) => answer.ok);
  if (good.length === 0 && answers.some((answer) => answer.status === 401)) {
    location.assign("/login?next=/dashboard");
    return;
  }
  const all = await Promise.all(good.map((answer) => answer.json()));
  const newest = all.reduce((one, other) => (other.claims.exp > one.claims.exp ? other : one), all[0]);
  if (newest) {
    endsAt = performance.now() + 1000 * newest.seconds_left;
    refreshes.textContent = newest.refreshes ?? "?";
  }
  const workers = new Set(all.map((each) => each.worker)).size;
  const count = newest?.refreshes == null ? "" : `, ${newest.refreshes - before} refreshed`;
  say(`${good.length} of ${times} good${count}, ${took} ms, ${workers} worker${workers === 1 ? "" : "s"}`);
}

async function press(event) {
  buttons.forEach((button) => { button.disabled = true; });
  try {
    await ask(Number(event.currentTarget.dataset.requests));
  } catch {
    say("no answer: is the application running?");
  }
  buttons.forEach((button) => { button.disabled = false; });
}

buttons.forEach((button) => button.addEventListener("click", press));
setInterval(countDown, 200);
countDown();
