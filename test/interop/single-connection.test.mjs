// Everything that a page publishes, and everything that it watches, goes over one connection each:
// further streams are renegotiations that touch neither ICE nor DTLS nor the streams already there
// (contract NEG-27, NEG-72, SCN-30, SCN-31).

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch, missing } from './browser.mjs';
import { disturbances, inRoom, LONGEST_PAUSE_MS } from './scenario.mjs';

const MEDIA_MS = 15_000;
const ROUNDS = 20;

describe('a single connection per direction', { skip: missing() ?? false }, () => {
  let browser;

  before(async () => {
    browser = await launch();
  });

  after(() => browser?.close());

  it('carries VP8 and opus while streams come and go', { timeout: 120_000 }, async (t) => {
    await inRoom(browser, { codecs: ['VP8'] }, (room) => comeAndGo(t, room, 'VP8'));
  });

  it('carries H264 and opus while streams come and go', { timeout: 120_000 }, async (t) => {
    if (!(await encodes(browser, 'H264'))) {
      t.skip('this Chromium has no H264 encoder; the Rust suite sends H264 by the webrtc crate');
      return;
    }
    await inRoom(browser, { codecs: ['H264'] }, (room) => comeAndGo(t, room, 'H264'));
  });

  it('does the same as an ICE-lite server', { timeout: 120_000 }, async (t) => {
    const options = { codecs: ['VP8'], iceLite: true };
    await inRoom(browser, options, (room) => comeAndGo(t, room, 'VP8'));
  });

  it('carries a subscription that comes and goes 20 times', { timeout: 180_000 }, async (t) => {
    await inRoom(browser, {}, async ({ enter }) => {
      const [sender, viewer] = [await enter('sender'), await enter('viewer')];
      await Promise.all([sender.do('startControl'), viewer.do('startControl')]);
      const stays = await sender.do('publish');
      const changes = await sender.do('publish');
      await viewer.until('stream', MEDIA_MS, changes);
      await viewer.do('subscribe', stays);
      await viewer.until('frames', MEDIA_MS, stays, 10);
      await viewer.do('measureFrom', stays);

      for (let round = 0; round < ROUNDS; round++) {
        await viewer.do('subscribe', changes);
        await viewer.until('sectionsInUse', MEDIA_MS, 'subscribe', 4);
        await viewer.until('frames', MEDIA_MS, changes, 3);
        await viewer.do('unsubscribe', changes);
        await viewer.until('sectionsInUse', MEDIA_MS, 'subscribe', 2);
      }

      const connection = await viewer.onlyConnection('subscribe');
      assert.deepEqual(disturbances(connection), []);
      const { sections } = connection.descriptions.at(-1);
      assert.equal(sections.length, 4, `sections were not recycled: ${sections}`);
      await assertNoPause(t, sender, viewer, stays);
    });
  });

  it('carries a publication that comes and goes 20 times', { timeout: 180_000 }, async (t) => {
    await inRoom(browser, {}, async ({ enter }) => {
      const [sender, viewer] = [await enter('sender'), await enter('viewer')];
      await Promise.all([sender.do('startControl'), viewer.do('startControl')]);
      const stays = await sender.do('publish');
      await viewer.until('stream', MEDIA_MS, stays);
      await viewer.do('subscribe', stays);
      await viewer.until('frames', MEDIA_MS, stays, 10);
      await viewer.do('measureFrom', stays);

      for (let round = 0; round < ROUNDS; round++) {
        const changes = await sender.do('publish');
        await viewer.until('stream', MEDIA_MS, changes);
        await viewer.do('subscribe', changes);
        await viewer.until('frames', MEDIA_MS, changes, 3);
        await sender.do('unpublish', changes);
        await viewer.until('noStream', MEDIA_MS, changes);
        await viewer.until('sectionsInUse', MEDIA_MS, 'subscribe', 2);
      }

      for (const [person, direction] of [
        [sender, 'publish'],
        [viewer, 'subscribe'],
      ]) {
        const connection = await person.onlyConnection(direction);
        assert.deepEqual(disturbances(connection), []);
        assert.equal(connection.descriptions.at(-1).sections.length, 4);
      }
      await assertNoPause(t, sender, viewer, stays);
    });
  });

  it('keeps its keys and its streams when the page restarts ICE', { timeout: 60_000 }, async () => {
    await inRoom(browser, {}, async ({ enter }) => {
      const [sender, viewer] = [await enter('sender'), await enter('viewer')];
      const id = await sender.do('publish');
      await viewer.until('stream', MEDIA_MS, id);
      await viewer.do('subscribe', id);
      await viewer.until('frames', MEDIA_MS, id, 10);

      const before = (await sender.onlyConnection('publish')).descriptions.at(-1);
      await sender.do('restartIce');
      await sender.until('ufragOtherThan', MEDIA_MS, 'publish', before.ufrag);
      await sender.until('connected', MEDIA_MS, 'publish');
      await viewer.do('measureFrom', id);
      await viewer.until('frames', MEDIA_MS, id, 40);

      const after = (await sender.onlyConnection('publish')).descriptions.at(-1);
      assert.equal(after.fingerprint, before.fingerprint);
      assert.notEqual(after.password, before.password);
    });
  });
});

