// Gives the widgets of Django's admin that are made by scripts the names that screen readers say.
"use strict";

(() => {
    function name() {
        for (const box of document.querySelectorAll(".select2-selection")) {
            const select = box.closest(".select2-container")?.previousElementSibling;
            const words = select?.labels?.[0]?.textContent.trim();
            if (!words) continue;
            for (const one of [box, box.querySelector(".select2-selection__rendered")]) {
                one?.setAttribute("aria-label", words);
            }
        }
        // A day and a time are two inputs of one field, whose label need not name both.
        for (const input of document.querySelectorAll(".datetime input[placeholder]")) {
            if (!input.labels.length) input.setAttribute("aria-label", input.placeholder);
        }
        for (const tip of document.querySelectorAll(".help-tooltip[aria-label]:not([role])")) {
            tip.setAttribute("role", "img");
        }
    }

    // Those widgets are made when the page has loaded, by other listeners.
    addEventListener("load", () => setTimeout(name));
})();
