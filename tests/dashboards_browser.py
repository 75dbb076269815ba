"""What a person sees of the dashboards, told as JSON: run in Superset's virtualenv, where Playwright is.

    python dashboards_browser.py PLAN   (a JSON file: url, password_file, out, and steps; the answer goes to `out`)

It imports nothing of ours. Each page is watched: what it asks of which machine, what fails, what the console says.
"""

import json
import re
import sys
import time
from pathlib import Path

from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import sync_playwright

HOLDER = '[data-test="dashboard-component-chart-holder"]'
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
READY = """count => {
  const holders = [...document.querySelectorAll('[data-test="dashboard-component-chart-holder"]')]
    .filter(holder => holder.offsetParent);  // those of another tab stay in the page, unseen
  const busy = [...document.querySelectorAll('[data-test="loading-indicator"], .ant-spin-spinning')]
    .some(sign => sign.offsetParent);
  const drawn = holder => holder.querySelector('.slice_container')
    && holder.querySelector('canvas, .header-line, tbody tr, .ant-empty');
  return holders.length === count && !busy && holders.every(drawn);
}"""
CHARTS = """() => [...document.querySelectorAll('[data-test="dashboard-component-chart-holder"]')]
.filter(holder => holder.offsetParent).map(holder => {
  const canvas = holder.querySelector('canvas');
  let ink = null;
  if (canvas) {
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    ink = 0;
    for (let at = 3; at < pixels.length; at += 4) if (pixels[at]) ink++;
  }
  const title = holder.querySelector('[data-test="editable-title"], .header-title');
  const figure = holder.querySelector('.header-line');
  const clipped = title && title.scrollWidth > title.clientWidth + 1;
  const empty = !!holder.querySelector('.ant-empty');
  return {title: title ? title.innerText.trim() : '', ink, clipped: !!clipped, empty,
          figure: figure ? figure.innerText.trim() : null, rows: holder.querySelectorAll('tbody tr').length,
          text: holder.innerText.length};
})"""
BROKEN = '[data-test="error-message"], .ant-alert-error, .missing-chart-container, [data-test="chart-error"]'


class Watch:
    """What the page did: other machines asked, answers that failed, errors on the console."""

    def __init__(self, page, url):
        self.elsewhere, self.failed, self.console = {}, [], []
        page.on("request", lambda request: self._look(request.url, url))
        page.on("requestfailed", lambda request: self._look(request.url, url, request.failure))
        page.on("response", lambda answer: answer.status >= 400 and self.failed.append([answer.status, answer.url]))
        page.on("console", lambda line: line.type == "error" and self.console.append(line.text))

    def _look(self, asked, url, failure=None):
        """Note a request to another machine, and why it failed: "csp" is the browser's own refusal to send it."""
        if not asked.startswith((f"{url}/", "data:", "blob:")):
            self.elsewhere[asked.split("?")[0]] = failure


def log_in(page, url, password):
    """Log in as the one account, as a person would: who finds the form empty or dead after a while types again."""
    last = time.monotonic() + 90
    while True:
        page.goto(f"{url}/login/", wait_until="networkidle")  # what is typed before the form's script runs is lost
        page.locator("#username").fill("admin", timeout=90_000)
        page.locator("#password").fill(password)
        page.locator('[data-test="login-button"]').click()
        try:
            page.wait_for_url(
                lambda address: address.startswith(url) and "/login" not in address, wait_until="commit", timeout=30_000
            )
            return
        except PlaywrightTimeout as error:
            if time.monotonic() > last:
                found = f"{page.url}: {page.locator('body').inner_text()[:300]!r}"
                raise SystemExit(f"no login: {found}") from error


def wait_until_drawn(page, charts):
    """Wait until every chart is drawn and its animation is over."""
    page.wait_for_function(READY, arg=charts, timeout=120_000)
    page.wait_for_timeout(2500)


