'use strict';

// `npm run coverage:contract`: which test covers which rule of the contract. A test covers the
// rules that its name, its body or the comment above it cites; a name of `describe` counts for all
// tests inside. Fails when a rule has no test, when a test cites a rule that does not exist, and
// when docs/contract-coverage.md names other tests than there are; `--write` writes that page.

const fs = require('node:fs');
const path = require('node:path');

const { ScriptError, main, root } = require('./command.js');

const RULES_FILE = 'test/contract_rules.json';
const PAGE = 'docs/contract-coverage.md';
/** The table names this many tests of a rule, the rest as a number. */
const NAMED_TESTS = 3;

const AREAS = 'EXP OBJ LIF COE THP IOP WRC MST OTM EXT EVT CDS MCF PPI CPY EXM RID FIL OTH TRX ASC NEG ICE DTL ENC GLR NAT SCN';
const NAMES = AREAS.replaceAll(' ', '|');
/** Not `M-EXT-6`: those are rules of the media contract. */
const CITATION = new RegExp(`(?<![\\w-])(${NAMES})-(\\d+)([a-e]?)(?:(?: to |-)(?:\\1-)?(\\d+)\\b)?`, 'g');
/** The same in the name of a Rust test: `scn_8_and_9_...`, `..._dtl_8`. */
const IN_A_NAME = new RegExp(`(?<![a-z0-9])(?<!m_)(${NAMES})_(\\d+)(?:_(and|to)_(\\d+))?(?![a-z0-9])`, 'gi');

/** Files below `directory`, as paths in the checkout. */
function filesBelow(directory, pattern) {
  return fs
    .readdirSync(path.join(root, directory), { withFileTypes: true })
    .flatMap((entry) => {
      const file = `${directory}/${entry.name}`;
      if (entry.isDirectory()) return filesBelow(file, pattern);
      return pattern.test(entry.name) ? [file] : [];
    })
    .sort();
}

/** The rules that a text cites: `LIF-1`, `LIF-1 to LIF-3`; `SCN-13` means all of SCN-13a, b, ... */
function citations(text, rules) {
  const cited = new Set();
  for (const [, area, first, letter, last] of text.matchAll(CITATION)) {
    for (let n = Number(first); n <= Number(last ?? first); n += 1) {
      const id = `${area}-${n}${letter}`;
      const parts = rules.has(id) ? [] : [...rules.keys()].filter((key) => key.startsWith(id) && /[a-e]$/.test(key));
      // Numbers inside a range may be free; one that is cited itself must exist.
      if (last && !rules.has(id) && n !== Number(first)) continue;
      for (const rule of parts.length > 0 ? parts : [id]) cited.add(rule);
    }
  }
  return cited;
}

/** `{ name, text }` of each test in a file of JavaScript tests. */
function javascriptTests(source, file) {
  const ts = require('typescript');
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  const tests = [];
  const titleOf = (call) => {
    const [title] = call.arguments;
    if (!title) return null;
    if (ts.isStringLiteralLike(title)) return title.text;
    if (!ts.isTemplateExpression(title)) return null;
    return title.head.text + title.templateSpans.map((span) => `…${span.literal.text}`).join('');
  };
  const visit = (node, around) => {
    let inside = around;
    if (ts.isCallExpression(node)) {
      const called = node.expression.getText(tree).replace(/\.(only|skip)$/, '');
      const title = titleOf(node);
      if (title !== null && /^(it|test)$/.test(called)) {
        tests.push({ name: title, text: `${around} ${node.getFullText(tree)}` });
        return;
      }
      if (title !== null && /^(describe|suite)$/.test(called)) inside = `${around} ${title}`;
    }
    ts.forEachChild(node, (child) => visit(child, inside));
  };
  visit(tree, '');
  return tests;
}

