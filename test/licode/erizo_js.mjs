// ErizoJS in a process of its own, seen from ErizoController's place: methods to call, answers and
// messages to wait for. Every wait has an end, and says what it saw instead.

import { fork } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./erizo_js.js', import.meta.url));
const DIARY = fileURLToPath(new URL('./diary.js', import.meta.url));

/** How long an answer may take; the addon needs milliseconds, a busy machine more. */
export const ANSWER_MS = 15_000;

/** Why the suite cannot run here, or null. */
export const missingLicode = () =>
  process.env.LICODE ? null : 'no Licode folder: npm run test:licode -- --licode <folder>';

/** A running ErizoJS. Emits `message` for what it sends to ErizoController. */
export class ErizoJs extends EventEmitter {
  #child;
  #directory;
  #calls = 0;
  #heard = [];
  #output = '';
  #ended;

  static async start(settings = {}) {
    const erizoJs = new ErizoJs(settings);
    await erizoJs.until('its start', ({ started }) => started);
    return erizoJs;
  }

  constructor(settings) {
    super();
    this.setMaxListeners(0);
    this.#directory = mkdtempSync(path.join(tmpdir(), 'erizo-rs-erizojs-'));
    this.#child = fork(PROGRAM, [process.env.LICODE, JSON.stringify(settings)], {
      execArgv: ['--require', DIARY],
      env: { ...process.env, ERIZO_RS_DIARY: this.diary },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        this.#output = (this.#output + text).slice(-OUTPUT_LENGTH);
      });
    }
    this.#child.on('message', (message) => {
      this.#heard.push(message);
      this.emit('message', message);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        this.emit('message', { ended: true });
        resolve({ code, signal });
      });
    });
  }

  get diary() {
    return path.join(this.#directory, 'diary.jsonl');
  }

  /** Rejections that nobody handled, uncaught exceptions and warnings that the addon caused. */
  get incidents() {
    try {
      const lines = readFileSync(this.diary, 'utf8').split('\n').filter(Boolean);
      return lines.map((line) => JSON.parse(line)).filter(({ ours }) => ours);
    } catch {
      return [];
    }
  }

  /** Calls a method of the controller; resolves with its first answer. */
  async call(method, parameters = []) {
    const call = this.tell(method, parameters);
    const answered = (message) => message.call === call;
    return (await this.until(`an answer to ${method}`, answered)).values;
  }

  /** Calls a method that answers in several steps: `answer(type)` resolves with one of them. */
  calls(method, parameters) {
    const call = this.tell(method, parameters);
    const answer = async (type) => {
      const wanted = (message) => message.call === call && message.values[1]?.type === type;
      return (await this.until(`"${type}" of ${method}`, wanted)).values[1];
    };
    return { answer };
  }

  /** Calls a method and does not wait for anything. */
  tell(method, parameters) {
    const call = ++this.#calls;
    if (this.#child.connected) this.#child.send({ call, method, parameters }, () => {});
    return call;
  }

  /** Resolves with the first message, also among the earlier ones, that `accepts` accepts. */
  until(what, accepts, { timeout = ANSWER_MS } = {}) {
    const earlier = this.#heard.find(accepts);
    if (earlier) return Promise.resolve(earlier);
    return new Promise((resolve, reject) => {
      const settle = (action) => {
        clearTimeout(timer);
        this.off('message', look);
        action();
      };
      const look = (message) => {
        if (message.ended) settle(() => reject(this.#failure(`ErizoJS ended before ${what}`)));
        else if (accepts(message)) settle(() => resolve(message));
      };
      const timer = setTimeout(
        () => settle(() => reject(this.#failure(`not within ${timeout} ms: ${what}`))),
        timeout,
      );
      this.on('message', look);
    });
  }

  /** Resolves with `{ code, signal }` once the process has ended by itself. */
  async ended({ timeout = ANSWER_MS } = {}) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(this.#failure('ErizoJS did not end')), timeout);
    });
    return Promise.race([this.#ended, late]).finally(() => clearTimeout(timer));
  }

  /** Ends the process if it still runs, and forgets its files. */
  async dispose() {
    this.#child.kill('SIGKILL');
    await this.#ended;
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #failure(text) {
    const last = this.#heard.slice(-10).map((message) => JSON.stringify(message).slice(0, 300));
    return new Error(`${text}\n--- last messages\n${last.join('\n')}\n--- output\n${this.#output}`);
  }
}

const OUTPUT_LENGTH = 20_000;
