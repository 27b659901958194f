// A box that ticks all others of a form; without a script it is not there, and each is ticked by hand.
// And unfold leaves our choice of a file alone: it would look for a text beside it, which is not there.
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

    for (const file of document.querySelectorAll("input[type=file]")) file.hasChangeListener = true;
    for (const all of document.querySelectorAll("input[data-all]")) serve(all);
})();
