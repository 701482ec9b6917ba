"""Interactive figures in a real browser. Needs Chromium and its driver; `make test-browser` runs it."""

import pytest
from plotly.offline import get_plotlyjs

import metadisco

pytestmark = pytest.mark.browser
MOST = 3_000_000
"""Bytes of a page beyond plotly.js."""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("interactive")
    figures = metadisco.plot("lpo_drift_classic", visit=False, interactive=True, output=folder, progress=False)
    assert list(figures) == ["drift_surfaces", "drift_by_advantage", "course"]
    return folder / "interactive.html"


@pytest.fixture
def opened(page, browser, until):
    """Return a function that opens the page at a width, and returns a figure of it once it is drawn."""

    def opened(name, width=1200):
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(page.as_uri())
        place = browser.find_element("id", f"interactive-{name}")
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", place)
        until(lambda: place.find_elements("class name", "slider-grip-rect"))
        return place

    return opened


def slide(pointer, place, share):
    """Click on the slider of a figure, at a share of its length."""
    rail = place.find_element("class name", "slider-rail-touch-rect")
    across = int((share - 0.5) * 0.98 * rail.rect["width"])
    pointer().move_to_element_with_offset(rail, across, 0).click().perform()


def test_the_slider_moves_the_learned_surface_alone(opened, browser, until, pointer):
    place = opened("drift_surfaces")
    heights = "return arguments[0].data.slice(0, 3).map(trace => trace.z[10][10])"
    before = browser.execute_script(heights, place)
    slide(pointer, place, 0.0)
    until(lambda: browser.execute_script(heights, place)[0] != before[0])
    after = browser.execute_script(heights, place)
    assert after[0] == pytest.approx(-1, abs=0.01)  # without a drift it is the policy gradient
    assert after[1:] == before[1:]
    assert "after generations: 0" in place.text


def test_the_other_button_shows_the_drift(opened, browser, until):
    place = opened("drift_surfaces")
    place.find_elements("class name", "updatemenu-button")[1].click()
    shown = "return arguments[0].data.map(trace => trace.visible)"
    until(lambda: browser.execute_script(shown, place) == [False] * 3 + [True] * 3)


def test_slices_move_with_the_advantage_and_values_show_under_the_pointer(opened, until, pointer):
    place = opened("drift_by_advantage")
    slide(pointer, place, 0.0)
    until(lambda: "advantage A = −4" in place.text)
    plot = place.find_element("css selector", ".nsewdrag")
    pointer().move_to_element_with_offset(plot, 40, 0).perform()
    until(lambda: place.find_elements("css selector", ".hoverlayer .legend text"))
    words = " ".join(each.text for each in place.find_elements("css selector", ".hoverlayer .legend text"))
    assert "PPO, ε = 0.2 : -1.000" in words.replace("−", "-") and "DPO" in words and "lpo_drift_classic" in words


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_the_page_fits_says_nothing_on_the_console_and_asks_for_nothing(opened, browser, page, width):
    browser.get_log("browser"), browser.get_log("performance")
    opened("drift_surfaces", width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    # The driver of graphics of a machine without a GPU speaks of its own speed.
    assert not [entry for entry in browser.get_log("browser") if "GL Driver Message" not in entry["message"]]
    sent = [
        each["message"] for each in browser.get_log("performance") if 'Network.requestWillBeSent"' in each["message"]
    ]
    assert sent, "the page itself is a request"
    assert not [message for message in sent if '"url":"http' in message]


def test_panels_stand_one_above_the_other_on_a_narrow_page(opened, browser):
    scenes = "return ['scene', 'scene2', 'scene3'].map(name => arguments[0].layout[name].domain)"
    wide = browser.execute_script(scenes, opened("drift_surfaces", 1200))
    assert wide[0]["x"][1] < wide[1]["x"][0]
    narrow = browser.execute_script(scenes, opened("drift_surfaces", 360))
    assert narrow[0]["y"][0] > narrow[1]["y"][1]


def test_beyond_the_library_a_page_is_small(page):
    assert page.stat().st_size - len(get_plotlyjs().encode()) < MOST
