// The page of one job: times in the reader's own zone, marks of a chart that lead to their entry, and
// a form that opens when somebody comes for it.
"use strict";

(() => {
    function tellOwnZone() {
        const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
        const head = document.querySelector("[data-own-zone]");
        if (!zone || !head) return;
        const told = [...head.parentElement.cells].map((cell) => cell.textContent.trim());
        if (told.includes(zone)) return;
        head.textContent = zone;
        head.hidden = false;
        const language = document.documentElement.lang || undefined;
        const parts = {
            weekday: "short",
            day: "numeric",
            month: "short",
            hour: "2-digit",
            minute: "2-digit",
            hourCycle: "h23",
        };
        const form = new Intl.DateTimeFormat(language, parts);
        const formWithYear = new Intl.DateTimeFormat(language, { ...parts, year: "numeric" });
        const thisYear = new Date().getFullYear();
        for (const cell of document.querySelectorAll("[data-from]")) {
            const [from, to] = [new Date(cell.dataset.from), new Date(cell.dataset.to)];
            const isThisYear = from.getFullYear() === thisYear && to.getFullYear() === thisYear;
            cell.dataset.label = zone;
            cell.textContent = (isThisYear ? form : formWithYear).formatRange(from, to);
            cell.hidden = false;
        }
    }

    // In a picture no part can be a link for everybody; the table beside it has the links.
    function followMark(event) {
        const mark = event.target.closest("[data-href]");
        if (mark) location.assign(mark.dataset.href);
    }

    function openSettings() {
        const settings = document.getElementById("settings");
        if (!settings) return;
        const wanted = location.hash.slice(1);
        const inside = wanted && document.getElementById(wanted);
        if (inside && settings.contains(inside)) settings.open = true;
        else if ("refused" in settings.dataset && !wanted) settings.scrollIntoView();
    }

    document.addEventListener("DOMContentLoaded", () => {
        tellOwnZone();
        openSettings();
        document.querySelector(".bm-charts")?.addEventListener("click", followMark);
        document.querySelector(".bm-sections")?.addEventListener("click", () => setTimeout(openSettings));
    });
    window.addEventListener("hashchange", openSettings);
})();
