// Acknowledging an incident on the board, or another language, loads it anew. It then shows what it
// showed: the view, for a browser that is sent on keeps the fragment of where it was sent to first;
// and where one was in it.
"use strict";

(() => {
    const board = (globalThis.bmBoard ??= {});
    const WHERE = "bm-board-where";

    // The incidents are replaced by each refresh, the document is not.
    document.addEventListener("submit", ({ target }) => {
        if (!target.closest("#bm-live-incidents, .bm-languages")) return;
        const action = new URL(target.action);
        action.hash = location.hash;
        target.action = action;
        const { scrollLeft, scrollTop } = document.getElementById("bm-board-grid") ?? {};
        sessionStorage.setItem(WHERE, JSON.stringify({ page: scrollY, grid: [scrollLeft, scrollTop] }));
    });

    document.addEventListener("DOMContentLoaded", () => {
        const where = JSON.parse(sessionStorage.getItem(WHERE));
        sessionStorage.removeItem(WHERE);
        if (!where) return;
        scrollTo(0, where.page);
        board.where = where.grid; // its lines are not there yet
    });
})();
