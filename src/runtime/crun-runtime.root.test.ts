import { afterAll, describe, expect, test } from 'bun:test';
import { RuntimeFixture } from './testing.ts';

const fixture = new RuntimeFixture();
afterAll(() => fixture.close());

describe('a container', () => {
  test('runs; output is kept apart and the exit code is true', async () => {
    const { exit, stdout, stderr } = await fixture.run(['sh', '-c', 'echo out; echo err >&2; exit 7']);
    expect(stdout).toBe('out\n');
    expect(stderr).toBe('err\n');
    expect(exit).toMatchObject({ exitCode: 7, exitCodeKnown: true, oomKilled: false, execId: undefined });
    expect(Math.abs(Date.now() - exit.finishedAt)).toBeLessThan(60_000);
  });
});
