import { describe, expect, test } from 'bun:test';
import { parseChallenges } from './challenge.ts';

describe('parseChallenges', () => {
  test('a token challenge as Docker Hub sends it', () => {
    expect(
      parseChallenges(
        'Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push"',
      ),
    ).toEqual([
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.example/token',
          service: 'registry.example',
          scope: 'repository:a/b:pull,push',
        },
      },
    ]);
  });

  test('several challenges in one header, quoting, and odd spacing', () => {
    expect(
      parseChallenges('Basic realm="a, \\"b\\"" ,  BEARER Realm = x , error="insufficient_scope"'),
    ).toEqual([
      { scheme: 'basic', parameters: { realm: 'a, "b"' } },
      { scheme: 'bearer', parameters: { realm: 'x', error: 'insufficient_scope' } },
    ]);
  });

  test('bare schemes and token68', () => {
    expect(parseChallenges('Negotiate').map((each) => each.scheme)).toEqual(['negotiate']);
    expect(parseChallenges('Negotiate YWJj==, Basic realm=x')).toEqual([
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'x' } },
    ]);
  });

  test('nothing and nonsense', () => {
    for (const header of [null, '', ',,,', '"', '=', '\u0000']) expect(parseChallenges(header)).toEqual([]);
  });

  test('any text ends, quickly', () => {
    let state = 3;
    const alphabet = 'Bb r="\\,;=/\t~';
    for (let i = 0; i < 3000; i++) {
      let text = '';
      for (let k = 0; k < 30; k++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        text += alphabet[(state >>> 8) % alphabet.length];
      }
      expect(Array.isArray(parseChallenges(text))).toBe(true);
    }
    expect(parseChallenges(`Bearer realm="${'\\"'.repeat(100_000)}`)[0]?.scheme).toBe('bearer');
  });
});
