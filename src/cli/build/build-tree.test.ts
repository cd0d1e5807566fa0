import { describe, expect, test } from 'bun:test';
import type { BuildEventMessage } from '../../wire/build.ts';
import { BuildTree, type Look } from './build-tree.ts';

const LOOK: Look = { width: 44, rows: 40, colour: false };

function treeAt() {
  const clock = { now: 10_000 };
  const tree = new BuildTree(() => clock.now);
  const vertex = (id: string, name: string, more: object = {}): void =>
    tree.take({ kind: 'vertex', id, name, inputs: [], ...more } as BuildEventMessage);
  const log = (id: string, text: string, stream: 'stdout' | 'stderr' = 'stdout'): void =>
    tree.take({ kind: 'log', vertex: id, stream, data: Buffer.from(text).toString('base64') });
  const shown = (look: Partial<Look> = {}): string => tree.lines({ ...LOOK, ...look }).join('\n');
  return { clock, tree, vertex, log, shown };
}

/** Two stages side by side in the midst of it. */
function halfway() {
  const at = treeAt();
  at.vertex('c', '[internal] load build context', { started: 10_000, completed: 10_100 });
  at.vertex('b1', '[build 1/2] FROM busybox', { started: 10_000, completed: 10_000, cached: true });
  at.vertex('b2', '[build 2/2] RUN make', { started: 10_100 });
  at.vertex('w2', '[web 2/3] RUN npm ci', { started: 10_200 });
  at.vertex('w3', '[web 3/3] COPY --from=build /out /srv');
  at.vertex('x', 'exporting to image');
  for (let line = 1; line <= 9; line++) at.log('b2', `cc ${line}.c\n`);
  at.log('w2', 'half a li');
  at.clock.now = 13_400;
  return at;
}

describe('the tree', () => {
  test('stages with their steps, times, cached marks and the last lines of all that run', () => {
    const { shown } = halfway();
    expect(shown()).toMatchInlineSnapshot(`
      "[+] Building 3.4s (2/6)
       ✓ load build context                   0.1s
       build
        ✓ [1/2] FROM busybox                cached
        ⠙ [2/2] RUN make                      3.3s
          │ cc 5.c
          │ cc 6.c
          │ cc 7.c
          │ cc 8.c
          │ cc 9.c
       web
        ⠙ [2/3] RUN npm ci                    3.2s
          │ half a li
        · [3/3] COPY --from=build /out /srv
       · exporting to image"
    `);
  });

  test('with few lines it has less output, and then only what runs', () => {
    const { shown } = halfway();
    const short = shown({ rows: 12 });
    expect(short.split('\n')).toHaveLength(12);
    expect(short).toMatchInlineSnapshot(`
      "[+] Building 3.4s (2/6)
       ✓ load build context                   0.1s
       build
        ✓ [1/2] FROM busybox                cached
        ⠙ [2/2] RUN make                      3.3s
          │ cc 8.c
          │ cc 9.c
       web
        ⠙ [2/3] RUN npm ci                    3.2s
          │ half a li
        · [3/3] COPY --from=build /out /srv
       · exporting to image"
    `);
    const least = shown({ rows: 6 });
    expect(least.split('\n').length).toBeLessThanOrEqual(6);
    expect(least).toContain('RUN npm ci');
  });

  test('no line is wider than the terminal, however wide its characters', () => {
    const { tree, vertex, log } = treeAt();
    vertex('a', '[1/1] RUN echo 漢字漢字漢字漢字漢字漢字漢字漢字', { started: 1 });
    log('a', `${'漢'.repeat(60)}\n\x1b[2J\x1b[31mred\x1b[0m\tand\rover\n`);
    for (const width of [20, 21, 33]) {
      for (const line of tree.lines({ ...LOOK, width }))
        expect(Bun.stringWidth(line)).toBeLessThanOrEqual(width);
    }
    expect(tree.lines(LOOK).join('\n')).not.toContain('\x1b');
    expect(tree.lines(LOOK).at(-1)).toBe('   │ over');
  });

  test('a failure: the step, what it printed, and what was stopped for it', () => {
    const { tree, vertex, clock, shown } = halfway();
    clock.now = 14_000;
    vertex('b2', '', { completed: 14_000, error: 'exit code: 2' });
    vertex('w2', '', { completed: 14_000, error: 'the build was stopped' });
    tree.end();
    expect(shown()).toMatchInlineSnapshot(`
      "[+] Building 4.0s (2/6)
       ✓ load build context                   0.1s
       build
        ✓ [1/2] FROM busybox                cached
        ✗ [2/2] RUN make                      3.9s
       web
        - [2/3] RUN npm ci                 stopped
        · [3/3] COPY --from=build /out /srv
       · exporting to image"
    `);
    expect(tree.failures(LOOK)).toEqual([
      '------',
      ' > [2/2] RUN make:',
      ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((line) => `cc ${line}.c`),
      '------',
    ]);
  });

  test('how far the layers of a pull are', () => {
    const { tree, vertex } = treeAt();
    vertex('a', '[1/1] FROM nginx', { started: 10_000 });
    const status = { kind: 'status', vertex: 'a', id: 'abc', total: 2_000_000 } as const;
    tree.take({ ...status, name: 'Downloading', current: 500_000 });
    tree.take({ ...status, name: 'Downloading', current: 1_500_000 });
    expect(tree.lines(LOOK).at(-1)).toBe('   │ abc: Downloading 1.5MB / 2MB');
  });

  test('colours are only given when they are wanted', () => {
    const { shown } = halfway();
    expect(shown()).not.toContain('\x1b');
    expect(shown({ colour: true })).toContain('\x1b[32m');
    expect(Bun.stripANSI(shown({ colour: true }))).toBe(shown());
  });
});
