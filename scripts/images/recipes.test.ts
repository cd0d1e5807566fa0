import { expect, test } from 'bun:test';
import { RECIPES } from './recipes.ts';

test.each(Object.entries(RECIPES))(
  'the script of %s is valid shell, and so is what it writes',
  (_name, recipe) => {
    const check = (script: string) => Bun.spawnSync(['sh', '-n', '-c', script]).stderr.toString();
    expect(check(recipe.script)).toBe('');
    for (const [, text = ''] of recipe.script.matchAll(/<<'END_OF_FILE'\n([\s\S]*?)END_OF_FILE/g)) {
      if (text.startsWith('#!/bin/sh')) expect(check(text)).toBe('');
    }
  },
);

test('every change is an instruction that commit takes', () => {
  for (const recipe of Object.values(RECIPES)) {
    for (const change of recipe.changes) {
      expect(change).toMatch(/^(CMD|ENTRYPOINT|ENV|EXPOSE|STOPSIGNAL|USER|VOLUME|WORKDIR) \S/);
      const list = /^(?:CMD|ENTRYPOINT) (\[.*)$/.exec(change)?.[1];
      if (list !== undefined) expect(Array.isArray(JSON.parse(list))).toBe(true);
    }
  }
});
