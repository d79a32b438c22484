"""The demo shop, set up as its README says: it changes with what its visitor does."""
import os
import subprocess

import pytest
from e2e.browser import Pages
from support.house import House
from support.postgres import ROOT

SHOP = ROOT / "web" / "demo"


@pytest.fixture(scope="module")
def house():
    with House() as house:
        environment = {**os.environ, "ADMIN": house.admin_key, "URL": f"http://127.0.0.1:{house.server.port}"}
        subprocess.run([SHOP / "setup"], env=environment, check=True, capture_output=True, timeout=120)
        for key in ("demo-camper", "demo-vip", "demo-cart-left"):
            house.live(key)
        yield house


def test_shop_adapts_itself(house, browser):
    with Pages({"/": SHOP}) as pages:
        context = browser.context(viewport={"width": 1180, "height": 760})
        page = context.page(pages.url(f"/?key={house.write_key}&server=http://127.0.0.1:{house.server.port}"))
        names = "[...document.querySelectorAll('h3')].map((title) => title.textContent)"
        click = "(name, what) => [...document.querySelectorAll('article')].find((a) => a.innerText.includes(name)).querySelector(what).click()"
        assert page.eval(names)[0] == "Trail Boot"
        page.eval(f"({click})('Lantern', 'h3'), ({click})('Camp Stove', 'h3')")
        page.wait(f"{names}[0] == 'Tent for Two'")
        page.eval(f"({click})('Tent for Two', 'button')")
        page.wait("!document.getElementById('cart-left').hidden", 90)  # nothing but time has passed
        page.eval("document.getElementById('cart').click()")
        page.wait("!document.getElementById('vip').hidden && document.querySelector('del')")
        page.wait("document.getElementById('cart-left').hidden")
        picture = os.environ.get("DEMO_PICTURE")
        if picture:
            page.run(f"await {page.name}.screenshot({{path: argument}})", picture)
        assert page.errors() == []
        context.close()
