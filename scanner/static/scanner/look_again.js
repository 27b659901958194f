// While something on the page is not done yet, its parts marked data-live are fetched anew. The rest
// of the page, a half-filled form among it, stays as it is.
"use strict";

(() => {
    const SECONDS = 2;

    function waitAndLook() {
        if (document.querySelector('[data-live="pending"]')) setTimeout(look, SECONDS * 1000);
    }

    async function look() {
        try {
            const response = await fetch(location.href, { headers: { Accept: "text/html" } });
            if (response.redirected) return; // logged out: whoever reloads the page sees it
            if (response.ok) show(await response.text());
        } catch {
            // The server is away: look again.
        }
        waitAndLook();
    }

    function show(text) {
        const page = new DOMParser().parseFromString(text, "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
            const fresh = page.getElementById(part.id);
            // What somebody is about to press or follow is not taken away from under them.
            if (fresh && !part.contains(document.activeElement)) part.replaceWith(fresh);
        }
    }

    document.addEventListener("DOMContentLoaded", waitAndLook);
})();