def read_figure(page, title):
    """Return the text of a figure by its chart's title."""
    holder = page.locator(HOLDER).filter(has=page.locator(".header-line"))
    return holder.filter(has_text=title).locator(".header-line").first.inner_text().strip()


def wait_for_figure(page, title, expected, seconds):
    """Return the figure once it is the expected one, or what it is after so many seconds."""
    deadline = time.monotonic() + seconds
    while (found := read_figure(page, title)) != expected and time.monotonic() < deadline:
        page.wait_for_timeout(250)
    return found


def read_table(page, title):
    """Return the cells of a table by its chart's title, a list for each row."""
    rows = page.locator(HOLDER).filter(has_text=title).locator("tbody tr")
    return [row.locator("td").all_inner_texts() for row in rows.all()]


def choose(page, name, value):
    """Choose a value in a native filter and apply it."""
    page.locator('[data-test="filter-bar"], .filter-bar').first.wait_for()
    labels = page.locator('[data-test="filter-control-name"]').all_inner_texts()
    field = page.locator('[data-test="form-item-value"]').nth([label.strip() for label in labels].index(name))
    field.locator("input").first.click()
    page.keyboard.type(value)
    page.locator(".ant-select-item-option").filter(has_text=re.compile(rf"^\u200b*{re.escape(value)}$")).first.click()
    page.keyboard.press("Escape")
    page.locator('[data-test="filter-bar__apply-button"]').click()


def act(page, step, answer):
    """Do one step of the plan."""
    kind = step["do"]
    if kind == "open":
        page.set_viewport_size({"width": step.get("width", 1440), "height": step.get("height", 1000)})
        began = time.monotonic()
        page.goto(f"{step['url']}/superset/dashboard/{step['slug']}/")
        wait_until_drawn(page, step["charts"])
        answer.update(charts=page.evaluate(CHARTS), broken=page.locator(BROKEN).all_inner_texts())
        answer["seconds"] = time.monotonic() - began
    elif kind == "tab":
        page.get_by_role("tab", name=step["name"]).click()
        wait_until_drawn(page, step["charts"])
        answer.update(charts=page.evaluate(CHARTS), broken=page.locator(BROKEN).all_inner_texts())
    elif kind == "native":
        choose(page, step["filter"], step["value"])
    elif kind == "cross":
        cell = page.locator(HOLDER).filter(has_text=step["chart"]).locator("td")
        cell.filter(has_text=re.compile(rf"^\u200b*{re.escape(step['value'])}$")).first.click()
    elif kind == "figure":
        answer["figure"] = wait_for_figure(page, step["chart"], step["expected"], step.get("seconds", 60))
    elif kind == "table":
        answer["rows"] = read_table(page, step["chart"])
    elif kind == "shot":
        if "charts" in step:
            wait_until_drawn(page, step["charts"])
        page.screenshot(path=step["path"])
    elif kind == "tell":
        Path(step["path"]).touch()


def main():
    """Carry the plan out and write the answers."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    answers, password = [], Path(plan["password_file"]).read_text()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=plan["chromium"], args=FLAGS)
        context = browser.new_context(reduced_motion="reduce", locale="en-GB", timezone_id="UTC")
        page = context.new_page()
        watch = Watch(page, plan["url"])
        log_in(page, plan["url"], password)
        for step in plan["steps"]:
            answer = {"do": step["do"]}
            try:
                act(page, {"url": plan["url"], **step}, answer)
            except Exception as error:  # told to the test, with a picture
                answer["error"] = f"{type(error).__name__}: {error}"[:600]
                page.screenshot(path=plan["out"] + ".png")
            answers.append(answer)
            if "error" in answer:
                break
        browser.close()
    seen = {"elsewhere": watch.elsewhere, "failed": watch.failed, "console": watch.console}
    Path(plan["out"]).write_text(json.dumps({"answers": answers, **seen}, indent=1))


if __name__ == "__main__":
    main()
