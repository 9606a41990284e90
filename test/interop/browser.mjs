// Starts Debian's Chromium with a new, empty profile and collects what is needed to understand a
// failure: the console of every page, uncaught errors, crashes. One browser serves one test file.

import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

/** Why the suite cannot run here, or null. */
export const missing = () =>
  existsSync(EXECUTABLE) ? null : `no Chromium at ${EXECUTABLE} (set CHROMIUM to another path)`;

/**
 * Launches Chromium.
 *
 * @param {{ arguments?: string[] }} [options] Further command line flags.
 * @returns {Promise<Browser>}
 */
export async function launch(options = {}) {
  const browser = await chromium.launch({
    executablePath: EXECUTABLE,
    headless: true,
    args: [...FLAGS, ...(options.arguments ?? [])],
    timeout: LAUNCH_TIMEOUT_MS,
  });
  return new Browser(browser);
}

/** A running browser; each page lives in a context of its own and shares nothing with the others. */
class Browser {
  #browser;
  #pages = new Set();

  constructor(browser) {
    this.#browser = browser;
  }

  get version() {
    return this.#browser.version();
  }

  /** Opens `url` in a fresh context; the file `script` runs there before the page's own. */
  async open(name, url, script = null, contextOptions = {}) {
    const context = await this.#browser.newContext(contextOptions);
    const page = await context.newPage();
    page.setDefaultTimeout(PAGE_TIMEOUT_MS);
    if (script) await page.addInitScript({ path: script });
    const opened = new Page(name, page);
    this.#pages.add(opened);
    await page.goto(url);
    return opened;
  }

  /** Everything the pages said, for a failure message. */
  async report() {
    const parts = [];
    for (const page of this.#pages) parts.push(await page.report());
    return parts.join('\n');
  }

  /** Closes the pages of one scenario; the browser stays. */
  async closePages() {
    const pages = [...this.#pages];
    this.#pages.clear();
    await Promise.all(pages.map((opened) => opened.close()));
  }

  async close() {
    await this.closePages();
    await this.#browser.close();
  }
}

/** One page together with its diary. */
class Page {
  #diary = [];

  constructor(name, page) {
    this.name = name;
    this.page = page;
    const started = Date.now();
    const note = (what) => {
      this.#diary.push(`${String(Date.now() - started).padStart(6)} ms  ${what}`);
      if (this.#diary.length > DIARY_LENGTH) this.#diary.shift();
    };
    page.on('console', (message) => note(`console.${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => note(`uncaught: ${error.stack ?? error}`));
    page.on('crash', () => note('the page crashed'));
    page.on('requestfailed', (request) => note(`request failed: ${request.url()}`));
  }

  /** Runs `body(argument)` in the page; rejects when it takes longer than `timeout` ms. */
  async run(body, argument, { timeout = PAGE_TIMEOUT_MS } = {}) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`page ${this.name}: no result within ${timeout} ms`)),
        timeout,
      );
    });
    try {
      return await Promise.race([this.page.evaluate(body, argument), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Errors that the page did not catch itself. */
  get uncaught() {
    return this.#diary.filter((line) => line.includes('uncaught: ') || line.includes('crashed'));
  }

  async report() {
    const lines = [`--- page ${this.name}`, ...this.#diary];
    const state = await this.run(() => globalThis.scenario?.report(), undefined, {
      timeout: REPORT_TIMEOUT_MS,
    }).catch((error) => `no state: ${error.message}`);
    if (state !== undefined) lines.push(String(state));
    return lines.join('\n');
  }

  async close() {
    await this.page.context().close();
  }
}

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';

// Loopback candidates are off by default and host names replace addresses without camera
// permission; both would leave pages on one machine without a path to the server.
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
  '--allow-loopback-in-peer-connection',
  '--disable-background-networking',
  '--no-first-run',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
];

const LAUNCH_TIMEOUT_MS = 30_000;
const PAGE_TIMEOUT_MS = 30_000;
const REPORT_TIMEOUT_MS = 3_000;
const DIARY_LENGTH = 300;
