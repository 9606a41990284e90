// Licode's own ErizoJS on the addon, with Chromium as the client: nothing of either is replaced but
// the message broker between them. Runs by `npm run test:licode -- --licode <folder>`.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch, missing } from '../interop/browser.mjs';
import { ErizoJs, missingLicode } from './erizo_js.mjs';
import { MEDIA_MS, openPage, Person, servePage } from './people.mjs';

const LOOK_AGAIN_MS = 50;

describe('ErizoJS with Chromium', { skip: missingLicode() ?? missing() ?? false }, () => {
  let browser;
  let page;

  before(async () => {
    page = await servePage();
    browser = await launch();
  });

  after(async () => {
    await browser?.close();
    await page?.close();
  });

  /** Runs `body` with a fresh ErizoJS; it has to end well and by itself when the last one leaves. */
  async function inErizoJs(settings, body) {
    const erizoJs = await ErizoJs.start({ networkinterface: 'lo', ...settings });
    const windows = new Map();
    const enter = async (id, options, name = id) => {
      if (!windows.has(name)) windows.set(name, await openPage(browser, page.url, name));
      return new Person(erizoJs, windows.get(name), id, options);
    };
    try {
      await body({ erizoJs, enter });
      assert.deepEqual(await erizoJs.ended(), { code: 0, signal: null });
      assert.deepEqual(erizoJs.incidents, []);
      const uncaught = [...windows.values()].flatMap(({ opened }) => opened.uncaught);
      assert.deepEqual(uncaught, []);
    } catch (error) {
      error.message += `\n\n${await browser.report()}`;
      throw error;
    } finally {
      await browser.closePages();
      await erizoJs.dispose();
    }
  }

  for (const singlePC of [true, false]) {
    const connections = singlePC ? 'one connection' : 'a connection per stream';
    it(`adds, removes and restarts over ${connections}`, { timeout: 180_000 }, () =>
      inErizoJs({}, async ({ enter }) => {
        const sender = await enter('sender', { singlePC });
        const viewer = await enter('viewer', { singlePC });
        const expected = (count) => (singlePC ? 1 : count);

        const published = [];
        for (let number = 0; number < 3; number++) published.push(await sender.publish());
        assert.equal(await sender.do('count'), expected(3));
        const [stays, comesBack, goes] = published;
        // All at once: ErizoJS bundles what it can into one offer.
        const watched = await Promise.all(published.map((stream) => viewer.subscribe(stream)));
        await Promise.all(published.map((stream) => viewer.seesMore(stream)));
        assert.equal(await viewer.do('count'), expected(3));

        // Removes one of each.
        await viewer.unsubscribe(comesBack);
        if (singlePC) await viewer.until('active', watched[0].connectionId, 4);
        await viewer.seesMore(stays);
        await viewer.seesMore(goes);
        await sender.unpublish(goes);
        if (singlePC) await viewer.until('active', watched[0].connectionId, 2);
        await viewer.seesMore(stays);

        // Adds one of each.
        const comes = await sender.publish();
        await viewer.subscribe(comes);
        await viewer.subscribe(comesBack);
        for (const stream of [stays, comesBack, comes]) await viewer.seesMore(stream);
        if (singlePC) await viewer.until('active', watched[0].connectionId, 6);

        // Restarts ICE of either side; DTLS stays.
        for (const [person, stream] of [[sender, stays], [viewer, watched[0]]]) {
          const { connectionId } = stream;
          const first = await person.do('session', connectionId);
          await person.do('restartIce', connectionId);
          await person.until('otherUfrag', connectionId, first.ufrag);
          await person.until('connected', connectionId);
          const second = await person.do('session', connectionId);
          assert.equal(second.fingerprint, first.fingerprint);
          await viewer.seesMore(stays);
        }

        // And ErizoJS still makes offers of its own afterwards.
        await viewer.unsubscribe(comes);
        await viewer.subscribe(comes);
        for (const stream of [stays, comesBack, comes]) await viewer.seesMore(stream);

        await viewer.leave();
        await sender.leave();
        assert.deepEqual([...sender.failures, ...viewer.failures], []);
      }),
    );
  }

  for (const pace of ['one after the other', 'all at once']) {
    it(`closes in every order, ${pace}`, { timeout: 600_000 }, () =>
      inErizoJs({}, async ({ erizoJs, enter }) => {
        const keeper = await enter('keeper', { singlePC: true });
        await keeper.publish();
        const baseline = await census(erizoJs);

        let number = 0;
        for (const order of permutations(['unpublish', 'unsubscribe', 'sender', 'viewer', 'pages'])) {
          number += 1;
          const singlePC = number % 4 !== 0;
          const sender = await enter(`sender ${number}`, { singlePC }, 'sender');
          const viewer = await enter(`viewer ${number}`, { singlePC }, 'viewer');
          const stream = await sender.publish();
          await viewer.subscribe(stream);
          if (number % 8 === 1) await viewer.seesMore(stream, { frames: 1, sound: 1 });

          // Calls as erizoController makes them, which does not wait for ErizoJS either.
          const steps = {
            unpublish: () => erizoJs.tell('removePublisher', [sender.id, stream.id]),
            unsubscribe: () => erizoJs.tell('removeSubscriber', [viewer.id, stream.id]),
            sender: () => erizoJs.tell('removeClient', [sender.id]),
            viewer: () => erizoJs.tell('removeClient', [viewer.id]),
            pages: () => Promise.all([sender.closePage(), viewer.closePage()]),
          };
          for (const name of order) {
            const done = steps[name]();
            if (pace === 'one after the other') {
              await done;
              await erizoJs.call('metrics'); // Its turn comes after the step's own.
            }
          }
          await settled(erizoJs, baseline, order);
          sender.forget();
          viewer.forget();
          await Promise.all([sender.closePage(), viewer.closePage()]);
        }
        assert.equal(number, 120);
        await keeper.leave();
        assert.deepEqual(keeper.failures, []);
      }),
    );
  }
});

/** What ErizoJS holds. */
async function census(erizoJs) {
  const [{ publishers, subscribers, totalConnections }] = await erizoJs.call('metrics');
  return { publishers, subscribers, totalConnections };
}

/** Waits until ErizoJS holds no more than before. */
async function settled(erizoJs, baseline, order) {
  const end = Date.now() + MEDIA_MS;
  for (;;) {
    const now = await census(erizoJs);
    if (JSON.stringify(now) === JSON.stringify(baseline)) return;
    if (Date.now() > end) assert.deepEqual(now, baseline, `left after ${order.join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}

function permutations(items) {
  if (items.length < 2) return [items];
  return items.flatMap((item, index) =>
    permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]),
  );
}
