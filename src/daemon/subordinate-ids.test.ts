import { expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkWay, keeping, remapping } from './subordinate-ids.ts';

const FILES = {
  passwd:
    'root:x:0:0::/root:/bin/sh\ndockremap:x:998:997::/:/bin/false\nmaria:x:1000:1000::/:/bin/sh\nother:x:7:1000::/:/bin/sh\n',
  group: 'root:x:0:\ndockremap:x:997:\nmaria:x:1000:\nstaff:x:50:\n',
  subuid: '# comment\ndockremap:231072:65536\nmaria:100000:1000\nmaria:300000:5000\n',
  subgid: 'dockremap:231072:65536\n1000:400000:65536\nstaff:500000:10\n',
};
const range = (inside: number, outside: number, count: number) => ({ inside, outside, count });

test.each([
  ['default', [range(0, 231072, 65536)], [range(0, 231072, 65536)]],
  ['998', [range(0, 231072, 65536)], [range(0, 231072, 65536)]],
  ['maria', [range(0, 100000, 1000), range(1000, 300000, 5000)], [range(0, 400000, 65536)]],
  ['maria:staff', [range(0, 100000, 1000), range(1000, 300000, 5000)], [range(0, 500000, 10)]],
  ['1000:50', [range(0, 100000, 1000), range(1000, 300000, 5000)], [range(0, 500000, 10)]],
])('%s', (value, uids, gids) => expect(remapping(value, FILES)).toEqual({ uids, gids }));

test('nothing is asked, and root is not another than root', () => {
  expect(remapping('', FILES)).toBeUndefined();
  expect(remapping('root', FILES)).toBeUndefined();
});

test.each([
  ['nobody', 'unable to find user nobody'],
  ['maria:nogroup', 'unable to find group nogroup'],
  ['other', 'no subuid ranges found for other: add a line such as "other:100000:65536" to /etc/subuid'],
])('%s is refused', (value, words) => expect(() => remapping(value, FILES)).toThrow(words));

test('a directory on the way that nobody else may enter is told', () => {
  const root = mkdtempSync(join(tmpdir(), 'tare-way-'));
  try {
    const path = join(root, 'a/b');
    mkdirSync(path, { recursive: true });
    expect(() => checkWay(path)).toThrow(`chmod o+x ${root}`);
    chmodSync(root, 0o711);
    expect(() => checkWay(path)).not.toThrow();
  } finally {
    rmSync(root, { recursive: true });
  }
});

test('keep-id: the user itself, its own ranges or those of the daemon; neither is told', () => {
  const maria = keeping({ uid: 1000, gid: 1000 }, FILES, undefined);
  expect(maria.uids).toContainEqual(range(1000, 1000, 1));
  expect(maria.uids).toContainEqual(range(0, 100000, 1000));
  expect(maria.gids).toContainEqual(range(0, 400000, 1000));
  const daemons = remapping('default', FILES);
  expect(keeping({ uid: 7, gid: 7 }, FILES, daemons).uids).toContainEqual(range(0, 231072, 7));
  expect(() => keeping({ uid: 7, gid: 7 }, FILES, undefined)).toThrow('no subuid ranges found for other');
});
