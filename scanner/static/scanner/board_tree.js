// The data of the matrix as a tree: company, city, neighborhood, jobs; and the lines to be shown of
// it. A group's cells are the worst of those of its jobs that are shown, with their problems counted.
"use strict";

(() => {
    const board = (globalThis.bmBoard ??= {});
    const RANKS = ".SU?WMFC"; // the worst last, as the server ranks them
    const FIRST_PROBLEM = RANKS.indexOf("M");
    const FEW = 50; // so many jobs are shown unfolded

    board.LETTERS = RANKS;
    board.isProblem = (letter) => RANKS.indexOf(letter) >= FIRST_PROBLEM;

    // Give a text as it is searched: without case and accents.
    board.plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

    // Make the tree of the server's data. A group that was known before folds itself as it did.
    board.treeOf = (data, { before, language, unattended }) => {
        const { span, today, end } = data;
        const tree = { span, today, end, groups: new Map(), tops: [], jobs: [] };
        for (const [company, city, neighborhood, jobs] of data.places) {
            const names = [company, city, neighborhood];
            let parent = null;
            names.forEach((name, at) => {
                parent = group(tree, names.slice(0, at + 1), name, parent);
            });
            for (const job of jobs) addJob(tree, parent, job, names);
        }
        sort(tree, language);
        measure(tree);
        for (const one of tree.groups.values()) {
            const known = unattended ? null : before?.groups.get(one.id);
            one.foldsItself = known ? known.foldsItself : tree.jobs.length > FEW && !one.hasProblem;
        }
        return tree;
    };

    function group(tree, path, name, parent) {
        const id = path.map((one) => one.replace(/[%/]/g, encodeURIComponent)).join("/");
        let found = tree.groups.get(id);
        if (!found) {
            found = { id, name, parent, level: path.length, children: [], hasProblem: false };
            tree.groups.set(id, found);
            (parent ? parent.children : tree.tops).push(found);
        }
        return found;
    }

    function addJob(tree, parent, values, names) {
        const [key, name, letters, entries, now, standing, deadline] = values;
        const job = { id: `#${key}`, key, name, letters, now, standing, deadline, parent };
        job.level = parent.level + 1;
        job.entries = [];
        let next = 0;
        for (const letter of letters) job.entries.push(letter === "." ? null : entries[next++]);
        job.isProblem = !standing && board.isProblem(now);
        job.searched = board.plain([...names, name].join(" "));
        for (let above = parent; job.isProblem && above; above = above.parent) above.hasProblem = true;
        parent.children.push(job);
        tree.jobs.push(job);
    }

    function sort(tree, language) {
        const { compare } = new Intl.Collator(language, { numeric: true });
        const byName = (one, other) => compare(one.name, other.name);
        tree.tops.sort(byName);
        for (const one of tree.groups.values()) one.children.sort(byName);
    }

    function measure(tree) {
        for (const job of tree.jobs) {
            job.ranks = Uint8Array.from(job.letters, (letter) => Math.max(RANKS.indexOf(letter), 0));
        }
    }

    // Give the lines of a view from top to bottom: {lines, count of the jobs among them or folded}.
    board.linesOf = (tree, view) => {
        const words = board.plain(view.text).split(/\s+/).filter(Boolean);
        const isShown = (job) =>
            (!view.problems || job.isProblem) && words.every((word) => job.searched.includes(word));
        let count = 0;
        for (const job of tree.jobs) count += job.isShown = isShown(job);
        const lines = [];
        for (const top of tree.tops) if (rollUp(top, tree.span)) flatten(top, view, lines);
        return { lines, count };
    };

    // Work out a group's cells; give whether anything of it is shown.
    function rollUp(group, span) {
        const isOfJobs = group.level === 3;
        group.shown = group.children.filter((one) => (isOfJobs ? one.isShown : rollUp(one, span)));
        if (!group.shown.length) return false;
        const ranks = (group.ranks = new Uint8Array(span));
        const counts = (group.counts = new Uint32Array(span));
        group.jobCount = group.problemCount = 0;
        let worst = -1;
        for (const one of group.shown) {
            for (let day = 0; day < span; day++) {
                if (one.ranks[day] > ranks[day]) ranks[day] = one.ranks[day];
                counts[day] += isOfJobs ? one.ranks[day] >= FIRST_PROBLEM : one.counts[day];
            }
            group.jobCount += isOfJobs ? 1 : one.jobCount;
            group.problemCount += isOfJobs ? one.isProblem : one.problemCount;
            if (!one.standing) worst = Math.max(worst, RANKS.indexOf(one.now));
        }
        group.standing = worst < 0 ? group.shown[0].standing : "";
        group.now = RANKS[worst] ?? "?";
        group.letters = Array.from(ranks, (rank) => RANKS[rank]).join("");
        return true;
    }

    function flatten(group, view, lines) {
        group.isFolded = board.isFolded(view, group);
        lines.push(group);
        if (group.isFolded) return;
        for (const one of group.shown) {
            if (board.isGroup(one)) flatten(one, view, lines);
            else lines.push(one);
        }
    }
})();
