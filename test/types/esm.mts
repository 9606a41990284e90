// The ESM entry has the classes by name and as members of the default export.

import erizo, { ThreadPool, WebRtcConnection, version } from 'erizo-rs';
import * as all from 'erizo-rs';

const pool: ThreadPool = new erizo.ThreadPool(1);
const isPool: boolean = pool instanceof all.ThreadPool;
const text: string = version;
const Class: typeof WebRtcConnection = erizo.WebRtcConnection;
export { Class, isPool, text };
