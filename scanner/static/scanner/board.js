// The board's matrix: fetches its data, lets people choose what of it they see, and keeps both up to
// date, without taking anything from under their eyes or hands.
"use strict";

(() => {
    const board = globalThis.bmBoard;
    const EVERY = 60; // seconds
    const TYPED = 120; // milliseconds after which what was typed is looked for
    const find = (id) => document.getElementById(id);
    const language = document.documentElement.lang || undefined;

    let config, view, tree, grid, words, latest, asOf;
    let asked = 0;

    function start() {
        const root = find("bm-board");
        if (root) startMatrix(root);
        setInterval(() => document.hidden || refresh(), EVERY * 1000);
        document.addEventListener("visibilitychange", () => document.hidden || refresh());
    }

    function startMatrix(root) {
        config = JSON.parse(find("bm-board-config").textContent);
        view = board.readView(config.spans);
        grid = new board.Grid(find("bm-board-grid"), { toggle });
        listen(root);
        showChoices();
        load();
        addEventListener("hashchange", () => {
            const days = view.days;
            view = board.readView(config.spans);
            showChoices();
            if (view.days === days) show();
            else load();
        });
    }

    // Where there is no matrix yet, the rest of the page has its news all the same.
    function refresh() {
        if (config) load();
        board.renew();
    }

    // Ask for the data. What is answered to an earlier question than the last one is not shown.
    async function load() {
        const question = ++asked;
        let text;
        try {
            const response = await fetch(`${config.data}?days=${view.days}`, {
                headers: { Accept: "application/json" },
            });
            if (response.redirected || response.status === 403) return say(config.words.gone);
            if (!response.ok) throw new Error(String(response.status));
            text = await response.text();
        } catch {
            if (question === asked) say(asOf ? board.fill(config.words.away, { moment: asOf }) : config.words.away_yet);
            return;
        }
        if (question === asked) take(text);
    }

    function take(text) {
        asOf = new Intl.DateTimeFormat(language, board.CLOCK).format(new Date());
        find("bm-board-as-of").textContent = board.fill(config.words.updated, { moment: asOf });
        say("");
        if (text === latest) return;
        latest = text;
        const unattended = "unattended" in find("bm-board").dataset;
        tree = board.treeOf(JSON.parse(text), { before: tree, language, unattended });
        words = board.wordsFor(config, tree, language);
        grid.root.setAttribute("aria-busy", "false");
        show();
    }

    function show() {
        if (!tree) return;
        const { lines, count } = board.linesOf(tree, view);
        grid.show(lines, words);
        const counts = { shown: words.number(count), count: words.number(tree.jobs.length) };
        put(find("bm-board-count"), board.fill(config.words.shown, counts));
        const isFiltered = Boolean(view.text);
        const isEmpty = !tree.jobs.length;
        const few = view.problems && !isFiltered ? config.words.no_problems : config.words.none;
        const none = isEmpty ? config.words.empty : few;
        put(find("bm-board-none"), count ? "" : none);
        board.writeView(view, config.spans);
    }

    function toggle(group) {
        board.setFolded(view, group, !group.isFolded);
        show();
    }

    function listen(root) {
        let typing;
        find("bm-board-filter").addEventListener("input", (event) => {
            clearTimeout(typing);
            typing = setTimeout(() => {
                view.text = event.target.value.trim();
                view.foldedInSearch = null;
                show();
            }, TYPED);
        });
        find("bm-board-problems").addEventListener("change", (event) => {
            view.problems = event.target.checked;
            show();
        });
        root.addEventListener("click", (event) => {
            const { days, fold } = event.target.closest("button")?.dataset ?? {};
            if (days && Number(days) !== view.days) {
                view.days = Number(days);
                showChoices();
                load();
            }
            if (fold) {
                board.foldAll(view, fold);
                show();
            }
        });
    }

    function showChoices() {
        find("bm-board-filter").value = view.text;
        find("bm-board-problems").checked = view.problems;
        for (const one of document.querySelectorAll("#bm-board [data-days]")) {
            one.setAttribute("aria-pressed", String(Number(one.dataset.days) === view.days));
        }
    }

    const say = (text) => put(find("bm-board-said"), text);

    // Change a text only where it differs: screen readers read out what changes.
    function put(element, text) {
        if (element.textContent !== text) element.textContent = text;
    }

    document.addEventListener("DOMContentLoaded", start);
})();
