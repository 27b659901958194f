// The tool-tip of the matrix: at what is pointed at or has the focus. It stays while it is pointed at
// itself, and goes with Escape. Screen readers have the same words as the names of the cells.
"use strict";

(() => {
    const board = (globalThis.bmBoard ??= {});
    const LINGERS = 150; // ms
    const GAP = 6; // px

    board.Tip = class {
        constructor(host, tell) {
            this.tell = tell; // gives the lines of an element, or null
            this.box = document.createElement("div");
            this.box.className = "bm-tip";
            this.box.hidden = true;
            this.box.setAttribute("aria-hidden", "true");
            document.body.append(this.box);
            const leave = () => {
                clearTimeout(this.leaving);
                this.leaving = setTimeout(() => this.hide(), LINGERS);
            };
            host.addEventListener("pointerover", (event) => {
                if (event.pointerType === "touch") return;
                clearTimeout(this.leaving);
                const cell = event.target.closest("[data-column]");
                if (cell) this.show(cell);
                else leave();
            });
            this.box.addEventListener("pointerenter", () => clearTimeout(this.leaving));
            this.box.addEventListener("pointerleave", leave);
            host.addEventListener("pointerleave", leave);
            host.addEventListener("focusin", (event) => {
                const cell = event.target.closest("[data-column]");
                if (cell && event.target.matches(":focus-visible")) this.show(cell);
            });
            host.addEventListener("focusout", leave);
            const follow = () => this.cell?.isConnected && this.place();
            addEventListener("scroll", follow, { passive: true });
            document.addEventListener("keydown", (event) => {
                if (event.key === "Escape") this.hide();
            });
        }

        show(cell) {
            const lines = this.tell(cell);
            if (!lines) return this.hide();
            clearTimeout(this.leaving);
            this.cell = cell;
            this.id = cell.closest("[data-id]").dataset.id;
            this.column = Number(cell.dataset.column);
            this.box.replaceChildren(
                ...lines.map((text, at) => {
                    const line = document.createElement(at ? "div" : "strong");
                    line.textContent = text;
                    return line;
                }),
            );
            this.box.hidden = false;
            this.place();
        }

        // Be where the cell is, after it moved.
        place() {
            const at = this.cell.getBoundingClientRect();
            const { offsetWidth: width, offsetHeight: height } = this.box;
            const middle = at.left + Math.min(at.width, innerWidth) / 2;
            const left = Math.max(GAP, Math.min(middle - width / 2, innerWidth - width - GAP));
            const isBelow = at.top - height - GAP < 0;
            this.box.style.left = `${left}px`;
            this.box.style.top = `${isBelow ? at.bottom + GAP : at.top - height - GAP}px`;
        }

        hide() {
            clearTimeout(this.leaving);
            this.cell = null;
            this.box.hidden = true;
        }
    };
})();
