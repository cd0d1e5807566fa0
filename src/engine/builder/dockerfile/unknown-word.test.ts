import { describe, expect, test } from 'bun:test';
import { StepFailed } from '../operations/run.ts';
import { compile } from './compile.ts';
import { DockerfileError, withExcerpt } from './dockerfile-error.ts';
import { parseDockerfile } from './parse.ts';

describe('what a Dockerfile gets wrong is named', () => {
  const cases = [
    ['FROM a\nRUM x\n', 'line 2: unknown instruction: RUM (did you mean RUN?)'],
    ['FROM a\nentrypint x\n', 'line 2: unknown instruction: ENTRYPINT (did you mean ENTRYPOINT?)'],
    ['FROM a\nXYZZY x\n', 'line 2: unknown instruction: XYZZY'],
    ['FROM --platfrom=x a\n', 'line 1: unknown flag: --platfrom (did you mean --platform?)'],
  ];
  for (const [text = '', message = ''] of cases) {
    test(message, () => expect(() => compile(parseDockerfile(text))).toThrow(message));
  }
});

describe('withExcerpt', () => {
  const file = { path: 'D', text: 'FROM a\nRUN b\n' };
  const lines =
    '\n--------------------\nD:2\n--------------------\n   1 |     FROM a\n   2 | >>> RUN b\n   3 |     \n--------------------';

  test('a failed step keeps its exit code', () => {
    const error = withExcerpt(new StepFailed('no', 3), file, { first: 2, last: 2 });
    expect(error).toMatchObject({ exitCode: 3, kind: 'invalid', message: `no${lines}` });
  });

  test('an error of the Dockerfile has its own line', () => {
    const own = new DockerfileError('bad', { first: 2, last: 2 });
    expect(withExcerpt(own, file, undefined)).toMatchObject({
      message: `dockerfile parse error on line 2: bad${lines}`,
    });
  });

  test('others stay as they are', () => {
    const error = new Error('x');
    expect(withExcerpt(error, file, { first: 1, last: 1 })).toBe(error);
    expect(error.message).toBe('x');
  });
});
