// Keeps the wall display up to date, and has it say so, loudly, when it could not be for a while: an
// old display must never look like one on which all is well.
"use strict";

(() => {
    const PATIENCE = 20_000; // milliseconds for an answer
    const TICK = 5_000;
    const wall = document.getElementById("wall");
    const old = document.getElementById("wall-old");
    const every = Number(wall.dataset.every) * 1000;
    const stale = Number(wall.dataset.stale) * 1000;
    const shown = new Map();
    let refreshed = now();

    // Two clocks: one may be set, and the other may stand still while the device sleeps.
    function now() {
        return { date: Date.now(), run: performance.now() };
    }

    function age() {
        return Math.max(Date.now() - refreshed.date, performance.now() - refreshed.run);
    }

    // The matrix fetches its own data, and says so when it could not.
    function matrixIsFresh() {
        const grid = document.getElementById("bm-board-grid");
        const said = document.getElementById("bm-board-said");
        return grid.getAttribute("aria-busy") === "false" && !said.textContent.trim();
    }

    async function look() {
        try {
            const response = await fetch(wall.dataset.url, {
                headers: { Accept: "application/json" },
                cache: "no-store",
                redirect: "error",
                signal: AbortSignal.timeout(PATIENCE),
            });
            const answer = await response.json();
            if (response.status === 403 && answer.title) {
                location.reload(); // the pass is revoked, or nobody is logged in: the page says which
                return;
            }
            if (response.ok) {
                show(answer.parts);
                if (matrixIsFresh()) refreshed = now();
            }
        } catch {
            // The server is away, or what answers is not it: look again.
        }
        tell();
        setTimeout(look, every);
    }

    function show(parts) {
        for (const place of wall.querySelectorAll("[data-part]")) {
            const fresh = parts[place.dataset.part];
            if (fresh === undefined || fresh === shown.get(place)) continue;
            shown.set(place, fresh);
            const scrolled = place.querySelector(".wall-list")?.scrollTop ?? 0;
            const focused = place.contains(document.activeElement) ? document.activeElement : null;
            place.innerHTML = fresh;
            const list = place.querySelector(".wall-list");
            if (list) list.scrollTop = scrolled;
            if (focused) refocus(place, focused);
        }
    }

    function refocus(place, focused) {
        const href = focused.getAttribute("href");
        const same = href
            ? place.querySelector(`a[href="${CSS.escape(href)}"]`)
            : place.querySelector(".wall-list");
        same?.focus({ preventScroll: true });
    }

    function tell() {
        const isOld = age() > stale;
        document.body.classList.toggle("wall-is-old", isOld);
        if (isOld !== old.hidden) return;
        const at = new Date(refreshed.date).toLocaleTimeString(document.documentElement.lang);
        old.textContent = isOld ? old.dataset.words.replace("%s", at) : "";
        old.hidden = !isOld;
    }

    // In another language or theme, the same view, however the link is followed.
    for (const link of document.querySelectorAll(".wall-choice a")) {
        for (const way of ["click", "auxclick", "contextmenu"]) {
            link.addEventListener(way, () => {
                link.hash = location.hash;
            });
        }
    }

    old.hidden = true; // it says that this script did not start
    setTimeout(look, every);
    setInterval(tell, TICK);
    // A page that the browser kept, or a display that was switched off, is old at once.
    addEventListener("pageshow", (event) => event.persisted && location.reload());
    document.addEventListener("visibilitychange", tell);
})();
