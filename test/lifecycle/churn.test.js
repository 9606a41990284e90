'use strict';

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { describe, it } = require('node:test');

const { growth } = require('./churn.js');

describe('churn', () => {
  it('leaves no memory, descriptors or threads behind (N22, SCN-49, LIF-8)', () => {
    const program = ['--max-semi-space-size=1', path.join(__dirname, 'churn.js'), '--cycles', '500'];
    const output = execFileSync(process.execPath, program, { encoding: 'utf8', timeout: 120_000 });
    assert.match(output, /^500 cycles .*"negotiate":250,"handshake":100,"media":150/m);
    assert.match(output, /^memory, descriptors and threads are flat$/m);
  });

  it('is measured after the warm-up', () => {
    const samples = Array.from({ length: 20 }, (_, index) => ({
      cycle: (index + 1) * 500, rssMiB: 60 + index, heapMiB: 5, descriptors: index === 0 ? 90 : 40, threads: 16,
    }));
    assert.deepEqual(growth(samples).map((line) => line.split(':')[0]), []);
    samples.forEach((sample, index) => { sample.descriptors = 40 + index; sample.rssMiB = 60 + 3 * index; });
    assert.deepEqual(growth(samples).map((line) => line.split(':')[0]), ['rssMiB grows', 'descriptors grows']);
  });
});
