// What somebody chose to see, kept in the fragment of the page's address: it can be bookmarked and
// sent to others, and no server refuses it for its length.
"use strict";

(() => {
    const board = (globalThis.bmBoard ??= {});

    // Give the view that the address names. `fold` is "all", "none" or "" (those without problems).
    board.readView = (spans) => {
        const said = new URLSearchParams(location.hash.slice(1));
        const days = Number(said.get("days"));
        const fold = said.get("fold");
        return {
            text: said.get("q") ?? "",
            problems: said.has("problems"),
            days: spans.includes(days) ? days : spans[0],
            fold: fold === "all" || fold === "none" ? fold : "",
            folded: new Set(said.getAll("folded")),
            unfolded: new Set(said.getAll("unfolded")),
        };
    };

    // Put the view into the address. A page that is gone back to shows the same.
    board.writeView = (view, spans) => {
        const said = new URLSearchParams();
        if (view.text) said.set("q", view.text);
        if (view.problems) said.set("problems", "1");
        if (view.days !== spans[0]) said.set("days", view.days);
        if (view.fold) said.set("fold", view.fold);
        for (const id of view.folded) said.append("folded", id);
        for (const id of view.unfolded) said.append("unfolded", id);
        const hash = said.toString();
        const address = location.pathname + location.search + (hash && `#${hash}`);
        if (hash !== location.hash.slice(1)) history.replaceState(history.state, "", address);
    };

    // Tell whether a group is folded; while somebody searches, all that was found is seen.
    board.isFolded = (view, group) => {
        if (view.text) return view.foldedInSearch?.has(group.id) ?? false;
        if (view.unfolded.has(group.id)) return false;
        if (view.folded.has(group.id)) return true;
        return view.fold ? view.fold === "all" : group.foldsItself;
    };

    board.setFolded = (view, group, folded) => {
        if (view.text) {
            view.foldedInSearch ??= new Set();
            view.foldedInSearch[folded ? "add" : "delete"](group.id);
            return;
        }
        view.folded.delete(group.id);
        view.unfolded.delete(group.id);
        if (board.isFolded(view, group) !== folded) view[folded ? "folded" : "unfolded"].add(group.id);
    };

    board.foldAll = (view, fold) => {
        Object.assign(view, { fold, folded: new Set(), unfolded: new Set(), foldedInSearch: null });
    };
})();