/** `{ name, text }` of each `#[test]` function with what stands above it; it ends at the brace that closes its own line. */
function rustTests(source) {
  const lines = source.split('\n');
  const tests = [];
  lines.forEach((line, index) => {
    if (!/^\s*#\[(tokio::)?test\b/.test(line)) return;
    let begin = index;
    while (begin > 0 && /^\s*(\/\/|#\[)/.test(lines[begin - 1])) begin -= 1;
    const head = lines.findIndex((text, at) => at > index && /\bfn (\w+)/.test(text));
    const indent = /^\s*/.exec(lines[head])[0];
    let end = lines.findIndex((text, at) => at >= head && text === `${indent}}`);
    if (end < 0 || /\}\s*$/.test(lines[head])) end = head;
    const [, name] = /\bfn (\w+)/.exec(lines[head]);
    const inName = [...name.matchAll(IN_A_NAME)].map(([, area, first, word, last]) => {
      const rule = area.toUpperCase();
      return last ? `${rule}-${first} ${word} ${rule}-${last}` : `${rule}-${first}`;
    });
    tests.push({ name, text: [...inName, ...lines.slice(begin, end + 1)].join('\n') });
  });
  return tests;
}

/** All tests of the project as `{ file, name, cited }`. */
function allTests(rules) {
  const javascript = filesBelow('test', /\.test\.[cm]?js$/).map((file) => [file, javascriptTests]);
  const rust = ['src', 'test'].flatMap((directory) => filesBelow(directory, /\.rs$/));
  return [...javascript, ...rust.map((file) => [file, rustTests])].flatMap(([file, testsOf]) =>
    testsOf(fs.readFileSync(path.join(root, file), 'utf8'), file).map(({ name, text }) => ({
      file,
      name,
      cited: citations(text, rules),
    })),
  );
}

function readRules() {
  const list = JSON.parse(fs.readFileSync(path.join(root, RULES_FILE), 'utf8'));
  return new Map(list.map((rule) => [rule.id, { ...rule, tests: [] }]));
}

/** Fills in the tests of each rule; returns what is wrong with the citations. */
function assign(rules, tests) {
  const unknown = [];
  // Tests that show a rule without citing it, by `file: name`.
  for (const rule of rules.values()) {
    for (const wanted of rule.shownBy ?? []) {
      const test = tests.find(({ file, name }) => `${file}: ${name}` === wanted);
      if (test) test.cited.add(rule.id);
      else unknown.push(`${RULES_FILE}: ${rule.id} is shown by "${wanted}", which does not exist`);
    }
  }
  for (const test of tests) {
    for (const id of test.cited) {
      if (rules.has(id)) rules.get(id).tests.push(test);
      else unknown.push(`${test.file}: "${test.name}" cites ${id}, which is no rule`);
    }
  }
  for (const rule of rules.values()) {
    // Tests whose name has the rule say more about it than those that mention it in passing.
    const named = (test) => citations(test.name, rules).has(rule.id);
    rule.tests.sort((a, b) => Number(named(b)) - Number(named(a)));
  }
  return unknown;
}

function page(rules) {
  const escape = (text) => text.replaceAll('|', '\\|');
  const sections = new Map();
  for (const rule of rules.values()) {
    sections.set(rule.section, [...(sections.get(rule.section) ?? []), rule]);
  }
  const parts = [
    '# Which test covers which rule of the contract',
    '',
    `Written by \`npm run coverage:contract -- --write\` from the rules in ${RULES_FILE} and from the`,
    'rule numbers that the tests cite. Do not edit.',
  ];
  for (const [section, list] of sections) {
    parts.push('', `## Section ${section}`, '', '| Rule | What it asks | Tests |', '|---|---|---|');
    for (const { id, text, tests } of list) {
      const names = tests.slice(0, NAMED_TESTS).map(({ file, name }) => `${file}: ${escape(name)}`);
      if (tests.length > NAMED_TESTS) names.push(`and ${tests.length - NAMED_TESTS} more`);
      parts.push(`| ${id} | ${escape(text)} | ${names.join('<br>') || '**none**'} |`);
    }
  }
  return `${parts.join('\n')}\n`;
}

module.exports = { citations, javascriptTests, rustTests };

if (require.main === module) {
  main(async () => {
    const rules = readRules();
    const problems = assign(rules, allTests(rules));
    const uncovered = [...rules.values()].filter((rule) => rule.tests.length === 0);
    const text = page(rules);
    const file = path.join(root, PAGE);
    if (process.argv.includes('--write')) {
      fs.writeFileSync(file, text);
    } else if (!fs.existsSync(file) || fs.readFileSync(file, 'utf8') !== text) {
      problems.push(`${PAGE} does not name the tests there are: run it with --write`);
    }
    for (const { id, text: what } of uncovered) problems.push(`${id} has no test: ${what}`);
    console.log(`${rules.size - uncovered.length} of ${rules.size} rules have a test`);
    if (problems.length > 0) throw new ScriptError(problems.join('\n'));
  });
}
