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


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install -e '.[browser]'")
    options = webdriver.ChromeOptions()
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options) as driver:
        yield driver


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_shows_everything_and_fits(page, browser, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.get(page.as_uri())
    assert browser.execute_script("return window.innerWidth") == width
    assert not [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
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
    assert not [
        message for message in sent if "http://" in message.replace("http://www.w3.org", "") or "https://" in message
    ]


def test_links_within_the_page_lead_somewhere(page, browser):
    browser.get(page.as_uri())
    targets = browser.execute_script(
        "return [...document.querySelectorAll('nav a')].map(a => !!document.querySelector(a.hash))"
    )
    assert targets and all(targets)
