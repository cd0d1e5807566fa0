import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readUserDatabase, resolveUser } from './user.ts';

const database = {
  passwd:
    '# comment\nroot:x:0:0:root:/root:/bin/sh\nweb:x:33:33:web:/srv:/bin/sh\nodd:x:50:60::\n7up:x:70:70::/home/7up:\n',
  group: 'root:x:0:\nweb:x:33:\naudio:x:29:web,odd\nvideo:x:44:\n',
};

describe('resolveUser', () => {
  const cases: Array<
    [string, string[], { uid: number; gid: number; additionalGids: number[]; home: string }]
  > = [
    ['', [], { uid: 0, gid: 0, additionalGids: [0], home: '/root' }],
    ['web', [], { uid: 33, gid: 33, additionalGids: [33, 29], home: '/srv' }],
    ['33', [], { uid: 33, gid: 33, additionalGids: [33, 29], home: '/srv' }],
    ['web:audio', [], { uid: 33, gid: 29, additionalGids: [29], home: '/srv' }],
    ['web:44', ['audio', '99'], { uid: 33, gid: 44, additionalGids: [44, 29, 99], home: '/srv' }],
    ['1000', [], { uid: 1000, gid: 0, additionalGids: [0], home: '/' }],
    ['1000:2000', [], { uid: 1000, gid: 2000, additionalGids: [2000], home: '/' }],
    ['odd', [], { uid: 50, gid: 60, additionalGids: [60, 29], home: '/' }],
    ['7up', [], { uid: 70, gid: 70, additionalGids: [70], home: '/home/7up' }],
    [':video', [], { uid: 0, gid: 44, additionalGids: [44], home: '/root' }],
  ];
  test.each(cases)('%p with groups %p', (text, groups, user) => {
    expect(resolveUser(text, groups, database)).toEqual(user);
  });

  test('refuses what is not there, in Docker words', () => {
    const none = { passwd: '', group: '' };
    expect(() => resolveUser('web', [], none)).toThrow(
      'unable to find user web: no matching entries in passwd file',
    );
    expect(() => resolveUser('0:web', [], none)).toThrow(
      'unable to find group web: no matching entries in group file',
    );
    expect(() => resolveUser('0', ['web'], none)).toThrow('unable to find group web');
    expect(() => resolveUser('-1', [], none)).toThrow('uids and gids must be in range 0-2147483647');
    expect(resolveUser('0:0', [], none)).toMatchObject({ uid: 0, gid: 0, home: '/' });
  });
});

describe('readUserDatabase', () => {
  const root = mkdtempSync(join(tmpdir(), 'tare-user-'));
  afterAll(() => rmSync(root, { recursive: true }));

  test('follows links within the root only', () => {
    mkdirSync(join(root, 'etc'));
    mkdirSync(join(root, 'real'));
    writeFileSync(join(root, 'real/passwd'), 'in:x:1:1::/in:\n');
    symlinkSync('/real/passwd', join(root, 'etc/passwd'));
    // Would be the host's if the link were followed out of the root.
    symlinkSync('../../../../../../../etc/group', join(root, 'etc/group'));
    expect(readUserDatabase(root)).toEqual({ passwd: 'in:x:1:1::/in:\n', group: '' });
  });

  test('an image without one, or with something else in its place, has none', () => {
    const empty = join(root, 'empty');
    mkdirSync(join(empty, 'etc/passwd'), { recursive: true });
    Bun.spawnSync(['mkfifo', join(empty, 'etc/group')]);
    expect(readUserDatabase(empty)).toEqual({ passwd: '', group: '' });
  });
});
