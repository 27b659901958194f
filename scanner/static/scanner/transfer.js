// A box that ticks all others of a form; without a script it is not there, and each is ticked by hand.
"use strict";

(() => {
    function serve(all) {
        const boxes = [...all.form.querySelectorAll(`input[name="${all.dataset.all}"]`)];
        const look = () => {
            const ticked = boxes.filter((box) => box.checked).length;
            all.checked = ticked === boxes.length;
            all.indeterminate = ticked > 0 && ticked < boxes.length;
        };
        all.hidden = false;
        all.addEventListener("change", () => {
            for (const box of boxes) box.checked = all.checked;
        });
        for (const box of boxes) box.addEventListener("change", look);
        look();
    }

    for (const all of document.querySelectorAll("input[data-all]")) serve(all);
})();
