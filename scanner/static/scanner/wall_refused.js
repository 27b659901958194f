// Shows the wall display again once it may be seen: when somebody logs in beside it.
"use strict";

(() => {
    const EVERY = 60_000;
    const { url } = document.currentScript.dataset;

    async function look() {
        try {
            const response = await fetch(url, { cache: "no-store", redirect: "manual" });
            if (response.ok) return location.replace(url + location.hash);
        } catch {
            // The server is away: look again.
        }
        setTimeout(look, EVERY);
    }

    setTimeout(look, EVERY);
})();
