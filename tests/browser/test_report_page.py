"""The report in a real browser. Needs Chromium and its driver; `make test-browser` runs it."""

import pytest

from metadisco.cli import main

pytestmark = pytest.mark.browser
TINY = ("outer.num_generations=2", "outer.strategy.population_size=4", "inner.ppo.num_env_steps=1024")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    run = folder / "run"
    assert main(["evolve", "experiments/lpo_drift/demo.yaml", *TINY, "--run", str(run), "--quiet"]) == 0
    small = ["--seeds", "2", "inner.ppo.num_env_steps=1024", "--quiet"]
    env = ["--envs", "gymnax/CartPole-v1", "--config", str(run / "config.yaml")]
    evaluation = ["--output", str(run / "evaluation")]
    assert main(["evaluate", "--objectives", "ppo", str(run), *env, *evaluation, *small]) == 0
    distilled = ["--output", str(run / "distilled"), "--shapes", "square", "--max-terms", "1"]
    assert main(["distil", str(run), *distilled, *small]) == 0
    assert main(["report", str(run), "--output", str(folder / "page.html"), "--quiet"]) == 0
    return folder / "page.html"


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_shows_everything_and_fits(page, browser, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get(page.as_uri())
    assert browser.execute_script("return window.innerWidth") == width
    # The driver of graphics of a machine without a GPU speaks of its own speed.
    assert not [entry for entry in browser.get_log("browser") if "GL Driver Message" not in entry["message"]]
    images = browser.execute_script("return [...document.images].map(i => [i.complete, i.naturalWidth, i.alt])")
    assert len(images) >= 5
    assert all(complete and natural > 0 and alt for complete, natural, alt in images)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    beyond = browser.execute_script(
        "return [...document.querySelectorAll('h1,h2,h3,p,dd,dt,nav,li,figcaption')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth).map(e => e.textContent)"
    )
    assert not beyond
    assert browser.execute_script("return document.querySelectorAll('table').length") >= 5


def test_the_page_asks_the_network_for_nothing(page, browser):
    browser.get_log("performance")
    browser.get(page.as_uri())
    sent = [
        entry["message"] for entry in browser.get_log("performance") if 'Network.requestWillBeSent"' in entry["message"]
    ]
    assert sent, "the page itself is a request"
    assert not [message for message in sent if '"url":"http' in message]


def test_a_dark_page_is_dark_and_forms_are_typeset(page, browser):
    scheme = {"name": "prefers-color-scheme", "value": "dark"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get(page.as_uri())
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"
    assert browser.execute_script("return document.querySelectorAll('math').length") >= 2
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_page_that_follows_a_run_loads_itself_again_and_stays_where_it_was(page, browser, until):
    from metadisco.discoveries.sources import find_discovery
    from metadisco.reporting.page import Request, content_of, render
    from metadisco.reporting.state import State

    content = content_of(find_discovery(str(page.parent / "run")), Request(page, visit=False), lambda text: None)
    following = page.with_name("following.html")
    following.write_text(render(content, State(1, 2, True), reload=2.0), encoding="utf-8")
    browser.get(following.as_uri())
    browser.execute_script("scrollTo(0, 700)")
    following.write_text(render(content, State(2, 2, False)), encoding="utf-8")
    until(lambda: "Finished, 2" in browser.find_element("class name", "state").text)
    assert browser.execute_script("return scrollY") == 700


def test_links_within_the_page_lead_somewhere(page, browser):
    browser.get(page.as_uri())
    targets = browser.execute_script(
        "return [...document.querySelectorAll('nav a')].map(a => !!document.querySelector(a.hash))"
    )
    assert targets and all(targets)
