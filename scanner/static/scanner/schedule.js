// What is written into the fields of a schedule is read aloud beside them, with the next times that
// it brings. The server tells; here it is only asked, and shown.
"use strict";

(() => {
    const PAUSE = 300; // milliseconds without a key

    function follow(preview) {
        const { schedulePreview: url, of, away } = preview.dataset;
        const fields = new Map();
        for (const name of ["schedule", "time_zone", "grace_minutes"]) {
            const field = document.getElementById(preview.getAttribute(`data-${name}`));
            if (field) fields.set(name, field);
        }
        let timer, asking;

        async function ask() {
            asking?.abort();
            asking = new AbortController();
            const query = new URLSearchParams({ of });
            for (const [name, field] of fields) query.set(name, field.value);
            try {
                const headers = { Accept: "application/json" };
                const response = await fetch(`${url}?${query}`, { headers, signal: asking.signal });
                if (response.ok && !response.redirected) show(preview, await response.json());
                else show(preview, { errors: [away] });
            } catch (error) {
                if (error.name !== "AbortError") show(preview, { errors: [away] });
            }
        }

        for (const field of fields.values()) {
            field.addEventListener("input", () => {
                clearTimeout(timer);
                timer = setTimeout(ask, PAUSE);
            });
        }
    }

    function show(preview, { reading = "", errors = [], heads = [], rows = [], notes = [] }) {
        const said = preview.querySelector(".bm-preview-reading");
        said.replaceChildren(reading, ...errors.map((error) => element("span", error, "bm-preview-error")));
        const columns = heads.map((head) => element("th", head));
        for (const column of columns) column.scope = "col";
        preview.querySelector("thead tr").replaceChildren(...columns);
        preview.querySelector("tbody").replaceChildren(...rows.map(row));
        preview.querySelector("ul").replaceChildren(...notes.map((note) => element("li", note)));
    }

    function row(cells) {
        const made = document.createElement("tr");
        made.append(...cells.map((cell) => element("td", cell)));
        return made;
    }

    function element(name, text, className = "") {
        const made = document.createElement(name);
        made.textContent = text;
        if (className) made.className = className;
        return made;
    }

    // A box that has no name in the form checks or clears those that it stands for, and tells
    // whether all of them are checked, or some.
    function checkAll(box) {
        const boxes = document.getElementsByName(box.dataset.checkAll);
        const group = box.getAttribute("value"); // `box.value` of one without a value is "on"
        const own = [...boxes].filter((one) => group === null || one.dataset.group === group);
        box.closest("[hidden]")?.removeAttribute("hidden");
        function tell() {
            const checked = own.filter((one) => one.checked).length;
            box.checked = checked > 0 && checked === own.length;
            box.indeterminate = checked > 0 && checked < own.length;
        }
        box.addEventListener("change", () => {
            for (const one of own) one.checked = box.checked;
        });
        box.form.addEventListener("change", tell);
        tell();
    }

    document.addEventListener("DOMContentLoaded", () => {
        document.querySelectorAll("[data-schedule-preview]").forEach(follow);
        document.querySelectorAll("[data-check-all]").forEach(checkAll);
    });
})();
