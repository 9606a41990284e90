// What a viewer's own statistics say about the media that the server sends it.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { launch, missing } from './browser.mjs';
import { inRoom } from './scenario.mjs';

const MEDIA_MS = 15_000;
const GCM = 'SRTP_AEAD_AES_128_GCM';
const CM = 'SRTP_AES128_CM_HMAC_SHA1_80';

describe('media as a browser sees it', { skip: missing() ?? false }, () => {
  let browser;

  before(async () => {
    browser = await launch();
  });

  after(() => browser?.close());

  it('is encrypted with GCM where the server chooses', { timeout: 60_000 }, async (t) => {
    await inRoom(browser, {}, async ({ enter }) => {
      const [sender, viewer] = [await enter('sender'), await enter('viewer')];
      await watchOne(sender, viewer);
      const sent = await sender.do('numbers', 'publish');
      const received = await viewer.do('numbers', 'subscribe');
      t.diagnostic(`Chromium ${browser.version}`);
      t.diagnostic(`published with ${sent.srtpCipher}, ${sent.dtlsVersion}`);
      t.diagnostic(`watched with ${received.srtpCipher}, ${received.dtlsVersion}`);
      // RFC 5764 §4.1.2: the DTLS server chooses, which the page is when it publishes and the
      // server is when it offers. Chromium offers both profiles and prefers counter mode.
      assert.ok([GCM, CM].includes(sent.srtpCipher), sent.srtpCipher);
      assert.equal(received.srtpCipher, GCM);
    });
  });

  for (const profile of [CM, GCM]) {
    it(`is encrypted with ${profile} alone`, { timeout: 60_000 }, async () => {
      await inRoom(browser, { srtpProfiles: [profile] }, async ({ enter }) => {
        const [sender, viewer] = [await enter('sender'), await enter('viewer')];
        await watchOne(sender, viewer);
        assert.equal((await sender.do('numbers', 'publish')).srtpCipher, profile);
        assert.equal((await viewer.do('numbers', 'subscribe')).srtpCipher, profile);
      });
    });
  }

  it('loses only what a viewer muted, and gets it back', { timeout: 120_000 }, async () => {
    await inRoom(browser, {}, async ({ enter }) => {
      const [sender, viewer] = [await enter('sender'), await enter('viewer')];
      const muted = await watchOne(sender, viewer);
      const other = await watchOne(sender, viewer);

      await viewer.do('mute', muted, { audio: true, video: false });
      await viewer.until('noMorePackets', MEDIA_MS, muted, 'audio', other, 50);
      const silent = await viewer.do('streamNumbers', muted);
      await viewer.until('moreFramesDecoded', MEDIA_MS, muted, silent.video.framesDecoded + 20);
      await viewer.do('mute', muted, { audio: false, video: false });
      await viewer.until('morePackets', MEDIA_MS, muted, 'audio', silent.audio.packetsReceived);
      await viewer.until('moreEnergy', MEDIA_MS, muted, silent.audio.audioEnergy + 1e-4);

      // Muted VP8 shows a black frame now and then (contract M-MUTE-2), so packets nearly stop.
      await viewer.do('mute', muted, { audio: false, video: true });
      await viewer.until('noMorePackets', MEDIA_MS, muted, 'video', other, 20);
      const dark = await viewer.do('streamNumbers', muted);
      const heard = dark.audio.packetsReceived;
      await viewer.until('morePackets', MEDIA_MS, muted, 'audio', heard + 20);
      await viewer.do('mute', muted, { audio: false, video: false });
      await viewer.until('moreFramesDecoded', MEDIA_MS, muted, dark.video.framesDecoded + 20);
    });
  });

  it('reaches five viewers of one stream', { timeout: 120_000 }, async () => {
    await inRoom(browser, {}, async ({ enter }) => {
      const sender = await enter('sender');
      const id = await sender.do('publish', { width: 160, height: 120, frameRate: 15 });
      const viewers = [];
      for (let index = 0; index < 5; index++) viewers.push(await enter(`viewer ${index}`));
      await Promise.all(
        viewers.map(async (viewer) => {
          await viewer.until('stream', MEDIA_MS, id);
          await viewer.do('subscribe', id);
          await viewer.until('frames', MEDIA_MS, id, 15);
          await viewer.until('sound', MEDIA_MS, id, 1e-4);
        }),
      );
    });
  });
});

/** Publishes one more stream and waits until the viewer sees and hears it. */
async function watchOne(sender, viewer) {
  const id = await sender.do('publish');
  await viewer.until('stream', MEDIA_MS, id);
  await viewer.do('subscribe', id);
  await viewer.until('frames', MEDIA_MS, id, 20);
  await viewer.until('sound', MEDIA_MS, id, 1e-4);
  return id;
}
