// The rows of the matrix as elements: what each shows, is called, and leads to. Texts of strangers
// only ever become text.
"use strict";

(() => {
    const board = (globalThis.bmBoard ??= {});
    const MARKS = { ".": "nothing", "?": "unknown" };
    const MOST_COUNTED = 99;
    const DAY = 24 * 60 * 60 * 1000; // ms

    board.NAME = 0; // the columns before the days
    board.NOW = 1;
    board.FIRST_DAY = 2;

    // In the viewer's zone, which is named: the rest of the page is in the server's.
    board.CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZoneName: "short" };

    board.isGroup = (line) => line.key === undefined;

    board.fill = (words, values) => words.replace(/\{(\w+)\}/g, (_all, name) => values[name] ?? "");

    // Give what knows the words for a tree: of dates, moments, numbers.
    board.wordsFor = (config, tree, language) => {
        const end = new Date(tree.end); // as a date alone: in UTC, as all days here
        const format = (options) => new Intl.DateTimeFormat(language, options);
        const long = format({ weekday: "long", day: "numeric", month: "long", timeZone: "UTC" });
        const moment = format({ year: "numeric", month: "short", day: "numeric", ...board.CLOCK });
        const number = new Intl.NumberFormat(language);
        const dates = Array.from(
            { length: tree.span },
            (_, at) => new Date(end.getTime() - (tree.span - 1 - at) * DAY),
        );
        const today = tree.span - 1 - (end - new Date(tree.today)) / DAY;
        return {
            ...config,
            dates,
            today, // the index of its date: where a verdict is of tomorrow, not the last
            days: dates.map((date, at) =>
                at === today ? `${long.format(date)} (${config.words.today})` : long.format(date),
            ),
            months: format({ month: "short", timeZone: "UTC" }),
            moment: (seconds) => moment.format(new Date(seconds * 1000)),
            number: (count) => number.format(count),
        };
    };

    // Give what a cell says, in lines, the first of them its heading.
    board.tellCell = (words, line, column) => {
        if (column === board.NAME) return tellName(words, line);
        if (column === board.NOW) return tellNow(words, line);
        const day = column - board.FIRST_DAY;
        const said = [words.days[day], words.letters[line.letters[day]]];
        if (line.counts?.[day]) said.push(problems(words, line.counts[day]));
        return said;
    };

    function tellName(words, line) {
        if (!board.isGroup(line)) return [line.name, ...place(line)];
        const said = [line.name, board.fill(words.words.jobs, { count: words.number(line.jobCount) })];
        return line.problemCount ? [...said, problems(words, line.problemCount)] : said;
    }

    function tellNow(words, line) {
        const said = [words.words.now];
        if (line.standing) said.push(words.words[line.standing]);
        said.push(words.letters[line.now]);
        if (line.problemCount) said.push(problems(words, line.problemCount));
        if (line.deadline) {
            said.push(board.fill(words.words.deadline, { moment: words.moment(line.deadline) }));
        }
        return said;
    }

    function place(job) {
        const names = [];
        for (let above = job.parent; above; above = above.parent) names.unshift(above.name);
        return [names.join(" · ")];
    }

    const problems = (words, count) => board.fill(words.words.problems, { count: words.number(count) });

    // Give what a row looks like, as a text: a row that is alike need not be filled again.
    board.looksOf = (line, days) =>
        JSON.stringify([
            [line.name, line.letters, line.now, line.standing, line.level, days],
            board.isGroup(line)
                ? [line.isFolded, line.jobCount, line.problemCount, Array.from(line.counts)]
                : [line.entries, line.deadline],
        ]);

    // Make a row show a line. What it has of another line of the same kind is changed where it differs
    // and else left: that is what makes scrolling cheap.
    board.fillRow = (row, line, words) => {
        const count = board.FIRST_DAY + line.letters.length;
        row.setAttribute("aria-level", line.level);
        row.dataset.level = line.level;
        row.classList.toggle("bm-group", board.isGroup(line));
        row.classList.toggle("bm-standing", Boolean(line.standing));
        if (board.isGroup(line)) row.setAttribute("aria-expanded", String(!line.isFolded));
        const isAlike = row.children.length === count;
        if (!isAlike) row.replaceChildren();
        for (let column = board.NAME; column < count; column++) {
            const made = row.children[column];
            if (isAlike && column !== board.NAME && changeCell(made, line, column, words)) continue;
            const fresh = column === board.NAME ? nameCell(line, words) : cell(line, column, words);
            fresh.setAttribute("aria-colindex", column + 1);
            fresh.dataset.column = column;
            if (isAlike) made.replaceWith(fresh);
            else row.append(fresh);
        }
    };

    // Give what takes the focus in a cell: its link or button, else the cell itself.
    board.targetOf = (row, column) => {
        const found = row?.children[column];
        return found?.querySelector("a, button") ?? found ?? null;
    };

    function element(name, className, text = "") {
        const made = document.createElement(name);
        made.className = className;
        made.textContent = text;
        return made;
    }

    function nameCell(line, words) {
        const made = element("div", "bm-name");
        made.setAttribute("role", "rowheader");
        const { open } = words;
        const kind = board.isGroup(line) ? "button" : open ? "a" : "span";
        const name = element(kind, "bm-name-of", line.name);
        if (kind === "button") {
            name.type = "button";
            name.setAttribute("aria-expanded", String(!line.isFolded));
        }
        if (kind === "a") name.href = open.job.replace("KEY", line.key);
        if (kind !== "span") name.tabIndex = -1;
        else made.tabIndex = -1;
        made.append(name);
        const beside = board.isGroup(line) ? words.number(line.jobCount) : words.words[line.standing];
        if (beside) made.append(element("small", "", beside));
        return made;
    }

    function cell(line, column, words) {
        const opens = Boolean(entryOf(line, column) && words.open);
        const made = element("div", column === board.NOW ? "bm-cell bm-now" : "bm-cell");
        made.setAttribute("role", "gridcell");
        const mark = element(opens ? "a" : "span", "bm-mark");
        if (!opens) mark.setAttribute("aria-hidden", "true");
        (opens ? mark : made).tabIndex = -1;
        made.append(mark);
        changeCell(made, line, column, words);
        return made;
    }

    // Make a cell show a day of a line; give false where it takes another one, for its link.
    function changeCell(made, line, column, words) {
        const entry = entryOf(line, column);
        const mark = made.firstElementChild;
        if ((mark.localName === "a") !== Boolean(entry && words.open)) return false;
        const isNow = column === board.NOW;
        const letter = isNow ? line.now : line.letters[column - board.FIRST_DAY];
        const standing = isNow && line.standing;
        set(mark, "data-mark", standing || (MARKS[letter] ?? letter));
        set(made, "data-tint", board.isProblem(letter) && !standing ? letter : null);
        if (mark.localName === "a") mark.setAttribute("href", words.open.entry.replace("KEY", entry));
        const named = mark.localName === "a" ? mark : made;
        named.setAttribute("aria-label", board.tellCell(words, line, column).join(", "));
        changeCount(made, isNow ? line.problemCount : line.counts?.[column - board.FIRST_DAY], words);
        return true;
    }

    const entryOf = (line, column) => line.entries?.[column - board.FIRST_DAY] ?? null;

    function set(made, name, value) {
        if (made.getAttribute(name) === value) return;
        if (value === null) made.removeAttribute(name);
        else made.setAttribute(name, value);
    }

    function changeCount(made, count, words) {
        let found = made.children[1];
        if (Boolean(found) !== Boolean(count)) {
            if (!count) return found.remove();
            found = element("span", "bm-count");
            found.setAttribute("aria-hidden", "true");
            made.append(found);
        }
        const text = count > MOST_COUNTED ? `${words.number(MOST_COUNTED)}+` : words.number(count);
        if (found && found.textContent !== text) found.textContent = text;
    }

    // Give the row of the headings: a number for each day, a month where one begins.
    board.headRow = (words, isDense) => {
        const row = element("div", "bm-row bm-head");
        row.setAttribute("role", "row");
        row.setAttribute("aria-rowindex", "1");
        const heads = [
            heading("bm-name", words.words.database),
            heading("bm-cell bm-now", words.words.now),
            ...words.dates.map((date, at) => {
                const made = heading("bm-cell", "");
                const isFirst = date.getUTCDate() === 1 || (at === 0 && date.getUTCDate() < 25);
                const month = element("span", "bm-month", isFirst ? words.months.format(date) : "");
                // Where days are narrow, each Monday's number is enough to find a date.
                const isSaid = !isDense || date.getUTCDay() === 1 || at === words.today;
                const number = element("span", isSaid ? "" : "bm-unseen", String(date.getUTCDate()));
                made.append(month, number);
                made.classList.toggle("bm-today", at === words.today);
                if (at === words.today) made.setAttribute("aria-current", "date");
                made.classList.toggle("bm-sunday", date.getUTCDay() === 0);
                made.setAttribute("aria-label", words.days[at]);
                return made;
            }),
        ];
        heads.forEach((one, column) => one.setAttribute("aria-colindex", column + 1));
        row.append(...heads);
        return row;
    };

    function heading(className, text) {
        const made = element("div", className, text);
        made.setAttribute("role", "columnheader");
        return made;
    }
})();
