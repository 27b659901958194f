// While a scan goes on, what has become of it is asked for each second and shown in place.
"use strict";

(() => {
    const SECOND = 1000;
    const PATIENCE = 5 * SECOND; // while the server is away
    const section = document.getElementById("scan-progress");
    const results = document.getElementById("scan-results");
    let shownResults = null;

    function put(id, words) {
        const element = document.getElementById(id);
        if (element.textContent !== words) element.textContent = words; // read aloud once only
    }

    function show(data) {
        put("scan-headline", data.headline);
        put("scan-explanation", data.explanation);
        put("scan-counted", data.counted);
        const bar = document.getElementById("scan-bar");
        bar.max = data.total ?? 1;
        if (data.done === null) bar.removeAttribute("value");
        else bar.value = data.done;
        // What somebody is about to follow is not taken away from under them, unless it is the last.
        const isHeld = results.contains(document.activeElement) && !data.is_over;
        if (data.results !== shownResults && !isHeld) {
            const page = new DOMParser().parseFromString(data.results, "text/html");
            results.replaceChildren(...page.body.childNodes);
            shownResults = data.results;
        }
        if (data.is_over) {
            section.dataset.over = "yes";
            document.getElementById("scan-again").classList.add("bm-unseen");
        }
    }

    async function look() {
        let wait = SECOND;
        try {
            const response = await fetch(section.dataset.url, { headers: { Accept: "application/json" } });
            if (response.redirected || response.status === 403 || response.status === 404) return;
            if (response.ok) show(await response.json());
            else wait = PATIENCE;
        } catch {
            wait = PATIENCE;
        }
        if (section.dataset.over !== "yes") setTimeout(look, wait);
    }

    if (section.dataset.over !== "yes") setTimeout(look, SECOND);
})();