/** One page publishes three streams; another watches one, then all, then the last two. */
async function comeAndGo(t, { enter }, codec) {
  const [sender, viewer] = [await enter('sender'), await enter('viewer')];
  await Promise.all([sender.do('startControl'), viewer.do('startControl')]);
  const first = await sender.do('publish');
  await viewer.until('stream', MEDIA_MS, first);
  await viewer.do('subscribe', first);
  const [seen, heard] = await Promise.all([
    viewer.until('frames', MEDIA_MS, first, 101),
    viewer.until('sound', MEDIA_MS, first, 1e-4),
  ]);
  const { video, audio } = await viewer.do('streamNumbers', first);
  assert.equal(video.codec, codec);
  assert.equal(audio.codec, 'opus');
  assert.ok(video.framesDecoded > 100, `${video.framesDecoded} frames decoded`);
  t.diagnostic(`${video.framesDecoded} frames decoded after ${seen} ms, sound after ${heard} ms`);

  await viewer.do('measureFrom', first);
  const others = [await sender.do('publish'), await sender.do('publish')];
  for (const id of others) {
    await viewer.until('stream', MEDIA_MS, id);
    await viewer.do('subscribe', id);
  }
  for (const id of others) {
    await viewer.until('frames', MEDIA_MS, id, 30);
    await viewer.until('sound', MEDIA_MS, id, 1e-4);
  }
  await viewer.until('sectionsInUse', MEDIA_MS, 'subscribe', 6);
  await assertNoPause(t, sender, viewer, first);

  for (const id of others) await viewer.do('measureFrom', id);
  await viewer.do('unsubscribe', first);
  await viewer.until('sectionsInUse', MEDIA_MS, 'subscribe', 4);
  for (const id of others) {
    await viewer.until('frames', MEDIA_MS, id, 60);
    await assertNoPause(t, sender, viewer, id);
  }

  for (const [person, direction] of [
    [sender, 'publish'],
    [viewer, 'subscribe'],
  ]) {
    const connection = await person.onlyConnection(direction);
    assert.ok(connection.descriptions.length >= 3, 'too few negotiations to prove anything');
    assert.deepEqual(disturbances(connection), [], `${direction} connection`);
  }
}

async function assertNoPause(t, sender, viewer, id) {
  const senderStalls = await sender.do('stalls');
  const { frames, longestGap, longestStall } = await viewer.do('measured', id, senderStalls);
  t.diagnostic(`${id}: ${frames} frames, longest gap ${longestGap} ms (stood still ${longestStall})`);
  assert.ok(
    longestGap <= LONGEST_PAUSE_MS,
    `${id} paused for ${longestGap} ms in ${frames} frames (pages stood still ${longestStall} ms)`,
  );
}

async function encodes(browser, codec) {
  const page = await browser.open('capabilities', 'about:blank');
  const types = await page.run(() =>
    RTCRtpSender.getCapabilities('video').codecs.map(({ mimeType }) => mimeType),
  );
  await browser.closePages();
  return types.includes(`video/${codec}`);
}
