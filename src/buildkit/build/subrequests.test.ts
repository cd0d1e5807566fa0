import { expect, test } from 'bun:test';
import { hostConfigCodec } from '../../api/codec/host-config.ts';
import type { ContextReader } from './contexts.ts';
import { subrequest } from './subrequests.ts';

const text = 'FROM a as b\nMAINTAINER me\n';
const reader = {
  readDefinition: async () => ({ text, ignore: undefined, filename: 'Dockerfile' }),
} as unknown as ContextReader;
const parts = {
  defaults: () => ({ config: {} as never, hostConfig: hostConfigCodec.zero() }),
  checks: {
    check: () => ({
      warnings: [
        {
          rule: 'MaintainerDeprecated',
          description: 'about it',
          url: 'https://rules.example/maintainer',
          text: 'use a label',
          span: { first: 2, last: 2 },
        },
      ],
      error: undefined,
    }),
  },
};
const words = (value: Uint8Array | undefined): string => Buffer.from(value ?? []).toString();

test('checks: for people and for programs', async () => {
  const answer = await subrequest(parts, 'frontend.lint', {}, reader);
  expect(words(answer['result.txt'])).toContain(
    'WARNING: MaintainerDeprecated - https://rules.example/maintainer\nuse a label\n',
  );
  expect(words(answer['result.txt'])).toContain('   2 | >>> MAINTAINER me');
  expect(words(answer['result.statuscode'])).toBe('1');
  const { warnings, sources } = JSON.parse(words(answer['result.json']));
  expect(warnings[0]).toMatchObject({
    ruleName: 'MaintainerDeprecated',
    detail: 'use a label',
    location: { sourceIndex: 0, ranges: [{ start: { line: 2 }, end: { line: 2 } }] },
  });
  expect(Buffer.from(sources[0].data, 'base64').toString()).toBe(text);
});

test('what is not known is refused in words of BuildKit', async () => {
  await expect(subrequest(parts, 'frontend.outline', {}, reader)).rejects.toThrow(
    'unsupported request frontend.outline',
  );
  expect(
    words((await subrequest(parts, 'frontend.subrequests.describe', {}, reader))['result.txt']),
  ).toContain('frontend.lint');
});
