import { expect, test } from 'bun:test';
import { decode, encode } from 'dns-packet';
import { AnswerCache } from './answer-cache.ts';
import { judge } from './answers.ts';
import type { NameSource } from './dns.ts';

const query = (name: string, id: number) =>
  encode({ type: 'query', id, flags: 0x0100, questions: [{ name, type: 'A' }] });

function lab() {
  const source = {
    version: 1,
    hosts: new Map([['db', ['10.0.0.2']]]),
    addresses(_: string, name: string) {
      const ipv4 = this.hosts.get(name);
      return ipv4 && { ipv4, ipv6: [] };
    },
    nameOf: () => undefined,
  } satisfies NameSource & { hosts: Map<string, string[]> };
  const cache = new AnswerCache(source);
  /** What is answered, and whether it was known. */
  const ask = (name: string, id: number) => {
    const bytes = query(name, id);
    const known = cache.find(bytes);
    if (known) return { ...decode(Buffer.from(known)), known: true };
    const verdict = judge(bytes, 'c', source, true);
    if (verdict.kind !== 'answer') return undefined;
    cache.keep(bytes, verdict.bytes);
    return { ...decode(verdict.bytes), known: false };
  };
  return { source, ask };
}

test('the same question is answered from memory, under its own id and with its own letters', () => {
  const { ask } = lab();
  expect(ask('db', 2)).toMatchObject({ id: 2, known: false, answers: [{ data: '10.0.0.2' }] });
  expect(ask('db', 3)).toMatchObject({ id: 3, known: true, answers: [{ name: 'db', data: '10.0.0.2' }] });
  expect(ask('DB', 4)).toMatchObject({ id: 4, known: false, answers: [{ name: 'DB', data: '10.0.0.2' }] });
});

test('a change of the names is seen by the next question', () => {
  const { source, ask } = lab();
  for (const id of [1, 2, 3]) ask('db', id);
  source.hosts.set('db', ['10.0.0.3']);
  source.version++;
  expect(ask('db', 4)).toMatchObject({ known: false, answers: [{ data: '10.0.0.3' }] });
  source.hosts.delete('db');
  source.version++;
  expect(ask('db', 5)).toBeUndefined();
});

test('names with several addresses keep turning, and the memory has an end', () => {
  const { source, ask } = lab();
  source.hosts.set('pool', ['10.0.0.4', '10.0.0.5']);
  for (const id of [1, 2, 3]) expect(ask('pool', id)).toMatchObject({ known: false });
  ask('db', 4);
  ask('db', 5);
  expect(ask('db', 6)).toMatchObject({ known: true });
  for (let i = 0; i < 300; i++) {
    source.hosts.set(`n${i}`, ['10.0.0.6']);
    ask(`n${i}`, i);
  }
  expect(ask('db', 7)).toMatchObject({ known: false });
});
