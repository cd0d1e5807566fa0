import { describe, expect, test } from 'bun:test';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FirewallState, ruleset } from './ruleset.ts';

const GOLDEN = join(import.meta.dir, '../../test/golden/nft');

/** Each folder entry NAME.json is a state, NAME.nft the script that must come of it. */
describe('networks to nft script', () => {
  const names = readdirSync(GOLDEN)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.slice(0, -'.json'.length));

  test('there are examples', () => {
    expect(names.length).toBeGreaterThanOrEqual(3);
  });

  for (const name of names) {
    test(name, () => {
      const { table, ...state } = JSON.parse(
        readFileSync(join(GOLDEN, `${name}.json`), 'utf8'),
      ) as FirewallState & {
        table: string;
      };
      expect(ruleset(table, state)).toBe(readFileSync(join(GOLDEN, `${name}.nft`), 'utf8'));
    });
  }
});
