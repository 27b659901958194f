// The keys of the grid, as of a treegrid: arrows, Home and End (with Ctrl: the first and last row),
// a page up and down, Enter opens or folds.
"use strict";

(() => {
    const board = (globalThis.bmBoard ??= {});

    board.pressed = (grid, event) => {
        if (event.altKey || event.metaKey || event.shiftKey) return;
        const cell = event.target.closest("[data-column]");
        const line = cell && grid.lineOf(cell);
        if (!line) return;
        const done = act(grid, line, Number(cell.dataset.column), event);
        if (done) event.preventDefault();
    };

    function act(grid, line, column, { key, ctrlKey }) {
        const at = grid.at.get(line.id);
        const page = Math.max(1, Math.floor(grid.root.clientHeight / grid.height) - 2);
        const isGroup = board.isGroup(line);
        const isName = column === board.NAME;
        const moves = {
            ArrowDown: [at + 1, column],
            ArrowUp: [at - 1, column],
            PageDown: [at + page, column],
            PageUp: [at - page, column],
            Home: ctrlKey ? [0, column] : [at, board.NAME],
            End: ctrlKey ? [grid.lines.length - 1, column] : [at, grid.columns - 1],
            ArrowRight: [at, column + 1],
            ArrowLeft: [at, column - 1],
        };
        if (isName && isGroup && key === "ArrowRight" && line.isFolded) grid.toggle(line);
        else if (isName && isGroup && key === "ArrowLeft" && !line.isFolded) grid.toggle(line);
        else if (isName && key === "ArrowLeft" && line.parent) grid.go(grid.at.get(line.parent.id), column);
        else if (isGroup && !isName && key === "Enter") grid.toggle(line);
        else if (moves[key]) grid.go(...moves[key]);
        else return false; // Enter on a link or a button does what it always does
        return true;
    }
})();
