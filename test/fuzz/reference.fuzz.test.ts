import { expect, test } from 'bun:test';
import { isKind } from '../../src/base/errors.ts';
import {
  canonicalString,
  familiarString,
  isImageId,
  parseReference,
  type Reference,
} from '../../src/oci/reference.ts';
import { Random } from './random.ts';

const PIECES = [
  ...[
    'docker.io',
    'index.docker.io',
    'library',
    'localhost',
    'a',
    'b-c',
    'x__y',
    'n.1',
    '0',
    'UP',
    '[::1]',
    'latest',
  ],
  ...['/', '/', '/', ':', ':', '@', '.', '-', '_', '__', '--', '..', ' ', '\n', '\0', 'é', '5000', '%', '~'],
  ...['sha256:', 'sha512:', 'md5:', 'e3'.repeat(32), 'ab'.repeat(64), 'f'.repeat(31), 'a'.repeat(120)],
];

/** Undefined for a text that is refused as it has to be. */
function parse(text: string): Reference | undefined {
  try {
    return parseReference(text);
  } catch (error) {
    if (!isKind(error, 'invalid')) throw new Error(`${JSON.stringify(text)}: ${error}`);
    expect(error.message).not.toBe('');
    return undefined;
  }
}

test('what is taken is a fixed point of its own printed forms', () => {
  const random = new Random(1);
  let taken = 0;
  for (let i = 0; i < 60_000; i++) {
    const text = Array.from({ length: 1 + random.below(9) }, () => random.pick(PIECES)).join('');
    const ref = parse(text);
    if (ref === undefined) continue;
    taken++;
    expect(parse(canonicalString(ref))).toEqual(ref);
    // As in Docker: the short form of docker.io/library/ID reads like that id.
    if (!isImageId(familiarString(ref))) expect(parse(familiarString(ref))).toEqual(ref);
    expect(ref.path).toMatch(/^[a-z0-9][a-z0-9._/-]*$/);
    expect(ref.path.length).toBeLessThanOrEqual(255);
    expect(canonicalString(ref)).not.toMatch(/[\s\0]/);
  }
  expect(taken).toBeGreaterThan(2000);
});

test('long repetitions are refused at once', () => {
  for (const piece of ['a-', 'a__', 'a.', 'a/', '-', '_', ':', '@', 'a:', 'sha256:']) {
    for (const end of ['', '!', '/', ':', '@']) {
      const begin = performance.now();
      parse(piece.repeat(4096) + end);
      parse(piece.repeat(Math.floor(4000 / piece.length)) + end);
      // Backtracking that explodes would take hours, not a second.
      expect(performance.now() - begin).toBeLessThan(5000);
    }
  }
});
