// Renews the parts of the board that the server writes: the focus stays in them, and what somebody
// looks at stays where it is in the window.
"use strict";

(() => {
    const board = (globalThis.bmBoard ??= {});
    const RESTS = 30_000; // milliseconds after which a hand that does nothing, or a focus, only rests
    const PARTS = "[data-board-live][id]";
    const TOKEN = "[name=csrfmiddlewaretoken]";
    const find = (id) => document.getElementById(id);

    let acted = -RESTS;
    let asked = 0;
    let pushed = 0; // how far the page is scrolled by this script alone

    for (const kind of ["pointermove", "pointerdown", "wheel", "keydown", "focusin"]) {
        addEventListener(kind, () => (acted = performance.now()), { passive: true });
    }

    const isAtWork = () => performance.now() - acted < RESTS;

    board.renew = async () => {
        if (!document.querySelector(PARTS)) return;
        const question = ++asked;
        let text;
        try {
            const response = await fetch(location.href, { headers: { Accept: "text/html" } });
            if (response.redirected || !response.ok) return;
            text = await response.text();
        } catch {
            return; // the server is away, which the matrix says already
        }
        if (question === asked) show(new DOMParser().parseFromString(text, "text/html"));
    };

    function show(page) {
        inPlace(() => {
            for (const part of document.querySelectorAll(PARTS)) {
                const fresh = page.getElementById(part.id);
                if (fresh) replace(part, fresh);
            }
        });
    }

    function replace(part, fresh) {
        // The token is another one each time, and the old one ends with a login elsewhere.
        const token = fresh.querySelector(TOKEN);
        for (const one of part.querySelectorAll(TOKEN)) if (token) one.value = token.value;
        if (isUsed(part) || part.innerHTML === fresh.innerHTML) return;
        const focused = part.contains(document.activeElement) ? document.activeElement : null;
        part.replaceWith(fresh);
        if (focused) refocus(fresh, focused);
    }

    // What somebody is about to press or fill in is not taken away from under them.
    function isUsed(part) {
        if (part.matches(":active")) return true;
        if (part.querySelector("details[open], :is(input, select, textarea):focus")) return true;
        return isAtWork() && part.querySelector("form:hover") !== null;
    }

    // Focus what is the same as what had the focus. Never another button: it does something else.
    function refocus(part, focused) {
        const same = [...part.querySelectorAll(focused.localName)].find(
            (one) => nameOf(one) === nameOf(focused),
        );
        if (!same) part.tabIndex = -1;
        (same ?? part).focus({ preventScroll: true });
    }

    const nameOf = (one) =>
        [one.id, one.getAttribute("href"), one.closest("form")?.getAttribute("action")].join(" ");

    // Make a change, and have what is looked at keep its place in the window.
    function inPlace(change) {
        const wasAtTop = scrollY === pushed;
        const kept = lookedAt(wasAtTop);
        const top = () => find(kept).getBoundingClientRect().top;
        const before = kept && top();
        change();
        makeRoom(0);
        const to = kept ? scrollY + top() - before : wasAtTop ? 0 : scrollY;
        if (kept) makeRoom(to);
        if (to !== scrollY) scrollTo({ top: to, behavior: "instant" });
        pushed = wasAtTop ? scrollY : 0;
    }

    // Give the id of the matrix while somebody is at work there, else of the first thing that is seen
    // of a page that somebody scrolled, else nothing.
    function lookedAt(isAtTop) {
        const matrix = find("bm-board");
        if (isAtWork() && matrix?.matches(":hover, :focus-within")) return matrix.id;
        if (isAtTop) return null;
        const parts = [...document.querySelectorAll(`${PARTS}, #bm-board`)];
        return (parts.find((one) => one.getBoundingClientRect().top >= 0) ?? matrix)?.id;
    }

    // Have the page be long enough to be scrolled so far: below its end, or above the matrix, which
    // else would move up where less stands above it.
    function makeRoom(to) {
        const matrix = find("bm-board");
        find("page").style.minHeight = to > 0 ? `${to + innerHeight}px` : "";
        if (matrix) matrix.style.marginTop = to < 0 ? `calc(1.5rem - ${to}px)` : "";
    }
})();
