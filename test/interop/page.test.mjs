// The room page, used as a person would: by its fields and buttons.

import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { after, before, describe, it } from 'node:test';

import { launch, missing } from './browser.mjs';
import { withReport } from './scenario.mjs';

const { start } = createRequire(import.meta.url)('../../examples/room/server.js');

const LOCAL = { host: '127.0.0.1', networkInterface: 'lo' };

describe('the room page', { skip: missing() ?? false }, () => {
  let browser;

  before(async () => {
    browser = await launch();
  });

  after(() => browser?.close());

  it('shows two people to each other', { timeout: 90_000 }, async () => {
    await withServer(browser, LOCAL, async ({ url }) => {
      const ada = await join(browser, url, 'Ada', 'picture');
      const bob = await join(browser, url, 'Bob', 'camera');
      for (const { page } of [ada, bob]) {
        await page.waitForSelector('.tile.own.with-picture');
        await page.waitForSelector('.tile:not(.own).with-picture');
        await page.waitForFunction(() =>
          [...document.querySelectorAll('.tile .numbers')].every((numbers) =>
            /×.*fps.*bit\/s/.test(numbers.textContent),
          ),
        );
        await page.click('[title=Statistics]');
        await page.waitForFunction(() =>
          /AES_?128_/.test(document.querySelector('.panel').textContent),
        );
      }

      const tile = ada.page.locator('.tile:not(.own)');
      await tile.hover();
      await tile.locator('[aria-label="Stop video for you"]').click();
      await ada.page.waitForSelector('.tile:not(.own):not(.with-picture)');
      await tile.locator('[aria-label="Start video for you"]').click();
      await ada.page.waitForSelector('.tile:not(.own).with-picture');
      await tile.locator('[aria-label=Unsubscribe]').click();
      await ada.page.click('.tile:not(.own) .primary');
      await ada.page.waitForSelector('.tile:not(.own).with-picture');

      await bob.page.locator('.tile.own').hover();
      await bob.page.locator('.tile.own [aria-label=Unpublish]').click();
      await ada.page.waitForFunction(() => !document.querySelector('.tile:not(.own)'));
      await ada.page.click('.dock .danger');
      await bob.page.waitForSelector('.empty');
      assert.deepEqual([...ada.uncaught, ...bob.uncaught], []);
    });
  });

  it('says so when the server is gone, and comes back with it', { timeout: 60_000 }, async () => {
    let again;
    try {
      await withServer(browser, LOCAL, async (server) => {
        const { page } = await join(browser, server.url, 'Ada', 'picture');
        await page.waitForSelector('.tile.own.with-picture');
        await server.close();
        await page.getByText('The server is gone').waitFor();
        again = await start({ ...LOCAL, port: Number(new URL(server.url).port) });
        await page.waitForSelector('.tile.own.with-picture');
      });
    } finally {
      await again?.close();
    }
  });

  it('explains a camera that was refused', { timeout: 60_000 }, async () => {
    await withServer(browser, LOCAL, async ({ url }) => {
      const { page } = await join(browser, url, 'Ada', 'camera', () => {
        navigator.mediaDevices.getUserMedia = () =>
          Promise.reject(new DOMException('', 'NotAllowedError'));
      });
      await page.getByText('The camera was refused').waitFor();
      await page.click('.empty button:has-text("test picture")');
      await page.waitForSelector('.tile.own.with-picture');
    });
  });

  it('says which ports are busy when there is none for media', { timeout: 60_000 }, async () => {
    const busy = createSocket('udp4').bind(0, '127.0.0.1');
    await once(busy, 'listening');
    const { port } = busy.address();
    const expected = `no UDP port from ${port} to ${port} is free on lo`;
    const log = [];
    const options = { ...LOCAL, minPort: port, maxPort: port, workers: 1 };
    try {
      await withServer(browser, options, async ({ url }) => {
        const { page } = await join(browser, url, 'Ada', 'picture');
        await page.getByText('The server has no port for media').waitFor();
        await page.getByText(expected.slice(1)).waitFor();
        await page.waitForSelector('.empty');
        busy.close();
        await once(busy, 'close');

        await page.click('.empty button:has-text("test picture")');
        await page.waitForSelector('.tile.own.with-picture');
        await page.waitForSelector('.pill .dot.good');
      }, log);
    } finally {
      busy.unref(); // Closing twice would throw.
    }
    assert.ok(log.includes(`p1 publish failed: ${expected}`), log.join('\n'));
  });

  it('explains an addon that is not built', { timeout: 60_000 }, async () => {
    const addonError = 'tried js/erizo.node: not found';
    await withServer(browser, { ...LOCAL, addon: null, addonError }, async ({ url }) => {
      const { page } = await open(browser, url, 'Ada', 'picture');
      await page.getByText('The media engine is not built').waitFor();
      await page.getByText(addonError).waitFor();
    });
  });
});

async function withServer(browser, options, body, log = []) {
  const server = await start({ ...options, log: (text) => log.push(text) });
  try {
    await body(server);
  } catch (error) {
    throw withReport(error, `--- server\n${log.join('\n')}\n${await browser.report()}`);
  } finally {
    await browser.closePages();
    await server.close();
  }
}

/** Fills in the lobby and sends it off. */
async function open(browser, url, name, source, prepare = null) {
  const opened = await browser.open(name, url);
  const { page } = opened;
  if (prepare) await page.evaluate(prepare);
  await page.fill('[name=name]', name);
  await page.check(`[name=source][value=${source}]`, { force: true });
  await page.click('[type=submit]');
  return opened;
}

async function join(...parameters) {
  const opened = await open(...parameters);
  await opened.page.waitForSelector('.room');
  return opened;
}
