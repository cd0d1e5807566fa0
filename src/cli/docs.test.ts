import { expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cliDocs } from './docs.ts';
import { PROGRAM } from './program.ts';
import { COMMON, NOUNS, namesOf, route, SHORT_FORMS, TOP } from './tree.ts';

const folder = join(import.meta.dir, '../../docs/cli');

test('docs/cli says what the commands are (else run: bun scripts/gen-cli-docs.ts)', async () => {
  const pages = await cliDocs();
  expect(readdirSync(folder).sort()).toEqual([...pages.keys()].sort());
  for (const [name, text] of pages) expect(readFileSync(join(folder, name), 'utf8')).toBe(text);
});

test('the tree is consistent: names, aliases, short forms', async () => {
  for (const [noun, { verbs, aliases }] of Object.entries(NOUNS)) {
    for (const [verb, load] of Object.entries(verbs)) expect((await load()).command.name).toBe(verb);
    for (const target of Object.values(aliases)) expect(Object.keys(verbs)).toContain(target);
    expect(Object.keys(TOP)).not.toContain(noun);
  }
  for (const [name, load] of Object.entries(TOP)) expect((await load()).command.name).toBe(name);
  for (const [noun, verb] of Object.values(SHORT_FORMS))
    expect(Object.keys(NOUNS[noun]!.verbs)).toContain(verb);
  for (const name of COMMON) expect(route(name, undefined).kind).toBe('command');
  expect(namesOf('container/ls', PROGRAM)).toEqual([
    'tare container ls',
    'tare container list',
    'tare container ps',
    'tare ps',
  ]);
});

test('flags are sound: one letter each, aliases of flags that exist, help for all', async () => {
  const loaders = [
    ...Object.values(NOUNS).flatMap(({ verbs }) => Object.values(verbs)),
    ...Object.values(TOP),
  ];
  for (const load of loaders) {
    const { command } = await load();
    const shorts = Object.values(command.flags).flatMap(({ short }) => short ?? []);
    expect([command.name, ...new Set(shorts)]).toEqual([command.name, ...shorts]);
    for (const [name, { aliasOf, help, short }] of Object.entries(command.flags)) {
      expect(help, `${command.name} --${name}`).not.toBe('');
      if (short !== undefined) expect(short).toHaveLength(1);
      if (aliasOf !== undefined) expect(Object.keys(command.flags)).toContain(aliasOf);
    }
  }
});

test('a path leads to its command', () => {
  expect(route('ps', '-a')).toMatchObject({ kind: 'command', words: 1, path: 'container/ls' });
  expect(route('container', 'list')).toMatchObject({ kind: 'command', words: 2, path: 'container/ls' });
  expect(route('container', '--help')).toMatchObject({ kind: 'noun', name: 'container' });
  expect(route('container', 'foo')).toEqual({ kind: 'unknown', name: 'foo', noun: 'container' });
  expect(route('toString', undefined)).toEqual({ kind: 'unknown', name: 'toString' });
  expect(route('container', 'constructor')).toEqual({
    kind: 'unknown',
    name: 'constructor',
    noun: 'container',
  });
});
