import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explanationText } from '../../../src/cli/commands/network/explain.ts';
import { explainContainer } from '../../../src/engine/containers/explain/explain-container.ts';
import { explainPort } from '../../../src/engine/containers/explain/explain-port.ts';
import { parseTarget } from '../../../src/engine/containers/explain/explainer.ts';
import { VARIANTS } from './facts.ts';

const path = (name: string) => join(import.meta.dir, name);
const cases = readFileSync(path('cases.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

function explain(line: string): string {
  const [variant = '', target = ''] = line.split(' ');
  const facts = VARIANTS[variant]!;
  const entry = facts.containers.find(({ container }) => container.name === target);
  const answer = entry ? explainContainer(entry.container, facts) : explainPort(parseTarget(target)!, facts);
  const text = explanationText({
    Target: answer.target,
    Summary: answer.summary,
    Findings: answer.findings.map(({ from, verdict, text: words, rule }) => ({
      From: from,
      Verdict: verdict,
      Text: words,
      ...(rule === undefined ? {} : { Rule: rule }),
    })),
  });
  return `# ${line}\n${text}\n`;
}

const actual = cases.map(explain);
// UPDATE_GOLDEN=1 writes what it says now; look at the difference before you commit it.
if (process.env.UPDATE_GOLDEN) writeFileSync(path('expected.txt'), actual.join(''));
const expected = readFileSync(path('expected.txt'), 'utf8');

test.each(cases.map((line, index) => [line, index] as const))('%s', (_, index) => {
  expect(expected).toContain(actual[index]!);
});

test('nothing more is expected', () => {
  expect(actual.join('')).toBe(expected);
});

test('what is a port and what is a container', () => {
  expect(parseTarget('8080')).toEqual({ host: '', port: 8080, protocol: 'tcp' });
  expect(parseTarget(':53/UDP')).toEqual({ host: '', port: 53, protocol: 'udp' });
  expect(parseTarget('localhost:80')).toEqual({ host: '127.0.0.1', port: 80, protocol: 'tcp' });
  expect(parseTarget('[::]:80')).toEqual({ host: '', port: 80, protocol: 'tcp' });
  expect(parseTarget('[fd00::1]:80')).toEqual({ host: 'fd00::1', port: 80, protocol: 'tcp' });
  for (const other of ['web', 'web:80', '0', '70000', '80/quic', '']) {
    expect(parseTarget(other)).toBeUndefined();
  }
});
