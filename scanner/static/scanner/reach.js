// Lets keys reach what unfold lets only a mouse reach, and gives names to its bare icons. An icon is
// a word in a font that draws it ("dock_to_right"): screen readers are not to read that out.
"use strict";

(() => {
    const ICON = ".material-symbols-outlined";
    const REACHED = "a[href], button, [role=button]";
    const words = document.getElementById("bm-icon-words").dataset;

    const named = (name, what) => words.named.replace("{name}", () => name).replace("{words}", () => what);
    const iconIn = (element) => (element.matches(ICON) ? element : element.querySelector(ICON));

    // The last of what is written there, apart from icons: before a user's name stands their letter.
    function writtenIn(element) {
        const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
        let last = "";
        while (texts.nextNode()) {
            const text = texts.currentNode.data.trim();
            if (text && !texts.currentNode.parentElement.closest(ICON)) last = text;
        }
        return last;
    }

    function press(event) {
        if (event.target !== event.currentTarget || !["Enter", " "].includes(event.key)) return;
        event.preventDefault();
        event.currentTarget.click();
        const menu = event.currentTarget.previousElementSibling;
        // What opens is shown a little later.
        if (menu?.matches("nav")) setTimeout(() => menu.querySelector(REACHED)?.focus(), 100);
    }

    function reach() {
        for (const element of document.querySelectorAll("[x-on\\:click]")) {
            if (element.matches(REACHED) || element.querySelector(REACHED)) continue;
            const word = words[iconIn(element)?.textContent.trim()];
            const written = writtenIn(element);
            if (!word && !written) continue;
            element.setAttribute("role", "button");
            element.tabIndex = 0;
            if (word) element.setAttribute("aria-label", written ? named(word, written) : word);
            element.addEventListener("keydown", press);
        }
        for (const element of document.querySelectorAll("a, button")) {
            const word = element.title || words[iconIn(element)?.textContent.trim()];
            if (!word || element.hasAttribute("aria-label") || writtenIn(element)) continue;
            element.setAttribute("aria-label", word);
        }
        for (const icon of document.querySelectorAll(`${ICON}:not([role])`)) {
            const around = icon.closest(REACHED);
            if (around && !around.hasAttribute("aria-label") && !writtenIn(around)) continue;
            icon.setAttribute("aria-hidden", "true");
            const mark = icon.parentElement;
            if (around || !mark.title || writtenIn(mark)) continue;
            mark.setAttribute("role", "img");
            mark.setAttribute("aria-label", mark.title);
        }
    }

    // Some icons are chosen by scripts as the page loads.
    addEventListener("load", reach);
})();
