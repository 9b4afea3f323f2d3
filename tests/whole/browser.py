"""browser: headless Chromium, as somebody who looks at the worker's page.

    with Browser() as browser:
        browser.open("http://127.0.0.1:9464/")
        browser.wait_for("Ready", "#state")
        browser.click("#theme")
        browser.look(400, "dark")
"""
import os
import pathlib
import shutil

from child import wait_until
from tap import skip

try:
    from selenium import webdriver
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.by import By
except ImportError:
    webdriver = None

SECONDS = 30


class Browser:
    """Skips the test where Chromium, its driver or Selenium is missing. With RXP_TEST_SHOTS=FOLDER, shoot() keeps pictures."""

    def __init__(self):
        programs = [shutil.which("chromium"), shutil.which("chromedriver")]
        if webdriver is None or None in programs:
            skip("chromium, chromium-driver and python3-selenium are not all here")
        options = Options()
        options.binary_location = programs[0]
        words = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-proxy-server",
                 "--disable-background-networking", "--disable-component-update"]
        # Chromium's sandbox is not for root.
        for word in [*words, *(["--no-sandbox"] if os.geteuid() == 0 else [])]:
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # `Service` looks for the driver in no other place, so that nothing is fetched.
        self.driver = webdriver.Chrome(service=Service(programs[1]), options=options)
        self.driver.set_script_timeout(SECONDS)
        self.look(1280, "light")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()

    def open(self, address):
        self.driver.get(address)

    def look(self, width, scheme, height=900):
        """Through a window of that width, by somebody who prefers light or dark."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                                    {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia",
                                    {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def run(self, script, *arguments):
        """What JavaScript returns."""
        return self.driver.execute_script(script, *arguments)

    def count(self, selector):
        return len(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def text(self, selector):
        """As it can be seen; "" where it is hidden or not there."""
        return self.run("""const node = document.querySelector(arguments[0]);
            return node && node.checkVisibility() ? node.innerText : ''""", selector)

    def wait_for(self, words, selector="body", seconds=SECONDS):
        try:
            wait_until(lambda: words in self.text(selector), seconds, f"'{words}' in {selector}")
        except AssertionError as error:
            raise AssertionError(f"{error}; there is:\n{self.text(selector)}\n{self.text('#state')}") from None

    def click(self, selector):
        """As soon as it can be."""
        def done():
            try:
                self.driver.find_element(By.CSS_SELECTOR, selector).click()
            except WebDriverException:
                return False
            return True
        wait_until(done, SECONDS, f"something to click at {selector}")

    def type(self, selector, words):
        """Into a field, in place of what is there."""
        field = self.driver.find_element(By.CSS_SELECTOR, selector)
        field.clear()
        field.send_keys(words)

    def complaints(self):
        """What the page said to the console: errors of scripts, violations of its policy. Not that an answer was no 200."""
        return [line["message"] for line in self.driver.get_log("browser") if "Failed to load resource" not in line["message"]]

    def overflow(self):
        """By how many pixels it is wider than the window."""
        return self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def shoot(self, name, width, scheme):
        folder = os.environ.get("RXP_TEST_SHOTS")
        if folder:
            self.look(width, scheme)
            self.look(width, scheme, self.run("return document.documentElement.scrollHeight"))
            self.driver.save_screenshot(str(pathlib.Path(folder) / f"{name}-{width}-{scheme}.png"))
        self.look(width, scheme)
