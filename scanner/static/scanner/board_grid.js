// The grid: of its lines only those in sight are elements, so that ten thousand stay smooth. Rows that
// stay are kept, with the focus in them; the row with the focus is kept wherever one scrolls.
"use strict";

(() => {
    const board = (globalThis.bmBoard ??= {});
    const ROW = 1.75; // rem
    const BEYOND = 8; // rows above and below those in sight
    const DENSE = 45; // days
    const SETTLED = 500; // ms after which nothing moves any more

    board.Grid = class {
        constructor(root, { toggle }) {
            this.root = root;
            this.toggle = toggle;
            this.body = document.createElement("div");
            this.body.className = "bm-rows";
            this.body.setAttribute("role", "rowgroup");
            this.head = null;
            this.rows = new Map(); // id -> {row, looks}
            this.lines = [];
            this.at = new Map(); // id -> index of its line
            this.active = { id: null, column: board.NAME };
            this.tallest = 0;
            this.tip = new board.Tip(root, (cell) => this.tell(cell));
            root.addEventListener("scroll", () => this.scrolled(), { passive: true });
            root.addEventListener("keydown", (event) => board.pressed(this, event));
            root.addEventListener("click", (event) => this.clicked(event));
            root.addEventListener("focusin", (event) => this.focused(event.target));
            new ResizeObserver(() => this.lines.length && this.render()).observe(root);
        }

        // Show lines, in the place of those before; what is looked at stays where it is.
        show(lines, words) {
            const isFirst = !this.words;
            const isOther = words.dates.length !== this.words?.dates.length;
            const anchor = this.anchor();
            this.words = words;
            this.lines = lines;
            this.at = new Map(lines.map((line, at) => [line.id, at]));
            if (!this.at.has(this.active.id)) {
                this.active = { id: lines[0]?.id ?? null, column: board.NAME };
            }
            this.active.column = Math.min(this.active.column, this.columns - 1);
            this.showHead();
            this.measure();
            this.restore(anchor);
            if (isFirst || isOther) this.root.scrollLeft = this.root.scrollWidth; // to today
            if (isFirst && board.where) this.root.scrollTo(...board.where);
            this.render();
        }

        get columns() {
            return board.FIRST_DAY + this.words.dates.length;
        }

        showHead() {
            const isDense = this.words.dates.length > DENSE;
            const head = board.headRow(this.words, isDense);
            if (!this.head?.isEqualNode(head)) {
                this.root.classList.toggle("bm-dense", isDense);
                this.root.style.setProperty("--bm-days", this.words.dates.length);
                if (this.head) this.head.replaceWith(head);
                else this.root.prepend(head, this.body);
                this.head = head;
            }
            this.root.setAttribute("aria-colcount", this.columns);
            this.root.setAttribute("aria-rowcount", this.lines.length + 1);
        }

        measure() {
            const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
            this.height = Math.round(ROW * rem);
            this.root.style.setProperty("--bm-row", `${this.height}px`);
            this.body.style.height = `${this.lines.length * this.height}px`;
            // What is below does not jump while somebody types into the filter.
            this.tallest = Math.max(this.tallest, this.lines.length);
            const tall = this.tallest * this.height + this.head.offsetHeight + 2;
            this.root.style.minHeight = `min(${tall}px, var(--bm-most))`;
        }

        // Give the line at the top of what is seen (rather: the one with the focus), and where it is.
        anchor() {
            if (!this.lines.length || !this.height) return null;
            const held = this.root.contains(document.activeElement) ? this.at.get(this.active.id) : null;
            const top = Math.floor(this.root.scrollTop / this.height);
            const isSeen = held >= top && held * this.height < this.root.scrollTop + this.root.clientHeight;
            const from = isSeen ? held : top;
            const ids = this.lines.slice(from, from + 100).map((line) => line.id);
            return { ids, offset: from * this.height - this.root.scrollTop };
        }

        restore(anchor) {
            const skipped = anchor?.ids.findIndex((id) => this.at.has(id)) ?? -1;
            if (skipped < 0) return;
            const at = this.at.get(anchor.ids[skipped]);
            this.root.scrollTop = at * this.height - anchor.offset;
        }

        scrolled() {
            if (this.waiting) return;
            this.waiting = requestAnimationFrame(() => {
                this.waiting = 0;
                this.render();
            });
        }

        render() {
            const wanted = this.inSight();
            const hadFocus = this.holdsFocus();
            const spare = this.release(new Set(wanted.map((line) => line.id)));
            for (const line of wanted) this.draw(line, spare);
            for (const row of [...spare.true, ...spare.false]) row.remove();
            this.reach();
            if (hadFocus && !this.holdsFocus()) this.target()?.focus({ preventScroll: true });
            this.retip();
            clearTimeout(this.settling);
            this.settling = setTimeout(() => this.order(wanted), SETTLED);
        }

        // Give the lines to draw: those in sight, some beyond, and the one with the focus.
        inSight() {
            const { scrollTop, clientHeight } = this.root;
            const first = Math.max(0, Math.floor(scrollTop / this.height) - BEYOND);
            const end = Math.ceil((scrollTop + clientHeight) / this.height) + BEYOND;
            const wanted = this.lines.slice(first, end);
            const active = this.holdsFocus() && this.lines[this.at.get(this.active.id)];
            if (!active || wanted.includes(active)) return wanted;
            return this.at.get(active.id) < first ? [active, ...wanted] : [...wanted, active];
        }

        // Let go of the rows of other lines; give them to be used again, those of groups apart.
        release(kept) {
            const spare = { true: [], false: [] };
            for (const [id, { row }] of this.rows) {
                if (kept.has(id)) continue;
                this.rows.delete(id);
                if (row.contains(document.activeElement)) row.remove();
                else spare[row.classList.contains("bm-group")].push(row);
            }
            return spare;
        }

        draw(line, spare) {
            const looks = board.looksOf(line, this.words.days.slice(-2)); // today is one of them
            let known = this.rows.get(line.id);
            if (!known) {
                const row = spare[board.isGroup(line)].pop() ?? this.newRow();
                row.dataset.id = line.id;
                known = { row, looks: "" };
                this.rows.set(line.id, known);
            }
            if (known.looks !== looks) {
                board.fillRow(known.row, line, this.words);
                known.looks = looks;
            }
            const at = this.at.get(line.id);
            known.row.setAttribute("aria-rowindex", at + 2);
            known.row.style.transform = `translateY(${at * this.height}px)`;
        }

        newRow() {
            const row = document.createElement("div");
            row.className = "bm-row";
            row.setAttribute("role", "row");
            this.body.append(row);
            return row;
        }

        // Have the rows stand in the order of the lines, for those who do not see where they are: once
        // nothing moves any more, for it costs. The one with the focus is never moved.
        order(wanted) {
            let next = null;
            for (const line of wanted.toReversed()) {
                const row = this.rows.get(line.id)?.row;
                if (!row) continue;
                const isHeld = row.contains(document.activeElement);
                if (row.nextSibling !== next && !isHeld) this.body.insertBefore(row, next);
                next = row;
            }
        }

        // Let Tab lead to one cell: the active one, or the first that is in sight.
        reach() {
            for (const one of this.body.querySelectorAll('[tabindex="0"]')) one.tabIndex = -1;
            const target = this.target() ?? board.targetOf(this.body.firstElementChild, board.NAME);
            if (target) target.tabIndex = 0;
        }

        target() {
            return board.targetOf(this.rows.get(this.active.id)?.row, this.active.column);
        }

        holdsFocus() {
            return this.body.contains(document.activeElement);
        }

        lineOf(cell) {
            return this.lines[this.at.get(cell.closest("[data-id]")?.dataset.id)];
        }

        tell(cell) {
            const line = this.lineOf(cell);
            return line ? board.tellCell(this.words, line, Number(cell.dataset.column)) : null;
        }

        // Have the tool-tip stay at its cell, which may have moved or been made anew.
        retip() {
            if (!this.tip.cell) return;
            const cell = this.rows.get(this.tip.id)?.row.children[this.tip.column];
            if (cell) this.tip.show(cell);
            else this.tip.hide();
        }

        focused(element) {
            const cell = element.closest("[data-column]");
            const line = cell && this.lineOf(cell);
            if (!line) return;
            this.active = { id: line.id, column: Number(cell.dataset.column) };
            this.reach();
        }

        clicked(event) {
            const cell = event.target.closest("[data-column]");
            const line = cell && this.lineOf(cell);
            if (!line || event.target.closest("a")) return;
            if (board.isGroup(line) && Number(cell.dataset.column) === board.NAME) this.toggle(line);
        }

        // Put the focus on a cell, and that into sight.
        go(at, column) {
            const line = this.lines[Math.max(0, Math.min(at, this.lines.length - 1))];
            if (!line) return;
            this.active = { id: line.id, column: Math.max(0, Math.min(column, this.columns - 1)) };
            const top = this.at.get(line.id) * this.height;
            const room = this.root.clientHeight - this.head.offsetHeight - this.height;
            if (top < this.root.scrollTop) this.root.scrollTop = top;
            else if (top > this.root.scrollTop + room) this.root.scrollTop = top - room;
            this.render();
            const target = this.target();
            target.focus({ preventScroll: true });
            if (this.active.column !== board.NAME) this.reveal(target.closest("[data-column]"));
            this.tip.show(target.closest("[data-column]"));
        }

        reveal(cell) {
            const covered = this.head.children[board.NOW].getBoundingClientRect().right;
            const seen = this.root.getBoundingClientRect();
            const { left, right } = cell.getBoundingClientRect();
            if (Number(cell.dataset.column) === board.NOW) return; // always in sight
            if (left < covered) this.root.scrollLeft -= covered - left;
            else if (right > seen.right) this.root.scrollLeft += right - seen.right + 2;
        }
    };
})();
