// Gives the wall display the theme of the device where its address names none, before it is painted.
"use strict";

(() => {
    if (document.documentElement.dataset.theme !== "auto") return;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const follow = () => document.documentElement.classList.toggle("dark", dark.matches);
    dark.addEventListener("change", follow);
    follow();
})();
