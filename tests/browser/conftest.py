"""The browser of all tests in this folder."""

import pytest


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install -e '.[browser]'")
    options = webdriver.ChromeOptions()
    for argument in (
        "--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--disable-background-networking",
        "--disable-component-update", "--disable-quic", "--disable-sync", "--no-first-run",
        f"--user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):  # fmt: skip
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options=options) as driver:
        yield driver


@pytest.fixture
def until(browser):
    """Return a function that waits until a condition holds."""
    from selenium.webdriver.support.wait import WebDriverWait

    return lambda condition: WebDriverWait(browser, 60).until(lambda _: condition())


@pytest.fixture
def pointer(browser):
    """Return a function that makes a chain of actions of the pointer."""
    from selenium.webdriver.common.action_chains import ActionChains

    return lambda: ActionChains(browser)
