// Which agents are to be scanned: filters their list as one types, and takes a choice among them for
// what it is. Without this script everything can be chosen all the same.
"use strict";

(() => {
    const form = document.getElementById("scan-choice");
    const list = form.querySelector(".bm-scan-list");
    if (!list) return;
    const filter = form.querySelector(".bm-scan-filter");
    const none = form.querySelector(".bm-scan-none");

    function narrow() {
        const words = filter.querySelector("input").value.toUpperCase().split(/\s+/);
        let shown = 0;
        for (const line of list.children) {
            const name = line.textContent.toUpperCase();
            line.hidden = !words.every((word) => name.includes(word));
            shown += line.hidden ? 0 : 1;
        }
        none.textContent = shown ? "" : none.dataset.words;
    }

    filter.hidden = false;
    filter.addEventListener("input", narrow);
    filter.addEventListener("keydown", (event) => {
        if (event.key === "Enter") event.preventDefault(); // to filter is not to scan
    });
    list.addEventListener("change", () => {
        const isChosen = list.querySelector(":checked") !== null;
        form.querySelector(`[name="which"][value="${isChosen ? "some" : "all"}"]`).checked = true;
    });
    narrow(); // a browser that comes back to the page fills the fields in again
})();
