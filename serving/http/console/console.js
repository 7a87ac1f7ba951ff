// Keys for the console's pages. Every page works without it: it presses what is there to be pressed.
"use strict";

const dialog = document.getElementById("keys");
const opener = document.getElementById("keys-open");
const steps = [...document.querySelectorAll(".step")];
let at = -1;
let leader = -Infinity; // when "g" was pressed

function typing(target) {
  return target.closest("input, select, textarea, [contenteditable], dialog") !== null;
}

function showKeys() {
  if (dialog && !dialog.open) dialog.showModal();
}

/** Put the frame around the next or the last job or row, and the focus on what opens it. */
function step(by) {
  if (!steps.length) return;
  if (at >= 0) steps[at].classList.remove("at");
  at = Math.min(Math.max(at + by, 0), steps.length - 1);
  steps[at].classList.add("at");
  steps[at].scrollIntoView({ block: "nearest" });
  const link = steps[at].querySelector("a[href]");
  if (link) link.focus({ preventScroll: true });
}

/** Press the button or follow the link that a key stands for, of the framed job first. */
function press(key) {
  const scope = at >= 0 ? steps[at] : document;
  const found = scope.querySelector(`main [data-key="${key}"], .step [data-key="${key}"]`)
    || document.querySelector(`main [data-key="${key}"]`);
  if (found) found.click();
  return Boolean(found);
}

function grade(key) {
  const form = document.querySelector("form[data-grade]");
  const button = form && form.querySelector(`button[name="grade"][value="${key}"]`);
  if (!button || button.disabled) return false;
  if (form.reportValidity()) button.click();
  return true;
}

function goTo(key) {
  const room = document.querySelector(`.rooms a[data-key="${key}"]`);
  if (room) room.click();
  return Boolean(room);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey) {
    const form = event.key === "Enter" && event.target.form;
    if (form && event.target.matches("textarea")) form.requestSubmit();
    return;
  }
  if (event.altKey || typing(event.target)) {
    if (event.key === "Escape" && typing(event.target)) event.target.blur();
    return;
  }
  const led = event.timeStamp - leader < 1500;
  leader = -Infinity;
  let done = true;
  if (led && /^[a-z]$/.test(event.key)) done = goTo(event.key);
  else if (event.key === "g") leader = event.timeStamp;
  else if (event.key === "?") showKeys();
  else if (event.key === "/") (document.querySelector("main input:not([type=hidden]), main textarea") || document.body).focus();
  else if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (/^[0-4]$/.test(event.key)) done = grade(event.key);
  else if (/^[wmn]$/.test(event.key)) done = press(event.key);
  else done = false;
  if (done) event.preventDefault();
});

if (opener && dialog) {
  opener.hidden = false;
  opener.addEventListener("click", showKeys);
}

// A form that was sent is not sent twice: a second press while the answer is on its way does nothing.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    const file = event.submitter && event.submitter.formAction.endsWith("/file");
    if (form.dataset.sent && !file) event.preventDefault();
    else if (!file) form.dataset.sent = "1";
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

const current = document.querySelector(".rooms a[aria-current]");
if (current) current.scrollIntoView({ block: "nearest", inline: "center" });
