import pytest
from django.contrib.auth.models import User
from tests.browser import fleet
from tests.browser.test_axe import PAGES
def test_x(come, site, vault_root):
    fleet.settle()
    v = come(User.objects.create_superuser("admin", password="secret"))
    p = v.page
    for n in ("auth_user_change","scanner_maintenancewindow_change"):
        p.goto(PAGES[n]())
        for w in (1400, 360):
            p.set_viewport_size({"width": w, "height": 900})
            p.screenshot(path=f"/tmp/w/{n}-{w}.png", full_page=True)
            print("==", n, w, p.evaluate("[document.scrollingElement.scrollWidth, document.documentElement.clientWidth]"))
            print(p.evaluate("""() => { const o=[]; for (let e = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1).at(-1); e; e = e.parentElement) o.push(e.tagName+'.'+e.className+' '+Math.round(e.getBoundingClientRect().width)+ ' ' + getComputedStyle(e).overflowX); return o.join('\\n')}"""))
