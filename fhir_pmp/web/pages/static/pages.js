// The pages work without this file. It adds the components of the design system and a warning before the session ends.
import { initAll } from "./nhsuk/nhsuk-frontend.min.js";

const WARN_SECONDS = 120;
const EXTEND_INTERVAL = 60_000; // milliseconds: typing extends the session at most this often
const KEY = "logged-in-until"; // shared by all windows: a click in one extends the session in all

function watchIdleness(body) {
  const idle = document.getElementById("idle");
  const left = document.getElementById("idle-left");
  let extendedAt = Date.now();

  const until = () => Number(localStorage.getItem(KEY));
  const prolong = (seconds) => localStorage.setItem(KEY, String(Date.now() + seconds * 1000));

  async function stay() {
    extendedAt = Date.now();
    const answer = await fetch(body.dataset.stay, { redirect: "manual" }).catch(() => null);
    if (answer && answer.status === 200) prolong(Number(await answer.text()));
  }

  function updateWarning() {
    const remaining = Math.ceil((until() - Date.now()) / 1000);
    if (remaining <= 0) {
      window.location.replace(body.dataset.ended);
      return;
    }
    if (remaining <= WARN_SECONDS && idle.hidden) {
      idle.hidden = false;
      document.getElementById("idle-stay").focus();
    } else if (remaining > WARN_SECONDS) {
      idle.hidden = true;
    }
    // Changes every twenty seconds only, so that a screen reader is not interrupted by a countdown.
    const shown = Math.ceil(remaining / 20) * 20;
    left.textContent = shown >= 120 ? "two minutes" : `${shown} seconds`;
  }

  document.addEventListener("input", () => {
    if (Date.now() - extendedAt > EXTEND_INTERVAL) stay();
  });
  document.getElementById("idle-stay").addEventListener("click", async () => {
    await stay();
    updateWarning();
    document.getElementById("maincontent").focus();
  });
  prolong(Number(body.dataset.seconds));
  setInterval(updateWarning, 1000);
}

initAll();
if (document.body.dataset.seconds) watchIdleness(document.body);
