'use strict';

// The script behind `npm run coverage:contract` reads citations as people write them.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');

const { citations, javascriptTests, rustTests } = require('../../scripts/contract_coverage.js');

/** Put together here, so that this file cites nothing itself. */
const rule = (area, number) => `${area}-${number}`;
const [LIF, SCN] = ['LIF', 'SCN'];
const rules = new Map(
  [rule(LIF, 1), rule(LIF, 2), rule(LIF, 3), rule(SCN, '13a'), rule(SCN, '13b')].map((id) => [id, {}]),
);

describe('citations', () => {
  it('are single rules, ranges, and rules with parts', () => {
    assert.deepEqual([...citations(`(${LIF}-1 to ${LIF}-3)`, rules)], [...rules.keys()].slice(0, 3));
    assert.deepEqual([...citations(`see ${SCN}-13`, rules)], [...rules.keys()].slice(3));
    assert.deepEqual([...citations(`M-${LIF}-1, x${LIF}-1`, rules)], []);
    assert.deepEqual([...citations(`${LIF}-99`, rules)], [rule(LIF, 99)]); // No rule: to be complained about.
  });

  it('stand in names, bodies, comments above, and names of groups', () => {
    const source = `describe('group one', () => {
      // above
      it('name', () => { /* body */ });
      for (const n of [1]) it(\`template \${n}\`, () => {});
    });`;
    const tests = javascriptTests(source, 'x.test.js');
    assert.deepEqual(tests.map(({ name }) => name), ['name', 'template …']);
    for (const word of ['group one', 'above', 'body']) assert.ok(tests[0].text.includes(word));
    assert.ok(!tests[1].text.includes('body'));
  });

  it('of Rust tests stand in their names, too', () => {
    const [test, ...others] = rustTests(`
/// above
#[tokio::test]
async fn ${LIF.toLowerCase()}_1_and_${LIF.toLowerCase()}() {
    body();
}
fn helper() { not_this(); }
`);
    assert.equal(others.length, 0);
    assert.ok(test.text.includes('above') && test.text.includes('body') && !test.text.includes('not_this'));
    assert.ok(citations(test.text, rules).has(rule(LIF, 1)));
  });
});
